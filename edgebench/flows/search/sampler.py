"""An Optuna sampler that proposes only what tables call feasible, never twice, and learns what is accurate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebench.core.surrogate import Surrogate
from edgebench.errors import EdgebenchError
from edgebench.flows.search.acquisition import Observed, promise
from edgebench.flows.search.candidates import Candidates, SizeFeatures, neighbours, unique_rows
from edgebench.flows.search.request import ACCURACY
from edgebench.spaces.space import Architectures, SearchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

FIRST = 10
"""Architectures that are trained before anything is learnt."""
SCORED = 1200
"""Candidates that are compared for one trial, where there are more."""


class SpaceExhaustedError(EdgebenchError):
    """Every feasible architecture was tried."""


def make_sampler(
    space: SearchSpace,
    candidates: Candidates,
    sizes: SizeFeatures,
    *,
    costs: Sequence[int],
    maximise_accuracy: bool,
    min_accuracy: float | None,
    seed: int,
) -> Any:
    """The sampler, as an ``optuna.samplers.BaseSampler``.

    Args:
        space: Where architectures come from.
        candidates: What is feasible.
        sizes: Features for the surrogate.
        costs: Columns of the candidates' figures that are objectives.
        maximise_accuracy: Whether accuracy is one.
        min_accuracy: What a solution must have at least.
        seed: Makes the proposals repeatable.
    """
    import optuna

    class FeasibleSampler(optuna.samplers.BaseSampler):
        """Optuna's side of it; all choices are made by ``Proposer``.

        Attributes:
            exhausted: Whether every feasible architecture was tried; what is proposed then is a repetition.
        """

        def __init__(self) -> None:
            self.exhausted = False
            self.proposer = Proposer(
                space,
                candidates,
                sizes,
                costs=costs,
                maximise_accuracy=maximise_accuracy,
                min_accuracy=min_accuracy,
                seed=seed,
            )

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
            if trial.system_attrs.get("fixed_params"):
                return {}  # Queued with all its values: a trial that is tried again.
            others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
            try:
                row = self.proposer.propose(others, trial.number)
            except SpaceExhaustedError:
                # Raised here, the trial would stay in the storage as running for ever.
                self.exhausted = True
                row = candidates.rows[0]
            return space.values(tuple(map(int, row)))

        def sample_independent(
            self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
        ) -> Any:
            del study, trial, param_distribution
            raise ValueError(f"{param_name} is not a dimension of {space.name}")

    return FeasibleSampler()


class Proposer:
    """Chooses the next architecture from the trials so far.

    The first ``FIRST`` are drawn from the larger half of the candidates, as larger networks are mostly more
    accurate; then a surrogate predicts the accuracy of candidates, and the most promising is taken.

    Attributes:
        seconds: Time spent in ``propose``, in all.
    """

    def __init__(
        self,
        space: SearchSpace,
        candidates: Candidates,
        sizes: SizeFeatures,
        *,
        costs: Sequence[int],
        maximise_accuracy: bool,
        min_accuracy: float | None,
        seed: int,
    ) -> None:
        self.seconds = 0.0
        self._space = space
        self._candidates = candidates
        self._sizes = sizes
        self._costs = list(costs)
        self._maximise = maximise_accuracy
        self.min_accuracy = min_accuracy
        self._seed = seed
        self._surrogate = Surrogate(tuple(len(dimension.values) for dimension in space.dimensions))
        self._index = {name: number for number, name in enumerate(space.choices())}
        self._position = {row.tobytes(): number for number, row in enumerate(candidates.rows)}
        self._rank = np.argsort(-sizes(candidates.rows).sum(axis=1), kind="stable")
        self._known: dict[int, tuple[bytes, float | None]] = {}

    def propose(self, trials: Sequence[FrozenTrial], number: int) -> NDArray[np.int8]:
        """The next architecture.

        Args:
            trials: All others of the study, running ones too.
            number: Of the trial that is asked for.

        Raises:
            SpaceExhaustedError: Every candidate was tried.
        """
        start = time.perf_counter()
        self._learn(trials)
        random = np.random.default_rng([self._seed, number])
        tried = {key for key, _ in self._known.values()}
        if len(self._position) <= len(tried & self._position.keys()):
            count = len(self._position)
            raise SpaceExhaustedError(f"all {count:,} feasible architectures of {self._space.name} were tried")
        accurate = [(key, accuracy) for key, accuracy in self._known.values() if accuracy is not None]
        if len(accurate) < FIRST or len({accuracy for _, accuracy in accurate}) < 2:
            row = self._large(random, tried)
        else:
            row = self._promising(random, tried, accurate)
        self.seconds += time.perf_counter() - start
        return row

    def _learn(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in trials that are new, or were running when last seen."""
        for trial in trials:
            known = self._known.get(trial.number)
            if known is not None and known[1] is not None:
                continue
            if len(trial.params) < len(self._index):
                continue
            row = np.zeros(len(self._index), dtype=np.int8)
            for name, column in self._index.items():
                row[column] = self._space.dimensions[column].values.index(trial.params[name])
            self._known[trial.number] = (row.tobytes(), trial.user_attrs.get(ACCURACY))

    def _large(self, random: np.random.Generator, tried: set[bytes]) -> NDArray[np.int8]:
        """Any untried one of the larger quarter of the candidates."""
        rows = self._candidates.rows
        upper = self._rank[: max(len(rows) // 4, FIRST)]
        for part in (upper, self._rank):
            for position in random.permutation(part):
                row: NDArray[np.int8] = rows[position]
                if row.tobytes() not in tried:
                    return row
        raise SpaceExhaustedError("no untried architecture is left")

    def _promising(
        self, random: np.random.Generator, tried: set[bytes], accurate: list[tuple[bytes, float]]
    ) -> NDArray[np.int8]:
        observed = np.stack([np.frombuffer(key, dtype=np.int8) for key, _ in accurate])
        accuracy = np.array([value for _, value in accurate])
        rows = self._scored(random, observed[np.argsort(-accuracy)[:8]])
        fresh = np.array([row.tobytes() not in tried for row in rows])
        if not fresh.any():
            return self._large(random, tried)
        rows = rows[fresh]
        mean, deviation = self._surrogate.predict(observed, self._sizes(observed), accuracy, rows, self._sizes(rows))
        known = Observed(accuracy=accuracy, costs=self._sizes.figures(observed)[:, self._costs])
        scores = promise(
            mean,
            deviation,
            self._sizes.figures(rows)[:, self._costs],
            known,
            self.min_accuracy,
            maximise=self._maximise,
        )
        chosen: NDArray[np.int8] = rows[int(np.argmax(scores))]
        return chosen

    def _scored(self, random: np.random.Generator, best: Architectures) -> Architectures:
        """All candidates, or some of them and feasible neighbours of the best known."""
        rows = self._candidates.rows
        if len(rows) <= 2 * SCORED:
            return rows
        drawn = rows[random.integers(0, len(rows), SCORED)]
        near = neighbours(self._space, best, SCORED // 2, random, changes=2)
        inside = np.array([row.tobytes() in self._position for row in near])
        return unique_rows(np.concatenate([drawn, near[inside]]))
