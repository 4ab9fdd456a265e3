"""The verb ``search``: from a space and a budget to networks that meet it, with evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from edgebench.core.figure import ACCURACY
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.core.search import SearchRecord
from edgebench.errors import StorageError
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.accuracy import AccuracySource, accuracy_source
from edgebench.flows.search.explore import Exploration
from edgebench.flows.search.finalists import Finals
from edgebench.flows.search.goal import Goal, find_goal, require_accuracies, task_facts
from edgebench.flows.search.ownership import one_at_a_time
from edgebench.flows.search.ranking import ROUNDS, ranked
from edgebench.flows.search.record import begun, described, with_trials
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.sampler import search_pruner, search_sampler
from edgebench.flows.search.study import SearchStudy, open_study
from edgebench.search.candidates import Candidates, find_candidates
from edgebench.search.costs import cost_model, require_columns
from edgebench.search.infeasible import explain
from edgebench.search.predictor import Predictor
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import TaskFacts
from edgebench.workers.training.pool import TrainingPool

_PAUSE_S = 5.0
_SHARE = 0.02
OnProgress = Callable[[ProfileProgress], None]
OnUpdate = Callable[[SearchRecord, Sequence[Profile]], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call of ``search``.

    Attributes:
        request: What to search.
        plan: How long finalists are measured.
        on_update: Saves the results so far.
        on_progress: Called for every step.
        workers: Starts processes.
        start: When it began.
    """

    request: SearchRequest
    plan: MeasurementPlan
    on_update: OnUpdate
    on_progress: OnProgress
    workers: Workers
    start: float = field(default_factory=time.monotonic)

    def timed(self, record: SearchRecord) -> SearchRecord:
        """The record with the time that the call has taken so far."""
        return replace(record, seconds=time.monotonic() - self.start)


def search(
    request: SearchRequest,
    plan: MeasurementPlan,
    *,
    on_update: OnUpdate,
    on_progress: OnProgress = lambda _: None,
    workers: Workers = LOCAL,
) -> SearchRecord:
    """Search a space, and prove what was found.

    Args:
        request: What to search.
        plan: How long finalists are measured.
        on_update: Called with the record and all profiles after each stage; saves them.
        on_progress: Called for every step.
        workers: Starts the processes that train and measure.

    Raises:
        InputError: A limit, a task or a source of accuracy is wrong.
        NotComparableError: The study was started with other settings.
        StorageError: The storage became unreachable; finished work is in it.
        KeyboardInterrupt: Finished work is kept.
    """
    call = _Call(request=request, plan=plan, on_update=on_update, on_progress=on_progress, workers=workers)
    budget, space = request.budget, request.space
    model = cost_model(space, request.tables)
    costs = [name for name in request.objectives if name != ACCURACY]
    require_columns([*(limit.column for limit in budget.limits), *costs], model, space.name)
    on_progress(ProfileProgress(done=0.0, text=f"predicting the networks of {space.name}"))
    candidates = find_candidates(space, model, budget.limits, request.margins, request.seed)
    record = begun(request, candidates)
    if not len(candidates.rows):
        found = explain(space, model, budget.limits, request.margins, request.seed)
        record = call.timed(replace(record, infeasibility=found))
        on_update(record, ())
        return record
    with TrainingPool(request.jobs, workers) as pool:
        opened = _opened(call, pool)
        record = replace(record, accuracy=opened.source.kind, task=described(opened.facts))
        record = opened.explored(record, model, candidates)
        with one_at_a_time(request.folder, "finals"):
            record = opened.with_finalists(record)
    return call.timed(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A search whose task, accuracies and study are open.

    Attributes:
        call: The call of ``search``.
        pool: Processes that train.
        facts: What is known about the task, or None.
        source: Determines the accuracy of trials.
        study: Keeps trials.
        goal: What trials must reach.
    """

    call: _Call
    pool: TrainingPool
    facts: TaskFacts | None
    source: AccuracySource
    study: SearchStudy
    goal: Goal

    def explored(self, record: SearchRecord, model: Predictor, candidates: Candidates) -> SearchRecord:
        """The record with what trials find; finished work is kept on an interrupt."""
        call, request, study, least = self.call, self.call.request, self.study, self.goal.least
        record = replace(record, reference=self.goal.reference)
        study.use(
            search_sampler(request, model, candidates, min_accuracy=least, trials=lambda _: study.trials),
            search_pruner(request, self.source),
        )

        def so_far() -> SearchRecord:
            found = call.timed(with_trials(record, request, study.look(), least))
            call.on_update(found, ())
            return found

        # The best so far, for whoever looks from elsewhere; seldom enough that it takes no time.
        saved = Seldom(lambda: call.on_update(call.timed(with_trials(record, request, study.trials, least)), ()))
        try:
            Exploration(request, study, model, self.source, least, call.on_progress, saved.ask).run()
        except StorageError:
            raise  # Trials are unreachable.
        except BaseException:
            so_far()
            raise
        return so_far()

    def with_finalists(self, record: SearchRecord) -> SearchRecord:
        """The record with finalists: best first, until there are solutions or no candidates are left."""
        call, request = self.call, self.call.request
        order = ranked(request, self.study.trials.results(), record.front)
        digest = self.facts.digest if self.facts else ""
        with self.pool.process() as process:
            finals = Finals(
                request, process, call.plan, call.on_progress, self.goal.least, digest, workers=call.workers
            )
            wants_reference = request.budget.max_accuracy_drop is not None or request.final_recipe.distillation > 0
            if wants_reference and request.task is not None and order and request.finalists:
                known = record.reference.search_accuracy if record.reference else None
                record = replace(record, reference=finals.reference(known))
            for position, trial in enumerate(order[: ROUNDS * request.finalists]):
                solved = any(finalist.solution for finalist in record.finalists)
                if position % request.finalists == 0 and solved:
                    break
                record = replace(record, finalists=(*record.finalists, finals.finalist(trial)))
                call.on_update(record, finals.profiles)
        return record


class Seldom:
    """Does something when it is asked to, but for a small share of the time only.

    Args:
        step: What to do.
    """

    def __init__(self, step: Callable[[], object]) -> None:
        self._step, self._next = step, time.monotonic() + _PAUSE_S

    def ask(self) -> None:
        """Do it, unless it was done a short time ago."""
        start = time.monotonic()
        if start < self._next:
            return
        self._step()
        end = time.monotonic()
        self._next = end + max(_PAUSE_S, (end - start) / _SHARE)


def _opened(call: _Call, pool: TrainingPool) -> _Opened:
    request = call.request
    facts = task_facts(request, pool)
    source = accuracy_source(request, pool)
    require_accuracies(request, source)
    study = open_study(request, request.settings(facts.digest if facts else ""))
    goal = find_goal(request, study, source, call.on_progress)
    return _Opened(call=call, pool=pool, facts=facts, source=source, study=study, goal=goal)
