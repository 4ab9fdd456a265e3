"""What measuring over SSH adds: to a latency, and to asking boards whether they live.

A server on loopback stands for the board, so that one processor runs both sides: bursts over the link and local ones
take turns, and their p5 are compared. Goals: a ratio within 1 %, thirty boards probed in under 5 s.

    PYTHONPATH=. python benchmarks/ssh_link.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebench.core.device import Device
from edgebench.core.model import InputSource, ModelFormat
from edgebench.models.zoo import export
from edgebench.store.devices import find_device
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring.jobs import Finish, Load, Run
from tests.ssh_server import SshServer, make_key, ssh_server

PAIRS = 8
BURSTS = 40
BOARDS = 30


def at(server: SshServer) -> Device:
    reached = {
        "host": "board", "ssh_config": str(server.config), "python": sys.executable, "environment": sys.prefix,
    }  # fmt: skip
    return replace(find_device("host"), link="ssh", reached=reached)


def one_pair(model: Path, board: Device, workers: LocalWorkers) -> float:
    """p5 over the link as a ratio of the local p5, for one pair of fresh processes."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    with ExitStack() as stack:
        running = {}
        for is_remote in taken:
            worker = stack.enter_context(workers.measuring())
            device = board if is_remote else find_device("host")
            loaded = worker.ask(Load(device=device, model=str(model), inputs=InputSource()), timeout_s=120)
            running[is_remote] = worker, loaded.iterations
        for burst in range(BURSTS):
            for is_remote in (True, False) if burst % 2 else (False, True):
                worker, iterations = running[is_remote]
                taken[is_remote] += worker.ask(Run(iterations=iterations), timeout_s=120).latencies_s
        for worker, _ in running.values():
            worker.ask(Finish(layers=False), timeout_s=60)
    return float(np.percentile(taken[True], 5) / np.percentile(taken[False], 5))


def probed_s(folder: Path) -> float:
    """Time to probe all boards at once."""
    from concurrent.futures import ThreadPoolExecutor

    make_key(folder / "key")
    with ExitStack() as stack:
        servers = [stack.enter_context(ssh_server(folder / str(n), key=folder / "key")) for n in range(BOARDS)]
        workers = LocalWorkers()
        begin = time.perf_counter()
        with ThreadPoolExecutor(BOARDS) as pool:
            list(pool.map(lambda server: workers.probe(at(server), timeout_s=30.0), servers))
        return time.perf_counter() - begin


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.onnx"
        export("ds-cnn", ModelFormat.ONNX, model)
        with ssh_server(folder / "board", settings=f"SetEnv XDG_CACHE_HOME={folder}/cache") as server:
            workers = LocalWorkers()
            ratios = [one_pair(model, at(server), workers) for _ in range(PAIRS)]
        (folder / "probed").mkdir()
        result = {
            "network": "ds-cnn",
            "pairs": PAIRS,
            "p5_over_link_by_local": round(float(np.median(ratios)), 4),
            "lowest": round(min(ratios), 4),
            "highest": round(max(ratios), 4),
            f"probe_of_{BOARDS}_boards_s": round(probed_s(folder / "probed"), 2),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
