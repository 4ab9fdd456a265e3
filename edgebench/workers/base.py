"""What starts workers, on this machine and on boards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.workers.worker import Worker


class Workers(Protocol):
    """Gives workers to the flows, which know nothing about processes, places or links. Threads may share one object.

    The caller that asked for a worker closes it.
    """

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        """A fresh process that prepares and runs models, see ``edgebench.workers.measuring.jobs``.

        What concerns a device on a board is done there.

        Args:
            number: Index of this process among the fresh processes of one measurement.
            memory_limit_bytes: Data it may allocate; by default, what is reasonable on its machine.
        """

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        """Look at the machine where a device is: what its target finds there, and what the machine is.

        Args:
            device: The device.
            meters: Whether to look for energy meters.

        Raises:
            TargetUnavailableError: The machine cannot be reached, or lacks something.
            InputError: The device's options are not valid.
        """

    def probe(self, device: Device, *, timeout_s: float) -> Mapping[str, str]:
        """Ask a device's board for a sign of life.

        Args:
            device: The device.
            timeout_s: Time for the answer.

        Returns:
            What answers, such as the version of its Python.

        Raises:
            TargetUnavailableError: There is no answer in time, or it is not the board.
        """

    def install(self, device: Device, wheels: Path | None, on_progress: Callable[[str], None]) -> None:
        """Install on a device's board what its workers need, or bring it up to date.

        Args:
            device: On a board.
            wheels: A folder of wheels to use instead of a package index.
            on_progress: Called with what happens.

        Raises:
            InputError: The device is not on a board, or there are no wheels.
            UnavailableError: The board cannot be reached, or a package not be installed.
            StorageError: There is no room on the board, or it cannot be written to.
        """

    def holding(self, device: Device, on_wait: Callable[[str], None]) -> AbstractContextManager[object]:
        """Keep the host of a device for this command while the block runs, if it is another one's too.

        Args:
            device: The device.
            on_wait: Called with the owner while another command has it; that time belongs to the other command.

        Raises:
            ChildError: The host is gone, or none has the device in time.
        """

    def training(self) -> Worker:
        """A fresh process that trains networks, see ``edgebench.workers.training.jobs``."""
