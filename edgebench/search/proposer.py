"""Proposes only architectures that are feasible according to the tables, none twice, and learns which are accurate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import EdgebenchError
from edgebench.search.acquisition import Observed, promise
from edgebench.search.candidates import Candidates, SizeFeatures, neighbours, unique_rows
from edgebench.search.surrogate import Surrogate
from edgebench.spaces.space import Architecture, Architectures, SearchSpace

FIRST = 10
"""Number of architectures that are trained before anything is learnt."""
ALL_SCORED = 2400
"""Number of candidates up to which all are compared for every trial."""
SCORED = 800
"""Number of candidates drawn for one trial if there are more; half as many neighbours of the best are added."""


class SpaceExhaustedError(EdgebenchError):
    """Every feasible architecture has been tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """An architecture that is being tried, or was.

    Attributes:
        architecture: The architecture.
        accuracy: Its accuracy, or None.
        finished: Whether its trial has ended; before that, its accuracy is not used.
    """

    architecture: Architecture
    accuracy: float | None
    finished: bool


class Proposer:
    """Chooses the next architecture from what was tried so far.

    The first ``FIRST`` are drawn from the larger quarter of the candidates, as larger networks are mostly more
    accurate; then a surrogate predicts the accuracy of candidates, and the most promising is taken.

    Args:
        space: Where architectures come from.
        candidates: What is feasible.
        sizes: Features for the surrogate.
        costs: Columns of the candidates' figures that are objectives.
        maximise_accuracy: Whether accuracy is an objective.
        min_accuracy: What a solution must have at least.
        seed: Makes the proposals repeatable.
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
        self._space = space
        self._candidates = candidates
        self._sizes = sizes
        self._costs = list(costs)
        self._maximise = maximise_accuracy
        self._min_accuracy = min_accuracy
        self._seed = seed
        self._surrogate = Surrogate(tuple(len(dimension.values) for dimension in space.dimensions))
        self._position = {row.tobytes(): number for number, row in enumerate(candidates.rows)}
        self._rank = np.argsort(-sizes(candidates.rows).sum(axis=1), kind="stable")
        self._tried: set[bytes] = set()
        self._tried_candidates = 0
        self._known = _Known(len(space.dimensions), sizes)

    def propose(self, observations: Iterable[Observation], number: int) -> NDArray[np.int8]:
        """The next architecture.

        Args:
            observations: What has finished since the last call, each once, and everything that is being tried.
            number: Number of this proposal: the same seed and number give the same draw.

        Raises:
            SpaceExhaustedError: Every candidate has been tried.
        """
        for observation in observations:
            self._learn(observation)
        random = np.random.default_rng([self._seed, number])
        if len(self._position) <= self._tried_candidates:
            count = len(self._position)
            raise SpaceExhaustedError(f"all {count:,} feasible architectures of {self._space.name} have been tried")
        accuracy = self._known.accuracy
        learnt = len(accuracy) >= FIRST and np.ptp(accuracy) > 0
        return self._promising(random) if learnt else self._large(random)

    def _learn(self, observation: Observation) -> None:
        row = np.array(observation.architecture, dtype=np.int8)
        key = row.tobytes()
        if key not in self._tried:
            self._tried.add(key)
            self._tried_candidates += key in self._position
        if observation.finished and observation.accuracy is not None:
            self._known.add(row, observation.accuracy)

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
        known = self._known
        rows = self._scored(random, known.rows[np.argsort(-known.accuracy)[:8]])
        fresh = np.array([row.tobytes() not in self._tried for row in rows])
        if not fresh.any():
            return self._large(random)
        rows = rows[fresh]
        figures = self._sizes.figures(rows)
        mean, deviation = self._surrogate.predict(
            known.rows, known.sizes, known.accuracy, rows, self._sizes.of_figures(figures)
        )
        scores = promise(
            mean,
            deviation,
            figures[:, self._costs],
            Observed(accuracy=known.accuracy, costs=known.figures[:, self._costs]),
            self._min_accuracy,
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


class _Known:
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
        """Add one."""
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
