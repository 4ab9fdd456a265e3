"""What measuring over SSH adds: to a latency, and to asking boards whether they live.

A server on loopback stands for the board, so that one processor runs both sides: bursts over the link and local ones
take turns, and their p5 are compared. Goals: a ratio within 1 %, thirty boards probed in under 5 s.

    PYTHONPATH=. python benchmarks/ssh_link.py [PAIRS]
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebench.core.device import Device
from edgebench.core.model import InputSource, ModelFormat
from edgebench.flows.devices import all_statuses
from edgebench.models.zoo import export
from edgebench.store.devices import find_device
from edgebench.store.trust import TRUST
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring.jobs import Finish, Load, Run
from tests.ssh_server import SshServer, make_key, ssh_server

PAIRS = 8
BURSTS = 40
BOARDS = 30
_WORD = "loopbackboard"


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
    """Time of `edgebench devices --probe` for all boards at once; each must answer."""
    make_key(folder / "key")
    (folder / "devices").mkdir()
    with ExitStack() as stack, contextlib.chdir(folder):
        for number in range(BOARDS):
            server = stack.enter_context(ssh_server(folder / str(number), key=folder / "key"))
            (folder / "devices" / f"board{number}.toml").write_text(
                f'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "onnxruntime"\ndescription = "{_WORD}"\n'
                f'link = "ssh"\nhost = "board"\nssh_config = "{server.config}"\npython = "{sys.executable}"\n'
            )
        begin = time.perf_counter()
        found = all_statuses([_WORD], probe_s=30.0)
        taken_s = time.perf_counter() - begin
    silent = [status.name for status in found if not status.ready]
    if silent or len(found) != BOARDS:
        raise SystemExit(f"{len(found)} boards, no answer from {silent}")
    return taken_s


def main() -> None:
    os.environ[TRUST] = "1"
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.onnx"
        export("ds-cnn", ModelFormat.ONNX, model)
        with ssh_server(folder / "board", settings=f"SetEnv XDG_CACHE_HOME={folder}/cache") as server:
            workers = LocalWorkers()
            ratios = [one_pair(model, at(server), workers) for _ in range(pairs)]
        (folder / "probed").mkdir()
        result = {
            "network": "ds-cnn",
            "pairs": pairs,
            "p5_over_link_by_local": round(float(np.median(ratios)), 4),
            "lowest": round(min(ratios), 4),
            "highest": round(max(ratios), 4),
            f"probe_of_{BOARDS}_boards_s": round(probed_s(folder / "probed"), 2),
        }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
