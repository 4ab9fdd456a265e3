"""Which architecture is proposed next, with accuracies that a formula gives."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.budget import Limit
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.search import proposer as module
from edgebench.search.candidates import Candidates, SizeFeatures, find_candidates
from edgebench.search.cost_model import CostModel
from edgebench.search.costs import cost_model
from edgebench.search.proposer import FIRST, Observation, Proposer, SpaceExhaustedError
from edgebench.spaces.space import Architecture, SearchSpace
from tests.small_space import open_twelve


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return open_twelve(tmp_path)


@pytest.fixture
def model(space: SearchSpace) -> CostModel:
    figure = TableFigure(provenance=Provenance.SIMULATED, method="parameters")
    table = LookupTable(
        space=space.name,
        key=TableKey(device="fake", target="fake", dtype="float32"),
        figures={"latency_s": figure},
        entries={block.key: {"latency_s": 1e-6 * block.network().parameters} for block in space.all_blocks},
    )
    return cost_model(space, {"fake": table})


def proposer(space: SearchSpace, model: CostModel, limit: float = 1.0, seed: int = 0) -> tuple[Proposer, Candidates]:
    limits = (Limit(figure="latency_s", device="fake", value=limit),)
    candidates = find_candidates(space, model, limits, (1.0,), 0)
    made = Proposer(
        space, candidates, SizeFeatures(space, model, 0), costs=(), maximise_accuracy=True, min_accuracy=None, seed=seed
    )
    return made, candidates


def proposed(made: Proposer, accuracy: Callable[[Architecture], float | None]) -> list[Architecture]:
    """All that are proposed one after the other, each finished before the next."""
    found: list[Architecture] = []
    last: list[Observation] = []
    while True:
        try:
            row = made.propose(last, len(found))
        except SpaceExhaustedError:
            return found
        found.append(tuple(map(int, row)))
        last = [Observation(architecture=found[-1], accuracy=accuracy(found[-1]), finished=True)]


def test_every_candidate_is_proposed_once_and_nothing_else(space: SearchSpace, model: CostModel) -> None:
    latency = model.predict(np.concatenate(list(space.enumerate())))[:, model.names.index("latency_s@fake")]
    made, candidates = proposer(space, model, limit=float(np.median(latency)))
    found = proposed(made, lambda architecture: float(sum(architecture)))
    assert 0 < len(found) < space.size
    assert len(found) == len(set(found))
    assert set(found) == {tuple(map(int, row)) for row in candidates.rows}


def test_what_is_being_tried_is_not_proposed_either(space: SearchSpace, model: CostModel) -> None:
    made, _ = proposer(space, model)
    running: list[Observation] = []
    for number in range(space.size):
        row = tuple(map(int, made.propose(running, number)))
        assert row not in {item.architecture for item in running}
        running.append(Observation(architecture=row, accuracy=None, finished=False))
    with pytest.raises(SpaceExhaustedError, match=f"all {space.size} feasible"):
        made.propose(running, space.size)


def test_failures_are_not_repeated_and_teach_nothing(space: SearchSpace, model: CostModel) -> None:
    made, _ = proposer(space, model)
    found = proposed(made, lambda _: None)
    assert len(found) == len(set(found)) == space.size


def test_the_same_seed_proposes_the_same(space: SearchSpace, model: CostModel) -> None:
    def value(architecture: Architecture) -> float:
        return float(np.dot(architecture, range(len(architecture))))

    first, second, other = (proposed(proposer(space, model, seed=seed)[0], value) for seed in (0, 0, 1))
    assert first == second != other


def test_an_accuracy_counts_only_when_a_trial_is_finished(
    space: SearchSpace, model: CostModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until enough accuracies are known the larger half is drawn from, which the surrogate is not asked about."""
    asked: list[int] = []
    made, _ = proposer(space, model)
    real = module.Surrogate.predict

    def predict(self: module.Surrogate, observed: np.ndarray, *more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(observed))
        return real(self, observed, *more)

    monkeypatch.setattr(module.Surrogate, "predict", predict)
    rows = [tuple(map(int, row)) for row in np.concatenate(list(space.enumerate()))]
    rows = list(dict.fromkeys(space.canonical_one(row) for row in rows))[:FIRST]
    running = [Observation(architecture=row, accuracy=float(sum(row)), finished=False) for row in rows]
    made.propose(running, 0)
    assert asked == []
    made.propose([Observation(architecture=row, accuracy=float(sum(row)), finished=True) for row in rows], 1)
    assert asked == [FIRST]
