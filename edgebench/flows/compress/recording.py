"""Keeps a compression as a run, saved after each strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgebench.core.compression import CompressionRecord
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.flows.compress.compress import compress
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.recording import RecordedRun, new_run
from edgebench.store.runs import RunStore


def record_compression(
    request: CompressRequest,
    plan: MeasurementPlan,
    *,
    command: Sequence[str],
    label: str = "",
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
) -> RecordedRun:
    """Compress, saving the run after each strategy. An interrupt ends it and keeps what was finished.

    Args:
        request: What to compress.
        plan: How long files are measured.
        command: What was typed or called, for the record.
        label: Name of the run in reports.
        on_progress: Called for every step.

    Raises:
        EdgebenchError: As ``compress`` raises.
    """
    store = RunStore(request.results)
    current = new_run(store, plan, seed=request.seed, command=command, label=label)

    def save(record: CompressionRecord, profiles: Sequence[Profile]) -> None:
        nonlocal current
        current = replace(current, compression=record, profiles=tuple(profiles))
        store.save(current)

    try:
        record = compress(request, plan, on_update=save, on_progress=on_progress)
    except KeyboardInterrupt:
        path = store.path(current.name) if current.compression is not None else None
        return RecordedRun(run=current, path=path, interrupted=True)
    current = replace(current, compression=record, complete=True)
    return RecordedRun(run=current, path=store.save(current))
