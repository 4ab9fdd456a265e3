"""The verb ``search``: from a space and a budget to networks that hold it, with evidence."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebench.core.budget import non_dominated
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.core.search import Reference, SearchRecord, TrialResult
from edgebench.core.table import LookupTable
from edgebench.errors import InputError, StorageError
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.accuracy import AccuracySource, accuracy_source
from edgebench.flows.search.explore import ARCHITECTURE, FAILURE, FIGURES, Exploration
from edgebench.flows.search.finalists import Finals
from edgebench.flows.search.request import ACCURACY, SearchRequest
from edgebench.flows.search.study import all_trials, lasting, one_at_a_time, open_study
from edgebench.search.candidates import Candidates, SizeFeatures, find_candidates
from edgebench.search.cost_model import CostModel
from edgebench.search.costs import cost_model, require_columns
from edgebench.search.infeasible import explain
from edgebench.search.proposer import make_sampler
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import TaskFacts
from edgebench.workers.training.pool import TrainingPool

if TYPE_CHECKING:
    import optuna

REFERENCE = "reference_accuracy"
ROUNDS = 3
"""Times that as many finalists as were asked for are tried, until one is a solution."""

OnProgress = Callable[[ProfileProgress], None]
OnUpdate = Callable[[SearchRecord, Sequence[Profile]], object]


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
        on_progress: Told of every step.
        workers: Who starts the processes that train and measure.

    Raises:
        InputError: A limit, a task or a source of accuracy is wrong.
        NotComparableError: The study was begun with other settings.
        StorageError: The storage went away; what was finished is in it.
        KeyboardInterrupt: What was finished is kept.
    """
    start = time.monotonic()
    model = cost_model(request.space, request.tables)
    costs = [name for name in request.objectives if name != ACCURACY]
    require_columns([*(limit.column for limit in request.budget.limits), *costs], model, request.space.name)
    on_progress(ProfileProgress(done=0.0, text=f"predicting the networks of {request.space.name}"))
    budget = request.budget
    candidates = find_candidates(request.space, model, budget.limits, request.margins, request.seed)
    record = _begun(request, candidates)
    if not len(candidates.rows):
        found = explain(request.space, model, budget.limits, request.margins, request.seed)
        record = replace(record, infeasibility=found, seconds=time.monotonic() - start)
        on_update(record, ())
        return record
    with TrainingPool(request.jobs, workers) as pool:
        facts = _task_facts(request, pool)
        source = accuracy_source(request, pool)
        if not source.trained and request.task is None and request.needs_accuracy:
            raise InputError(
                f"--accuracy {request.accuracy} ranks networks, and says nothing of their accuracy",
                where="--min-accuracy, --max-accuracy-drop",
                remedy="add --task, so that finalists are trained and tested, or leave the limit out",
            )
        record = replace(record, accuracy=source.kind, task=_described(facts))
        study = open_study(
            request, request.settings(facts.digest if facts else ""), *_strategy(request, model, candidates, source)
        )
        least, reference = _least_accuracy(request, study, source, on_progress)
        sampler = study.sampler
        if hasattr(sampler, "proposer"):
            sampler.proposer.min_accuracy = least

        def so_far() -> SearchRecord:
            found = _with_trials(replace(record, reference=reference), request, study, least)
            found = replace(found, seconds=time.monotonic() - start)
            on_update(found, ())
            return found

        try:
            Exploration(request, study, model, source, least, on_progress).run()
        except StorageError:
            raise  # Trials are out of reach.
        except BaseException:
            so_far()
            raise
        record = so_far()
        with one_at_a_time(request.folder, "finals"):
            record = _with_finalists(record, request, study, pool, plan, on_update, on_progress, least, facts, workers)
    return replace(record, seconds=time.monotonic() - start)


def _begun(request: SearchRequest, candidates: Candidates) -> SearchRecord:
    return SearchRecord(
        study=request.study,
        storage=request.storage.rpartition("@")[2] or str(request.folder / "journal.log"),
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
        looked_at=candidates.looked_at,
        feasible=candidates.feasible,
        complete=candidates.complete,
    )


