"""An Optuna sampler that proposes only what tables call feasible, never twice, and learns what is accurate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebench.core.figure import ACCURACY
from edgebench.errors import EdgebenchError
from edgebench.search.acquisition import Observed, promise
from edgebench.search.candidates import Candidates, SizeFeatures, neighbours, unique_rows
from edgebench.search.surrogate import Surrogate
from edgebench.spaces.space import Architectures, SearchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

FIRST = 10
"""Architectures that are trained before anything is learnt."""
ALL_SCORED = 2400
"""Candidates up to which all are compared for every trial."""
SCORED = 800
"""Candidates that are drawn for one trial where there are more; half as many neighbours of the best join them."""


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
            if len(trial.system_attrs.get("fixed_params", {})) == len(space.dimensions):
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
        self._seen: dict[int, bool] = {}
        self._tried: set[bytes] = set()
        self._tried_candidates = 0
        self._observed = _Observations(len(self._index), sizes)

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
        if len(self._position) <= self._tried_candidates:
            count = len(self._position)
            raise SpaceExhaustedError(f"all {count:,} feasible architectures of {self._space.name} were tried")
        accuracy = self._observed.accuracy
        learnt = len(accuracy) >= FIRST and np.ptp(accuracy) > 0
        row = self._promising(random) if learnt else self._large(random)
        self.seconds += time.perf_counter() - start
        return row

    def _learn(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in trials that are new, or were running when last seen."""
        for trial in trials:
            if self._seen.get(trial.number) or len(trial.params) < len(self._index):
                continue
            row = np.zeros(len(self._index), dtype=np.int8)
            for name, column in self._index.items():
                row[column] = self._space.dimensions[column].values.index(trial.params[name])
            key = row.tobytes()
            if key not in self._tried:
                self._tried.add(key)
                self._tried_candidates += key in self._position
            accuracy = trial.user_attrs.get(ACCURACY)
            self._seen[trial.number] = trial.state.is_finished()
            if accuracy is not None and self._seen[trial.number]:
                self._observed.add(row, float(accuracy))

    def _large(self, random: np.random.Generator) -> NDArray[np.int8]:
        """Any untried one of the larger quarter of the candidates."""
        rows = self._candidates.rows
        upper = self._rank[: max(len(rows) // 4, FIRST)]
        for part in (upper, self._rank):
            for position in random.permutation(part):
                row: NDArray[np.int8] = rows[position]
                if row.tobytes() not in self._tried:
                    return row
        raise SpaceExhaustedError("no untried architecture is left")

    def _promising(self, random: np.random.Generator) -> NDArray[np.int8]:
        observed = self._observed
        rows = self._scored(random, observed.rows[np.argsort(-observed.accuracy)[:8]])
        fresh = np.array([row.tobytes() not in self._tried for row in rows])
        if not fresh.any():
            return self._large(random)
        rows = rows[fresh]
        figures = self._sizes.figures(rows)
        mean, deviation = self._surrogate.predict(
            observed.rows, observed.sizes, observed.accuracy, rows, self._sizes.of_figures(figures)
        )
        scores = promise(
            mean,
            deviation,
            figures[:, self._costs],
            Observed(accuracy=observed.accuracy, costs=observed.figures[:, self._costs]),
            self.min_accuracy,
            maximise=self._maximise,
        )
        chosen: NDArray[np.int8] = rows[int(np.argmax(scores))]
        return chosen

    def _scored(self, random: np.random.Generator, best: Architectures) -> Architectures:
        """All candidates, or some of them and feasible neighbours of the best known."""
        rows = self._candidates.rows
        if len(rows) <= ALL_SCORED:
            return rows
        drawn = rows[random.integers(0, len(rows), SCORED)]
        near = neighbours(self._space, best, SCORED // 2, random, changes=2)
        inside = np.array([row.tobytes() in self._position for row in near])
        return unique_rows(np.concatenate([drawn, near[inside]]))


class _Observations:
    """Architectures whose accuracy is known, in arrays that grow by doubling."""

    def __init__(self, dimensions: int, sizes: SizeFeatures) -> None:
        self._features = sizes
        self._count = 0
        self._rows = np.empty((64, dimensions), dtype=np.int8)
        probe = sizes.figures(self._rows[:0])
        self._figures = np.empty((64, probe.shape[1]))
        self._sizes = np.empty((64, probe.shape[1]))
        self._accuracy = np.empty(64)

    def add(self, row: NDArray[np.int8], accuracy: float) -> None:
        """Take in one."""
        if self._count == len(self._rows):
            for name in ("_rows", "_figures", "_sizes", "_accuracy"):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.empty_like(array)]))
        figures = self._features.figures(row[None])
        self._rows[self._count], self._figures[self._count], self._accuracy[self._count] = row, figures[0], accuracy
        self._sizes[self._count] = self._features.of_figures(figures)[0]
        self._count += 1

    @property
    def rows(self) -> Architectures:
        return self._rows[: self._count]

    @property
    def figures(self) -> NDArray[np.float64]:
        return self._figures[: self._count]

    @property
    def sizes(self) -> NDArray[np.float64]:
        return self._sizes[: self._count]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        return self._accuracy[: self._count]
