"""What starts workers: this machine, or later a farm."""

from __future__ import annotations

from typing import Protocol

from edgebench.workers.worker import Worker


class Workers(Protocol):
    """Gives workers to the flows, which know nothing about processes, places or links. Threads may share one object.

    The caller that asked for a worker closes it.
    """

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        """A fresh process that prepares and runs models, see ``edgebench.workers.measuring.jobs``.

        Args:
            number: Index of this process among the fresh processes of one measurement.
            memory_limit_bytes: Data it may allocate; by default, what is reasonable on its machine.
        """

    def training(self) -> Worker:
        """A fresh process that trains networks, see ``edgebench.workers.training.jobs``."""
