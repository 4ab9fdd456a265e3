"""The record of a search as it proceeds."""

from __future__ import annotations

from dataclasses import replace

from edgebench.core.figure import figure_of
from edgebench.core.search import SearchRecord
from edgebench.core.secrets import redacted
from edgebench.core.table import LookupTable, prediction_intervals
from edgebench.flows.search.ranking import front, meeting
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.trial import State
from edgebench.flows.search.trials import Trials
from edgebench.search.candidates import Candidates
from edgebench.store.tables import IMPORTED
from edgebench.workers.training.jobs import TaskFacts


def begun(request: SearchRequest, candidates: Candidates) -> SearchRecord:
    """The record before anything is tried."""
    return SearchRecord(
        study=request.study,
        storage=redacted(request.storage) or str(request.folder / "journal.log"),
        space=request.space.name,
        space_size=request.space.size,
        objectives=request.objectives,
        budget=request.budget,
        margins=request.margins,
        accuracy=request.accuracy,
        task="",
        sampler=request.sampler,
        seed=request.seed,
        tables={device: _summary(table) for device, table in request.tables.items()},
        intervals=prediction_intervals(request.tables),
        looked_at=candidates.looked_at,
        feasible=candidates.feasible,
        complete=candidates.complete,
        wanted=request.trials,
    )


def with_trials(record: SearchRecord, request: SearchRequest, trials: Trials, least: float | None) -> SearchRecord:
    """The record with what trials have found.

    Args:
        record: The record.
        request: What is searched.
        trials: Of the study.
        least: The accuracy that networks of the front must have, or None.
    """
    tried = trials.results()
    return replace(
        record,
        trials=trials.count(State.COMPLETE),
        pruned=trials.count(State.PRUNED),
        failed=trials.failures,
        front=tuple(front(meeting(request, tried, least), request.objectives)),
        tried=tuple(tried),
    )


def described(facts: TaskFacts | None) -> str:
    """A task in one phrase, or an empty string."""
    if facts is None:
        return ""
    train, validation, test = facts.samples
    return f"{facts.name} ({train} training, {validation} validation, {test} test samples; {facts.digest[:12]})"


def _summary(table: LookupTable) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in table.key.versions.items())
    errors = ", ".join(f"{figure_of(name).title} {item.mean_error:.2%}" for name, item in table.validation.items())
    proven = f"mean error over {next(iter(table.validation.values())).networks} networks: {errors}" if errors else ""
    held = f"{len(table.wholes)} whole networks" if table.learnt_whole else f"{len(table.entries)} blocks"
    place = f" on {table.key.machine}, imported" if table.key.target == IMPORTED else ""
    return f"{table.key.dtype}, {held}{place}, {versions or 'unknown versions'}; {proven or 'not validated'}"
