"""Keeps a search as a run, saved after each stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.core.search import SearchRecord
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.recording import RecordedRun, new_run
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.search import search
from edgebench.store.runs import RunStore


def record_search(
    request: SearchRequest,
    plan: MeasurementPlan,
    *,
    command: Sequence[str],
    label: str = "",
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
) -> RecordedRun:
    """Search, saving the run after each stage. An interrupt ends it and keeps what was finished.

    Args:
        request: What to search.
        plan: How long finalists are measured.
        command: What was typed or called, for the record.
        label: Name of the run in reports.
        on_progress: Called for every step.

    Raises:
        EdgebenchError: As ``search`` raises.
    """
    store = RunStore(request.results)
    current = new_run(store, plan, seed=request.seed, command=command, label=label)

    def save(record: SearchRecord, profiles: Sequence[Profile]) -> None:
        nonlocal current
        current = replace(current, search=record, profiles=tuple(profiles))
        store.save(current)

    try:
        record = search(request, plan, on_update=save, on_progress=on_progress)
    except KeyboardInterrupt:
        path = store.path(current.name) if current.search is not None else None
        return RecordedRun(run=current, path=path, interrupted=True)
    current = replace(current, search=record, complete=True)
    return RecordedRun(run=current, path=store.save(current))
