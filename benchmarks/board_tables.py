"""What it takes longer to build a table on a board than here: time of the same blocks, in turn.

A server on loopback stands for the board, so that one processor runs both sides, and nothing but the link differs.
Goal: 200 blocks of `mobile` take at most 10 % longer over the link. Counted are also the messages that cross the link,
which is what a slower network would add to.

    PYTHONPATH=. python benchmarks/board_tables.py [BLOCKS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.device import Device
from edgebench.flows.lut import build
from edgebench.flows.lut.bench import Bench
from edgebench.flows.lut.request import TableRequest
from edgebench.flows.spaces import open_space
from edgebench.links.ssh import SshLink
from edgebench.machine.machine_lock import PLACE
from edgebench.store.devices import find_device
from edgebench.workers.local import LocalWorkers
from tests.ssh_server import SshServer, ssh_server

BLOCKS = 200
SPACE = "mobile"


class Counted:
    """Counts connections and messages to boards."""

    def __init__(self) -> None:
        self.links = self.messages = 0
        start, send = SshLink.start, SshLink.send

        def counting_start(link: SshLink, *arguments: Any) -> None:
            self.links += 1
            start(link, *arguments)

        def counting_send(link: SshLink, message: bytes) -> None:
            self.messages += 1
            send(link, message)

        SshLink.start, SshLink.send = counting_start, counting_send  # type: ignore[method-assign]


def at(server: SshServer) -> Device:
    reached = {
        "host": "board", "ssh_config": str(server.config), "python": sys.executable, "environment": sys.prefix,
    }  # fmt: skip
    return replace(find_device("host"), link="ssh", reached=reached)


def steps(device: Device, blocks: int, folder: Path, stack: ExitStack) -> Iterator[int]:
    """Blocks measured by each step of a build."""
    space = open_space(SPACE)
    request = TableRequest(space=space, device=device, dtype="float32")
    reference = space.network(space.largest)
    bench = stack.enter_context(Bench(device, "float32", folder, reference, workers=LocalWorkers()))
    for entries, _ in build._measured(  # noqa: SLF001 - the part of a build that measures blocks
        request, bench, space.all_blocks[:blocks], LocalWorkers()
    ):
        yield len(entries)


def main() -> None:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else BLOCKS
    # A group is measured again while its processes disagree: that would compare disturbances, not links.
    build.MORE_RACES = 0
    counted = Counted()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        root = Path(name)
        settings = f"SetEnv XDG_CACHE_HOME={root}/cache {PLACE}={root}/lock\n"
        server = stack.enter_context(ssh_server(root / "sshd", settings=settings))
        taken = {"here": 0.0, "board": 0.0}
        done = dict.fromkeys(taken, 0)
        running = {}
        for place, device in (("here", find_device("host")), ("board", at(server))):
            (root / place).mkdir()
            running[place] = steps(device, blocks, root / place, stack)
        for turn in range(10_000):
            ended = []
            for place in list(running) if turn % 2 else list(reversed(list(running))):
                begin = time.perf_counter()
                count = next(running[place], None)
                taken[place] += time.perf_counter() - begin
                done[place] += count or 0
                ended += [place] if count is None else []
            if ended:
                break
            print(done, {place: round(value, 1) for place, value in taken.items()}, file=sys.stderr)
    result = {
        "space": SPACE,
        "blocks": done["board"],
        "here_s": round(taken["here"], 1),
        "board_s": round(taken["board"], 1),
        "board_by_here": round(taken["board"] / taken["here"], 3),
        "connections_per_block": round(counted.links / done["board"], 2),
        "messages_per_block": round(counted.messages / done["board"], 2),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
