"""Workers on this machine, each a child process, and on boards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psutil

from edgebench.core.board_link import runs_workers
from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.errors import InputError
from edgebench.links.local import LocalLink
from edgebench.machine.child_environment import child_environment
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.measuring.boards import Boards, RoutedWorker, probe
from edgebench.workers.measuring.installing import Installer
from edgebench.workers.measuring.looking import look
from edgebench.workers.worker import Worker

_SHARE_OF_FREE_MEMORY = 0.8


class LocalWorkers:
    """Starts child processes with the current interpreter, and those of devices on boards there."""

    def __init__(self) -> None:
        self._boards = Boards()

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        """A process that prepares and runs models.

        Args:
            number: Index of this process among the fresh processes of one measurement.
            memory_limit_bytes: Data it may allocate; by default, four fifths of what is available now.
        """
        here = _worker("edgebench.workers.measuring", number, memory_limit_bytes)
        return RoutedWorker(here, self._boards, number, memory_limit_bytes)

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        """Look at the machine where a device is; without starting a process if that is this one.

        Raises:
            TargetUnavailableError: The machine cannot be reached, or lacks something.
            InputError: The device's options are not valid.
        """
        return self._boards.look(device, meters=meters) if runs_workers(device) else look(device, meters=meters)

    def probe(self, device: Device, *, timeout_s: float) -> Mapping[str, str]:
        """Ask a device's board for a sign of life; nothing is asked if there is none.

        Raises:
            TargetUnavailableError: There is no answer in time.
        """
        if runs_workers(device):
            return probe(device, timeout_s)
        return create_target(device).check() if device.link else {}

    def install(self, device: Device, wheels: Path | None, on_progress: Callable[[str], None]) -> None:
        """Install on a device's board what its workers need.

        Raises:
            InputError: The device is not on a board, or there are no wheels.
            UnavailableError: The board cannot be reached, or a package not be installed.
            StorageError: There is no room on the board, or it cannot be written to.
        """
        if not runs_workers(device):
            raise InputError(
                f"{device.name} is not on a board that SSH reaches", remedy=f"edgebench devices check {device.name}"
            )
        self._boards.forget(device)
        Installer(device, on_progress).install(wheels)

    def forget(self, device: Device) -> None:
        """Look at a device's board again when it is asked for next."""
        self._boards.forget(device)

    def holding(self, device: Device, on_wait: Callable[[str], None]) -> AbstractContextManager[object]:
        """Nothing: this machine is not shared by a farm."""
        del device, on_wait
        return nullcontext()

    def training(self) -> Worker:
        """A process that trains networks; it may allocate four fifths of what is available now."""
        return _worker("edgebench.workers.training", 0, None)


def _worker(module: str, number: int, memory_limit_bytes: int | None) -> Worker:
    limit = memory_limit_bytes or int(psutil.virtual_memory().available * _SHARE_OF_FREE_MEMORY)
    # Unbuffered, so that what a runtime printed before it crashed is in the log.
    return Worker(
        LocalLink(child_environment()), [sys.executable, "-u", "-m", module, str(number)], memory_limit_bytes=limit
    )


LOCAL: Workers = LocalWorkers()
"""What flows use unless they are given something else."""
