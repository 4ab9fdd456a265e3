"""Keeps a search as a run, saved after each stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgebench.core.plan import MeasurementPlan
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.recording import RecordedRun, record_stages
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.search import search
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL


def record_search(
    request: SearchRequest,
    plan: MeasurementPlan,
    *,
    command: Sequence[str],
    label: str = "",
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> RecordedRun:
    """Search, saving the run after each stage. An interrupt ends it and keeps what was finished.

    Args:
        request: What to search.
        plan: How long finalists are measured.
        command: What was typed or called, for the record.
        label: Name of the run in reports.
        on_progress: Called for every step.
        workers: Starts the processes that train and measure.

    Raises:
        EdgebenchError: As ``search`` raises.
    """
    return record_stages(
        request.results,
        plan,
        "search",
        lambda save: search(request, plan, on_update=save, on_progress=on_progress, workers=workers),
        seed=request.seed,
        command=command,
        label=label,
    )