def _summary(table: LookupTable) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in table.key.versions.items())
    errors = ", ".join(f"{name.rpartition('_')[0]} {item.mean_error:.2%}" for name, item in table.validation.items())
    proven = f"mean error over {next(iter(table.validation.values())).networks} networks: {errors}" if errors else ""
    return f"{table.key.dtype}, {len(table.entries)} blocks, {versions}; {proven or 'not validated'}"


def _task_facts(request: SearchRequest, pool: TrainingPool) -> TaskFacts | None:
    """Load the task once, so that a wrong one is found out before anything is trained."""
    if request.task is None:
        return None
    with pool.process() as process:
        facts = process.facts(request.task)
    network = request.space.network(request.space.smallest)
    if network.input_shape[-1] != facts.input_shape[-1] or network.shapes[network.output] != (facts.classes,):
        raise InputError(
            f"networks of {request.space.name} take {network.input_shape[-1]} channels and tell "
            f"{network.shapes[network.output][0]} classes apart; {facts.name} has {facts.input_shape[-1]} and "
            f"{facts.classes}",
            where="--task",
            remedy="copy the space's file into ./search_spaces and change input_channels and classes in it",
        )
    return facts


def _described(facts: TaskFacts | None) -> str:
    if facts is None:
        return ""
    train, validation, test = facts.samples
    return f"{facts.name} ({train} training, {validation} validation, {test} test samples; {facts.digest[:12]})"


