"""What edgebench's timing adds to a bare loop around ``session.run``.

Both run in this process on the same session, burst by burst in turn, so that both see the machine in the same state.
Goal: p5 within 2 % for a net of about 1 ms, and within 1 us for a net of about 20 us.

    python benchmarks/overhead.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edgebench.core.model import InputSource, ModelFormat
from edgebench.models.zoo import export
from edgebench.store.devices import find_device
from edgebench.targets.onnxruntime_cpu import OnnxRuntimeModel, OnnxRuntimeTarget

BURSTS = 60
NETWORKS = (("tiny", 200), ("ds-cnn", 60), ("mobilenet-v2-0.75-96", 10))


def bare_loop(model: OnnxRuntimeModel, iterations: int) -> list[float]:
    """The obvious loop."""
    session, feeds = model._session, model._feeds  # noqa: SLF001
    latencies = []
    for _ in range(iterations):
        start = time.perf_counter()
        session.run(None, feeds)
        latencies.append(time.perf_counter() - start)
    return latencies


def compare(name: str, iterations: int) -> dict[str, float | str]:
    """p5 of both loops over interleaved bursts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(name, ModelFormat.ONNX, path)
        with OnnxRuntimeTarget(find_device("host")).load(path, InputSource()) as model:
            model.run(200)
            ours: list[float] = []
            bare: list[float] = []
            for burst in range(BURSTS):
                for loop in (ours, bare) if burst % 2 else (bare, ours):
                    model.run(3)
                    loop.extend(model.run(iterations).latencies_s if loop is ours else bare_loop(model, iterations))
    ours_p5, bare_p5 = (float(np.percentile(values, 5)) for values in (ours, bare))
    return {
        "network": name,
        "bare_p5_us": round(bare_p5 * 1e6, 2),
        "edgebench_p5_us": round(ours_p5 * 1e6, 2),
        "difference_us": round((ours_p5 - bare_p5) * 1e6, 3),
        "ratio": round(ours_p5 / bare_p5, 4),
    }


def main() -> None:
    """Print one line per network."""
    for name, iterations in NETWORKS:
        sys.stdout.write(json.dumps(compare(name, iterations)) + "\n")


if __name__ == "__main__":
    main()
