"""The timing loop that every target with a real clock shares."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from edgebench.core.profile import Sample


def time_calls(call: Callable[[], object], iterations: int, *, single_thread: bool) -> Sample:
    """Time each of several calls.

    The clock is read once per call (about 0.1 us), and nothing else happens between two calls; garbage
    collection waits until the burst is over.

    Args:
        call: One inference.
        iterations: How often to call, at least 1.
        single_thread: Whether the work stays on the calling thread, so that its processor time can be
            compared with the wall clock.
    """
    clock = time.perf_counter_ns
    stamps = [0] * (iterations + 1)
    collected = gc.isenabled()
    gc.disable()
    try:
        cpu_start = time.thread_time_ns()
        stamps[0] = clock()
        for index in range(1, iterations + 1):
            call()
            stamps[index] = clock()
        cpu_end = time.thread_time_ns()
    finally:
        if collected:
            gc.enable()
    return Sample(
        # Whole nanoseconds: the clock has no finer resolution, and the stored text stays short.
        latencies_s=tuple(round((stamps[i + 1] - stamps[i]) * 1e-9, 9) for i in range(iterations)),
        cpu_s=(cpu_end - cpu_start) * 1e-9 if single_thread else None,
        wall_s=(stamps[-1] - stamps[0]) * 1e-9,
    )
