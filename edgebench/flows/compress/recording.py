"""Keeps a compression as a run, saved after each strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgebench.core.plan import MeasurementPlan
from edgebench.flows.compress.compress import compress
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.recording import RecordedRun, record_stages
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL


def record_compression(
    request: CompressRequest,
    plan: MeasurementPlan,
    *,
    command: Sequence[str],
    label: str = "",
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> RecordedRun:
    """Compress, saving the run after each strategy. An interrupt ends it and keeps what was finished.

    Args:
        request: What to compress.
        plan: How long files are measured.
        command: What was typed or called, for the record.
        label: Name of the run in reports.
        on_progress: Called for every step.
        workers: Starts the processes that train and measure.

    Raises:
        EdgebenchError: As ``compress`` raises.
    """
    return record_stages(
        request.results,
        plan,
        "compression",
        lambda save: compress(request, plan, on_update=save, on_progress=on_progress, workers=workers),
        seed=request.seed,
        command=command,
        label=label,
    )
