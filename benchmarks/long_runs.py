"""Whether long use stays quick: long lists of runs, large tables, long studies.

    python benchmarks/long_runs.py [--runs 10000] [--blocks 5000] [--trials 5000] [--every 500]

Four figures, each with the growth of the process's resident memory:

- `report --list` of a folder of runs, the first time and again, as JSON and on a terminal;
- a table of many blocks: written, read, and all predictions made of it;
- seconds per trial of a study, over the last `--every` trials at each multiple of it. Accuracies are a proxy that takes
  no time, so that this is what edgebench and Optuna add to a trial.

Run it on a machine that does nothing else. Everything is written below a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from edgebench.core.budget import Budget
from edgebench.core.metric import Provenance
from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Run
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.search import search
from edgebench.flows.spaces import open_space
from edgebench.store.devices import find_device
from edgebench.store.runs import RunStore
from edgebench.store.tables import TableStore, load_table


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (("runs", 10_000), ("blocks", 5_000), ("trials", 5_000), ("every", 500)):
        parser.add_argument(f"--{name}", type=int, default=value)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgebench-long-") as folder:
        # The lists are kept there, too, so that the first one is a first one.
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        lists(Path(folder) / "lists", wanted.runs)
        table(Path(folder) / "tables", wanted.blocks)
        study(Path(folder) / "studies", wanted.trials, wanted.every)


def lists(results: Path, count: int) -> None:
    """Runs of one model on one device, with the samples of five processes."""
    store = RunStore(results)
    random = np.random.default_rng(0)
    model = ModelInfo(name="net", source="net.onnx", format=ModelFormat.ONNX, digest="ab" * 32, size_bytes=10_000)
    processes = tuple(
        ProcessRun(load_s=0.1, bursts=tuple(Sample(latencies_s=tuple(random.random(20) / 1e3)) for _ in range(3)))
        for _ in range(5)
    )
    profile = Profile(model=model, device=find_device("fake"), outcome=Outcome.OK, processes=processes)
    run = Run(name="", started="", command=("edgebench",), edgebench="0", plan=MeasurementPlan(), profiles=(profile,))
    for number in range(count):
        # Names of their own: giving each one a new name is not what is timed here.
        name = f"20260101-{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}-{number // 86400:04x}"
        store.save(replace(run, name=name, started="2026-01-01T00:00:00+00:00"))
    size = store.path(store.names()[0]).stat().st_size
    print(f"{count} runs of {size / 1024:.0f} KiB")
    start = time.perf_counter()
    store.new_name()
    print(f"  a new name: {time.perf_counter() - start:.3f} s")
    for what, arguments in (("first list", ["--json"]), ("list again, JSON", ["--json"]), ("list again, text", [])):
        took, memory = command(["report", "--list", "--results", str(results), *arguments])
        print(f"  {what}: {took:.2f} s, {memory / 2**20:.0f} MiB at most")


def command(arguments: list[str]) -> tuple[float, int]:
    """Seconds and the largest resident memory, in bytes, of a command of edgebench."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "edgebench", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"edgebench {' '.join(arguments)} ended with {child.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def table(results: Path, blocks: int) -> None:
    random = np.random.default_rng(0)
    names = ("latency_s", "ram_bytes", "flash_bytes")
    made = LookupTable(
        space="made-up",
        key=TableKey(device="fake", target="none", dtype="float32"),
        figures=dict.fromkeys(names, TableFigure(provenance=Provenance.ESTIMATED, method="random")),
        entries={f"kind 1x1x{n} block": {name: random.random() for name in names} for n in range(blocks)},
    )
    before = resident()
    start = time.perf_counter()
    path = TableStore(results).save(made)
    saved = time.perf_counter()
    found = load_table(path)
    read = time.perf_counter()
    total = sum(found.cost(block, name) for block in found.entries for name in names)
    summed = time.perf_counter()
    print(
        f"a table of {blocks} blocks: written in {saved - start:.2f} s, read in {read - saved:.2f} s, its "
        f"{blocks * len(names)} costs in {summed - read:.3f} s (sum {total:.0f}), {grown(before)}"
    )


def study(results: Path, trials: int, every: int) -> None:
    space = open_space("mobile")
    random = np.random.default_rng(0)
    device = find_device("fake")
    made = LookupTable(
        space=space.name,
        key=TableKey(device="fake", target="none", dtype="float32"),
        figures={"latency_s": TableFigure(provenance=Provenance.ESTIMATED, method="random")},
        entries={block.key: {"latency_s": random.random()} for block in space.all_blocks},
        space_digest=space.digest,
        complete=True,
    )
    request = SearchRequest(
        space=space,
        devices=(device,),
        tables={"fake": made},
        budget=Budget(),
        accuracy="proxy:parameters",
        trials=trials,
        study="long",
        results=results,
        finalists=0,
    )
    before = resident()
    reached: dict[int, tuple[float, int]] = {}

    def on_progress(progress: ProfileProgress) -> None:
        done = round(progress.done * trials)
        if done % every == 0 and done not in reached:
            reached[done] = time.perf_counter(), resident()
            if done - every in reached:
                took = (reached[done][0] - reached[done - every][0]) / every
                print(f"  {done} trials: {took * 1e3:.1f} ms a trial, {grown(before)}", flush=True)

    print(f"a study of {trials} trials, none of which trains")
    search(request, MeasurementPlan(), on_update=lambda *_: None, on_progress=on_progress)
    journal = results / "studies" / "long" / "journal.log"
    print(f"  its journal: {journal.stat().st_size / trials / 1024:.1f} KiB a trial")


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def grown(before: int) -> str:
    return f"{(resident() - before) / 2**20:+.0f} MiB"


if __name__ == "__main__":
    main()
