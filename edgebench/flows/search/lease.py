"""Signs of life of the processes that share a study, for those that cannot see each other.

A process counts up a number in the study while it searches. Whoever sees a trial of a process on another machine, or in
another container, watches that number by its own clock: clocks of machines differ, and the clock of a container's
process tells nothing here. Where the number has not moved for ``LEASE_S``, the process is gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator

from edgebench.flows.search.study import SearchStudy

BEAT_S = 10.0
"""Time between signs of life."""
LEASE_S = 60.0
"""A process without one for so long is gone."""


def key(owner: str) -> str:
    """The study's attribute that a process counts up."""
    return f"alive:{hashlib.sha256(owner.encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def signs_of_life(study: SearchStudy, owner: str) -> Iterator[None]:
    """Give signs of life of a process while it searches."""
    ended = threading.Event()
    name = key(owner)

    def beat() -> None:
        count = 0
        while True:
            count += 1
            # A storage that is away for a moment shows in the search itself, which waits for it.
            with contextlib.suppress(Exception):
                study.count_up(name, count)
            if ended.wait(BEAT_S):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=1)


class Watch:
    """Which processes elsewhere give signs of life.

    Args:
        study: The study that they share.
        clock: Seconds of this process.
    """

    def __init__(self, study: SearchStudy, clock: Callable[[], float] = time.monotonic) -> None:
        self._study = study
        self._clock = clock
        self._seen: dict[str, tuple[object, float]] = {}

    def is_alive(self, owner: str) -> bool:
        """Whether a process has given a sign of life within the lease; it is alive when it is seen first."""
        now = self._clock()
        count = self._study.count_of(key(owner))
        before = self._seen.get(owner)
        if before is None or before[0] != count:
            self._seen[owner] = (count, now)
            return True
        return now - before[1] < LEASE_S
