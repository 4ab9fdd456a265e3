"""A board is used by one process at a time: others queue, and are told for whom they wait."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edgebench.core.board_link import exclusive_place
from edgebench.core.device import Device
from edgebench.errors import TargetUnavailableError
from edgebench.machine.folders import cache_folder
from edgebench.machine.lock import wait_in_line
from edgebench.workers.measuring.jobs import Waiting

_PATIENCE_S = 20.0
"""How long a measurement waits that was begun without a reservation: its time limit runs."""


class Reservation:
    """The boards that this process has for itself, until it ends."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._places: set[Path] = set()

    def make(self, device: Device, owner: str, goes_on: Callable[[Waiting], bool]) -> None:
        """Reserve a device's board, if it has one.

        Args:
            device: The device.
            owner: Who wants it.
            goes_on: Called while another process has it; returns whether to wait on.

        Raises:
            TargetUnavailableError: It was told not to wait.
        """
        place = lock_of(device)
        if place is None or place in self._places:
            return

        def waits(other: str) -> None:
            if not goes_on(Waiting(owner=other)):
                raise TargetUnavailableError(f"the board is in use: {other}", remedy="run the command again later")

        named = f"{owner}, since {time.strftime('%H:%M:%S')}"
        self._stack.enter_context(wait_in_line(place, named, waits))
        self._places.add(place)

    def require(self, device: Device) -> None:
        """Have a device's board reserved, at the latest after some seconds.

        Raises:
            TargetUnavailableError: Another process keeps it.
        """
        deadline = time.monotonic() + _PATIENCE_S
        self.make(device, f"{device.name} (process {os.getppid()})", lambda _: time.monotonic() < deadline)


def lock_of(device: Device) -> Path | None:
    """The file that stands for a device's board, whatever its port is called; None if it has no board."""
    place = exclusive_place(device)
    if place is None:
        return None
    link, _, name = place.partition(":")
    # Two names may lead to one port.
    real = os.path.realpath(name) if name.startswith("/") else name
    slug = re.sub(r"[^a-z0-9]+", "-", real.lower()).strip("-")[-40:]
    digest = hashlib.sha256(real.encode()).hexdigest()[:8]
    return cache_folder("locks") / f"{link}-{slug}-{digest}.lock"
