"""A page of a thousand runs: how long it takes to write, how large it is, and how long Chromium takes to show it.

    python benchmarks/report_html.py [RUNS]

Runs are made up and saved to a folder first; reading them is told apart from writing the page.
"""

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from edgebench.core.device import Device, DeviceKind
from edgebench.core.metric import Provenance
from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Revision, Run
from edgebench.store.runs import RunStore

MODELS, DEVICES, PROCESSES, SAMPLES = 20, 5, 5, 200
CHROMIUM = Path("/usr/bin/chromium")
LIMITS = {"write_s": 5.0, "bytes": 5e6, "load_s": 2.0}


def made_up(number: int, source: random.Random) -> Run:
    model = f"model-{number % MODELS}"
    device = f"device-{number % DEVICES}"
    latencies = [tuple(1e-4 * source.lognormvariate(0, 0.05) for _ in range(SAMPLES)) for _ in range(PROCESSES)]
    profile = Profile(
        model=ModelInfo(name=model, source=model, format=ModelFormat.ONNX, digest=f"{number:064x}", size_bytes=10**5),
        device=Device(name=device, kind=DeviceKind.CPU, target="host", description=device),
        outcome=Outcome.OK,
        processes=tuple(ProcessRun(load_s=0.01, bursts=(Sample(latencies_s=values),)) for values in latencies),
        latency_provenance=Provenance.MEASURED,
        method="clock",
        versions={"runtime": "1.0"},
    )
    return Run(
        name=f"20260101-{number:06d}-abcd",
        started=f"2026-01-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}+00:00",
        command=("edgebench", "profile", model),
        edgebench="0.1.0",
        plan=MeasurementPlan(),
        machine={"cpu": "made up"},
        complete=True,
        profiles=(profile,),
        label=f"run {number}",
        revision=Revision(commit=f"{number:040x}"),
    )


def loading_s(path: Path) -> float | None:
    """The median over five visits until everything is laid out, or None without Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if not CHROMIUM.exists():
        return None
    times = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for _ in range(5):
            page = browser.new_page()
            begun = time.perf_counter()
            page.goto(path.as_uri())
            page.evaluate("document.body.offsetHeight")
            times.append(time.perf_counter() - begun)
            page.close()
        browser.close()
    return statistics.median(times)


def main(count: int) -> None:
    from edgebench.reports.html.runs import runs_page

    source = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        for number in range(count):
            store.save(made_up(number, source))
        begun, busy = time.perf_counter(), time.process_time()
        runs = [store.load(name) for name in store.names()]
        read_s, read_cpu_s = time.perf_counter() - begun, time.process_time() - busy
        begun, busy = time.perf_counter(), time.process_time()
        page = runs_page(runs).encode()
        found: dict[str, float | None] = {"write_s": time.perf_counter() - begun, "bytes": float(len(page))}
        write_cpu_s = time.process_time() - busy
        path = Path(folder) / "page.html"
        path.write_bytes(page)
        found["load_s"] = loading_s(path)
    print(f"{count} runs of {PROCESSES * SAMPLES} samples, read in {read_s:.2f} s ({read_cpu_s:.2f} s of processor)")
    print(f"processor time of writing: {write_cpu_s:.2f} s, importing Altair and starting Vega included")
    for name, limit in LIMITS.items():
        value = found[name]
        verdict = "not measured" if value is None else f"{value:,.2f}, {'met' if value <= limit else 'NOT met'}"
        print(f"{name}: {verdict} (limit {limit:,.0f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