def _strategy(
    request: SearchRequest, model: CostModel, candidates: Candidates, source: AccuracySource
) -> tuple[Any, Any]:
    """Sampler and pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner: Any = optuna.pruners.NopPruner()
    if source.prunable and len(request.objectives) == 1:
        # Gentle: what is cut short teaches the sampler nothing.
        pruner = optuna.pruners.PercentilePruner(95.0, n_startup_trials=10, n_warmup_steps=2)
    if request.sampler == "edgebench":
        costs = [model.names.index(name) for name in request.objectives if name != ACCURACY]
        sampler = make_sampler(
            request.space,
            candidates,
            SizeFeatures(request.space, model, request.seed),
            costs=costs,
            maximise_accuracy=ACCURACY in request.objectives,
            min_accuracy=request.budget.min_accuracy,
            seed=request.seed,
        )
        return sampler, pruner
    samplers: Mapping[str, Callable[[], Any]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=request.seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=request.seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=request.seed),
        "nsga3": lambda: optuna.samplers.NSGAIIISampler(seed=request.seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=request.seed),
        "qmc": lambda: optuna.samplers.QMCSampler(seed=request.seed),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=request.seed),
        "brute-force": lambda: optuna.samplers.BruteForceSampler(seed=request.seed),
    }
    with warnings.catch_warnings():
        # Some are experimental in Optuna.
        warnings.simplefilter("ignore")
        return samplers[request.sampler](), pruner


def _least_accuracy(
    request: SearchRequest, study: optuna.Study, source: AccuracySource, on_progress: OnProgress
) -> tuple[float | None, Reference | None]:
    """What trials must reach, and the reference that it is counted from, trained as trials are."""
    budget = request.budget
    if not source.trained:
        return None, None
    if budget.max_accuracy_drop is None:
        return budget.min_accuracy, None
    space = request.space
    largest = space.canonical_one(space.largest)
    known = lasting(lambda: study.user_attrs).get(REFERENCE)
    if known is None:
        on_progress(ProfileProgress(done=0.0, text=f"training the reference, {space.text(largest)}"))
        known = source.accuracy(largest, lambda _: True)
        value = known
        lasting(lambda: study.set_user_attr(REFERENCE, value))
    least = max(budget.min_accuracy or 0.0, float(known) - budget.max_accuracy_drop)
    return least, Reference(architecture=space.text(largest), search_accuracy=float(known))


def finished_trials(study: optuna.Study) -> list[TrialResult]:
    """Trials whose accuracy is known, each architecture once."""
    found: dict[str, TrialResult] = {}
    for trial in all_trials(study):
        attributes = trial.user_attrs
        if trial.state.name == "COMPLETE" and ACCURACY in attributes and attributes[ARCHITECTURE] not in found:
            found[attributes[ARCHITECTURE]] = TrialResult(
                number=trial.number,
                architecture=attributes[ARCHITECTURE],
                accuracy=float(attributes[ACCURACY]),
                figures=attributes[FIGURES],
            )
    return list(found.values())


def front(trials: Sequence[TrialResult], objectives: Sequence[str]) -> list[TrialResult]:
    """Trials that no other beats in every objective, the most accurate first."""
    if not trials:
        return []
    costs = np.array(
        [
            [-(trial.accuracy or 0.0) if name == ACCURACY else trial.figures[name] for name in objectives]
            for trial in trials
        ]
    )
    best = [trial for trial, kept in zip(trials, non_dominated(costs), strict=True) if kept]
    return sorted(best, key=lambda trial: -(trial.accuracy or 0.0))


def spread(ordered: Sequence[TrialResult]) -> list[TrialResult]:
    """The same, such that the first few lie far apart: the first, the last, then the farthest from those before."""
    chosen = list(range(min(1, len(ordered))))
    while len(chosen) < len(ordered):
        left = (index for index in range(len(ordered)) if index not in chosen)
        chosen.append(max(left, key=lambda index: (min(abs(index - other) for other in chosen), index)))
    return [ordered[index] for index in chosen]


def _with_trials(
    record: SearchRecord, request: SearchRequest, study: optuna.Study, least: float | None
) -> SearchRecord:
    trials = all_trials(study)
    holding = _holding(request, finished_trials(study), least)
    return replace(
        record,
        trials=sum(trial.state.name == "COMPLETE" for trial in trials),
        pruned=sum(trial.state.name == "PRUNED" for trial in trials),
        failed=sum(FAILURE in trial.user_attrs for trial in trials),
        front=tuple(front(holding, request.objectives)),
    )


def _holding(request: SearchRequest, trials: Sequence[TrialResult], least: float | None) -> list[TrialResult]:
    """Trials that hold every limit as far as the search can tell."""
    limits = list(zip(request.budget.limits, request.margins, strict=True))
    return [
        trial
        for trial in trials
        if all(trial.figures[limit.column] * margin <= limit.value for limit, margin in limits)
        and (least is None or (trial.accuracy or 0.0) >= least)
    ]


def _with_finalists(
    record: SearchRecord,
    request: SearchRequest,
    study: optuna.Study,
    pool: TrainingPool,
    plan: MeasurementPlan,
    on_update: OnUpdate,
    on_progress: OnProgress,
    least: float | None,
    facts: TaskFacts | None,
    workers: Workers,
) -> SearchRecord:
    """Best first, until there are solutions or nothing is left that was wanted."""
    ranked = _ranked(request, finished_trials(study), record)
    with pool.process() as process:
        digest = facts.digest if facts else ""
        finals = Finals(request, process, plan, on_progress, least, digest, workers=workers)
        wants_reference = request.budget.max_accuracy_drop is not None or request.final_recipe.distillation > 0
        if wants_reference and request.task is not None and ranked and request.finalists:
            known = record.reference.search_accuracy if record.reference else None
            record = replace(record, reference=finals.reference(known))
        for position, trial in enumerate(ranked[: ROUNDS * request.finalists]):
            solved = any(finalist.solution for finalist in record.finalists)
            if position % request.finalists == 0 and solved:
                break
            record = replace(record, finalists=(*record.finalists, finals.finalist(trial)))
            on_update(record, finals.profiles)
    return record


def _ranked(request: SearchRequest, trials: Sequence[TrialResult], record: SearchRecord) -> list[TrialResult]:
    """The front first, its ends before what lies between, then layer by layer what lies behind it.

    Trials below the accuracy wanted come last.
    """
    limits = list(zip(request.budget.limits, request.margins, strict=True))
    left = [
        trial
        for trial in trials
        if all(trial.figures[limit.column] * margin <= limit.value for limit, margin in limits)
    ]
    ranked = spread(record.front)
    kept = {trial.number for trial in ranked}
    left = [trial for trial in left if trial.number not in kept]
    while left and len(ranked) < ROUNDS * max(1, request.finalists):
        best = front(left, request.objectives)
        ranked.extend(spread(best))
        numbers = {trial.number for trial in best}
        left = [trial for trial in left if trial.number not in numbers]
    return ranked
