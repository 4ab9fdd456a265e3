"""What Optuna asks for the next architecture, and what it asks whether to continue with one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgebench.core.figure import ACCURACY
from edgebench.flows.search.accuracy import AccuracySource
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.trial import Trial
from edgebench.flows.search.trials import Trials
from edgebench.search.candidates import Candidates, SizeFeatures
from edgebench.search.predictor import Predictor
from edgebench.search.proposer import Observation, Proposer, SpaceExhaustedError
from edgebench.spaces.space import SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


def search_sampler(
    request: SearchRequest,
    model: Predictor,
    candidates: Candidates,
    *,
    min_accuracy: float | None,
    trials: Callable[[Study], Iterable[Trial]],
) -> Any:
    """The sampler that a request names, as an ``optuna.samplers.BaseSampler``.

    Args:
        request: What is searched.
        model: Predicts costs.
        candidates: What is feasible.
        min_accuracy: What a solution must have, as far as trials show it.
        trials: Those of the study, as last read.
    """
    if request.sampler != "edgebench":
        return _optunas(request.sampler, request.seed)
    return make_sampler(
        request.space,
        candidates,
        SizeFeatures(request.space, model, request.seed),
        costs=[model.names.index(name) for name in request.objectives if name != ACCURACY],
        maximise_accuracy=ACCURACY in request.objectives,
        min_accuracy=min_accuracy,
        seed=request.seed,
        trials=trials,
    )


def prunes(request: SearchRequest, source: AccuracySource) -> bool:
    """Whether trials that fall behind are cut short: if they run in epochs, and accuracy is the only objective."""
    return source.prunable and request.objectives == (ACCURACY,)


def search_pruner(request: SearchRequest, source: AccuracySource) -> Any:
    """What cuts trials short, as an ``optuna.pruners.BasePruner``."""
    import optuna

    if not prunes(request, source):
        return optuna.pruners.NopPruner()
    # Gentle, because the sampler learns nothing from what is cut short.
    return optuna.pruners.PercentilePruner(95.0, n_startup_trials=10, n_warmup_steps=2)


def make_sampler(
    space: SearchSpace,
    candidates: Candidates,
    sizes: SizeFeatures,
    *,
    costs: Sequence[int],
    maximise_accuracy: bool,
    min_accuracy: float | None,
    seed: int,
    trials: Callable[[Study], Iterable[Trial]] | None = None,
) -> Any:
    """The sampler of edgebench: proposes only feasible candidates, never twice, and learns what is accurate.

    When every candidate has been tried, it calls ``Study.stop``, and from then on it proposes repetitions.

    Args:
        space: Where architectures come from.
        candidates: What is feasible.
        sizes: Features for the surrogate.
        costs: Columns of the candidates' figures that are objectives.
        maximise_accuracy: Whether accuracy is an objective.
        min_accuracy: What a solution must have at least.
        seed: Makes the proposals repeatable.
        trials: Those of a study, as last read; None to read them for each proposal.
    """
    import optuna

    proposer = Proposer(
        space,
        candidates,
        sizes,
        costs=costs,
        maximise_accuracy=maximise_accuracy,
        min_accuracy=min_accuracy,
        seed=seed,
    )
    observations = _Observations(space)
    known = trials or _Reader()

    class FeasibleSampler(optuna.samplers.BaseSampler):
        """The interface to Optuna; all choices are made by ``Proposer``."""

        def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
            del study, trial
            return {
                dimension.name: optuna.distributions.CategoricalDistribution(dimension.values)
                for dimension in space.dimensions
            }

        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
        ) -> dict[str, Any]:
            del search_space
            try:
                row = proposer.propose(observations.fresh(known(study), trial.number), trial.number)
            except SpaceExhaustedError:
                # If it were raised here, the trial would stay in the storage as running for ever.
                study.stop()
                row = candidates.rows[0]
            return space.values(tuple(map(int, row)))

        def sample_independent(
            self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
        ) -> Any:
            del study, trial, param_distribution
            raise ValueError(f"{param_name} is not a dimension of {space.name}")

    return FeasibleSampler()


class _Reader:
    """Reads the trials of a study."""

    def __init__(self) -> None:
        self._trials = Trials()

    def __call__(self, study: Study) -> Trials:
        self._trials = self._trials.renewed(study.get_trials(deepcopy=False))
        return self._trials


class _Observations:
    """A study's trials as the proposer takes them: each finished trial once."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._passed_on: set[int] = set()

    def fresh(self, trials: Iterable[Trial], asked: int) -> Iterator[Observation]:
        """What has finished since the last call, and what is running.

        Args:
            trials: Of the study.
            asked: Number of the trial that needs an architecture.
        """
        dimensions = self._space.dimensions
        for trial in trials:
            if trial.number in self._passed_on or trial.number == asked or len(trial.choices) < len(dimensions):
                continue
            if trial.state.finished:
                self._passed_on.add(trial.number)
            yield Observation(
                architecture=tuple(item.values.index(trial.choices[item.name]) for item in dimensions),
                accuracy=trial.accuracy,
                finished=trial.state.finished,
            )


def _optunas(name: str, seed: int) -> Any:
    import optuna

    samplers: Mapping[str, Callable[[], Any]] = {
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed),
        "nsga3": lambda: optuna.samplers.NSGAIIISampler(seed=seed),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        "qmc": lambda: optuna.samplers.QMCSampler(seed=seed),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed),
        "brute-force": lambda: optuna.samplers.BruteForceSampler(seed=seed),
    }
    with warnings.catch_warnings():
        # Some are experimental in Optuna.
        warnings.simplefilter("ignore")
        return samplers[name]()
