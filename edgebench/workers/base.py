"""Who starts workers: this machine, or later a farm of them."""

from __future__ import annotations

from typing import Protocol

from edgebench.workers.worker import Worker


class Workers(Protocol):
    """Gives workers to the flows, which know of no process, place or link. Threads may share one.

    A worker is closed by whoever asked for it.
    """

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        """A fresh process that prepares and runs models, see ``edgebench.workers.measuring.jobs``.

        Args:
            number: Counts the fresh processes of one measurement.
            memory_limit_bytes: Data it may allocate; by default what is reasonable where it runs.
        """

    def training(self) -> Worker:
        """A fresh process that trains networks, see ``edgebench.workers.training.jobs``."""
