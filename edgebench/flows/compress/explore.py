"""Searches pipelines under the limits: an Optuna study whose trials cost a training only if their costs meet them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgebench.core.compression import StrategyResult, StrategyState, TriedPipeline
from edgebench.core.figure import column_name
from edgebench.errors import NotComparableError
from edgebench.flows.compress.pipelines import Choices, PipelineSpace, pipeline_of, pipeline_space, untrained
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.compress.verdict import recommend
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.storage import lasting, open_storage
from edgebench.flows.search.stored_trials import damaged, wrong_choices
from edgebench.store.strategies import Strategy

if TYPE_CHECKING:
    import optuna

_KEPT, _SETTINGS, _STARTUP = "tried", "edgebench compression", 8
BEST = 3
"""How many pipelines are judged on test samples in the end."""
Tries = Callable[[str, bool], StrategyResult]
"""Makes and measures a pipeline; whether accuracy on validation samples is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """The outcome.

    Attributes:
        tried: Every finished trial, in its order.
        best: The best pipelines, best first.
    """

    tried: tuple[TriedPipeline, ...]
    best: tuple[Strategy, ...]


def explore(
    request: CompressRequest, digest: str, tries: Tries, on_progress: Callable[[ProfileProgress], None]
) -> Explored:
    """Try pipelines until the study has as many trials as requested; finished ones are not repeated.

    Test samples are not touched: accuracies are those of the deployed files on validation samples.

    Args:
        request: What is compressed; its folder has the study's journal.
        digest: Of the original, which the study must keep.
        tries: Makes and measures a pipeline.
        on_progress: Called for every trial.

    Raises:
        NotComparableError: The study was started for another original or other limits.
        StorageError: The storage is unreachable.
    """
    space = pipeline_space(request.devices)
    study = _opened(request, space, digest)
    known: dict[str, StrategyResult] = {}
    while (done := len(_finished(study))) < request.trials:
        trial = lasting(study.ask)
        choices = {name: trial.suggest_categorical(name, values) for name, values in space.choices.items()}
        text = pipeline_of(choices)
        on_progress(ProfileProgress(done=done / request.trials, text=f"trial {done + 1} of {request.trials}: {text}"))
        if text not in known:
            known[text] = _tried(choices, tries)
        _tell(study, trial, text, known[text])
    finished = _finished(study)
    return Explored(tried=tuple(finished.values()), best=_best(request, finished, tries))


def _tried(choices: Choices, tries: Tries) -> StrategyResult:
    """Costs first, which need no training; accuracy only if they meet the limits."""
    cheap = tries(untrained(choices), False)
    if cheap.state is not StrategyState.MEASURED or cheap.faults:
        return cheap
    return tries(pipeline_of(choices), True)


def _tell(study: optuna.Study, trial: optuna.Trial, text: str, result: StrategyResult) -> None:
    from optuna.trial import TrialState

    from edgebench.store.codec import to_plain

    kept = TriedPipeline(
        number=trial.number,
        pipeline=text,
        accuracy=result.worst_accuracy,
        meets=result.solution,
        reason=result.reason or "; ".join(result.faults),
        figures={
            column_name(check.limit.figure, check.limit.device): check.found.value
            for check in result.checks
            if check.found is not None
        },
    )
    lasting(lambda: trial.set_user_attr(_KEPT, to_plain(kept)))
    if result.state is not StrategyState.MEASURED:
        lasting(lambda: study.tell(trial, state=TrialState.FAIL))
        return
    for check in result.checks:
        excess = 1.0 if check.excess is None else check.excess
        lasting(lambda check=check, excess=excess: trial.set_constraint(check.limit.column, excess))  # type: ignore[misc]
    if result.accuracies:
        lasting(lambda: trial.set_constraint("accuracy", -1.0 if result.solution or result.undecided else 1.0))
    lasting(lambda: study.tell(trial, result.worst_accuracy or 0.0))


def _finished(study: optuna.Study) -> dict[int, TriedPipeline]:
    """What finished trials tried, by number."""
    from edgebench.store.codec import from_plain

    found = {}
    for frozen in lasting(lambda: study.get_trials(deepcopy=False)):
        plain: Any = frozen.user_attrs.get(_KEPT)
        if frozen.state.is_finished() and plain is not None:
            found[frozen.number] = from_plain(TriedPipeline, plain, where=f"trial {frozen.number}")
    return found


def _opened(request: CompressRequest, space: PipelineSpace, digest: str) -> optuna.Study:
    """The study of a request, with what a killed process left behind queued again."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=request.seed, n_startup_trials=_STARTUP)
    storage = open_storage("", request.folder)
    study: optuna.Study = lasting(
        lambda: optuna.create_study(
            study_name=request.study, storage=storage, sampler=sampler, direction="maximize", load_if_exists=True
        )
    )
    limits = sorted(f"{limit.column} {limit.value!r}" for limit in request.budget.limits)
    settings = [digest, *limits, request.budget.min_accuracy, request.budget.max_accuracy_drop]
    before = lasting(lambda: study.user_attrs).get(_SETTINGS)
    if before is None:
        lasting(lambda: study.set_user_attr(_SETTINGS, settings))
        for start in space.starts:
            lasting(lambda start=start: study.enqueue_trial(dict(start)))  # type: ignore[misc]
    elif before != settings:
        raise NotComparableError(
            f"study {request.study!r} was started with another original or other limits",
            remedy="choose another name with --study, or return to those limits",
        )
    for frozen in lasting(lambda: study.get_trials(deepcopy=False)):
        wrong = wrong_choices(frozen, space.choices)
        if wrong:
            raise damaged(request.study, f"trial {frozen.number}: {wrong}")
    for frozen in lasting(lambda: study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))):
        lasting(lambda frozen=frozen: study.tell(frozen.number, state=TrialState.FAIL))  # type: ignore[misc]
        if len(frozen.params) == len(space.choices):
            lasting(lambda frozen=frozen: study.enqueue_trial(frozen.params))  # type: ignore[misc]
    return study


def _best(request: CompressRequest, finished: dict[int, TriedPipeline], tries: Tries) -> tuple[Strategy, ...]:
    """The pipelines that would be recommended by what validation samples show, best first."""
    texts = dict.fromkeys(item.pipeline for item in finished.values() if item.accuracy is not None)
    # What was tried is known, so that nothing is made or measured again.
    left = [replace(tries(text, True), name=text) for text in texts]
    chosen: list[Strategy] = []
    while left and len(chosen) < BEST:
        name = recommend(left, request.budget).strategy
        if not name:
            break
        chosen.append(Strategy(name=f"search-{len(chosen) + 1}", pipeline=name, description="found by the search"))
        left = [result for result in left if result.name != name]
    return tuple(chosen)
