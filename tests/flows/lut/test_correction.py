"""What whole networks teach, on simulated processors: that promises are true, and what the worst networks share."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey, Validation, block_group
from edgebench.flows.lut.correction import Goal, corrected_until_good, whole_networks
from edgebench.flows.spaces import open_space
from edgebench.models.network import Network
from edgebench.search.costs import cost_model
from edgebench.search.group_errors import group_errors, worst_group
from edgebench.spaces.space import Architectures, SearchSpace

Floats = NDArray[np.float64]
COLUMN = "latency_s@fake"


class Processor:
    """Blocks have true costs; a table has them with errors of each block and of all blocks of a group."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space = space
        self._random = random = np.random.default_rng(seed)
        macs = {block.key: block.network().macs for block in space.all_blocks}
        true = {key: 1e-5 * float(np.exp(random.normal(0, 0.3))) + 1e-10 * count for key, count in macs.items()}
        mean_block = float(np.mean(list(true.values())))
        by_group = random.choice([0, 0.03, 0.1, 0.2]) * mean_block
        by_block = random.choice([0.0, 0.01, 0.02, 0.05])
        self._noise = random.choice([0.002, 0.005, 0.01, 0.02])
        self._scale = 1 + random.normal(0, 0.04)
        # In a fixed order, so that the draw does not depend on the order of a set.
        offsets = {group: random.normal(0, by_group) for group in sorted({block_group(key) for key in true})}
        self.table = self._of(
            {
                key: max(1e-7, (cost + offsets[block_group(key)]) * (1 + random.normal(0, by_block)))
                for key, cost in true.items()
            }
        )
        self._true = self._of(true)

    def _of(self, costs: Mapping[str, float]) -> LookupTable:
        return LookupTable(
            space=self.space.name,
            key=TableKey(device="fake", target="fake", dtype="float32"),
            figures={"latency_s": TableFigure(provenance=Provenance.MEASURED, method="made up")},
            entries={key: {"latency_s": cost} for key, cost in costs.items()},
            complete=True,
        )

    def predicted(self, table: LookupTable, rows: Architectures) -> Floats:
        model = cost_model(self.space, {"fake": table})
        return model.predict(rows)[:, model.names.index(COLUMN)]

    def measured(self, rows: Architectures) -> Floats:
        found: Floats = self._scale * self.predicted(self._true, rows)
        return found * (1 + self._random.normal(0, self._noise, len(rows)))

    def built(self, goal: Goal) -> LookupTable:
        waiting = iter(whole_networks(self.space))

        def measure(network: Network) -> Mapping[str, float]:
            del network
            return {"latency_s": float(self.measured(next(waiting)[None])[0])}

        *_, table = corrected_until_good(self.space, self.table, measure, goal, lambda *_: None)
        return table

    def unseen(self, table: LookupTable, count: int) -> Architectures:
        drawn = np.unique(self.space.sample(np.random.default_rng(7), count), axis=0)
        seen = set(table.wholes)
        return drawn[[self.space.text(row) not in seen for row in drawn]]


@pytest.mark.heavy
@pytest.mark.slow
def test_promised_intervals_cover_unseen_networks() -> None:
    """Over processors whose tables are wrong in many ways, with builds that stop when they are good."""
    inside: list[float] = []
    mean_errors: list[float] = []
    promised: list[float] = []
    for name in ("mobile", "dscnn", "resnet", "nas-bench-macro"):
        space = open_space(name)
        for seed in range(15):
            processor = Processor(space, seed)
            table = processor.built(Goal())
            rows = processor.unseen(table, 200)
            ratios = processor.measured(rows) / processor.predicted(table, rows)
            promise = table.left_out["latency_s"]
            inside.append(float(np.mean((ratios >= promise.low) & (ratios <= promise.high))))
            mean_errors.append(float(np.mean(np.abs(1 / ratios - 1))))
            promised.append(promise.mean_error)
    assert 0.93 <= np.mean(inside) <= 0.98
    assert np.mean(mean_errors) < 0.02
    assert np.mean(mean_errors) < 1.4 * np.mean(promised), "errors of those left out are a little too small"


def test_the_group_that_the_worst_networks_share_is_named() -> None:
    space = open_space("mobile")
    rows = whole_networks(space, 40)
    texts = tuple(space.text(row) for row in rows)
    held = [{block_group(block.key) for _, block in space.blocks(tuple(map(int, row)))} for row in rows]
    counts = {group: sum(group in own for own in held) for group in sorted(set().union(*held))}
    bad = next(group for group, count in counts.items() if 5 <= count <= 15)
    found = tuple(1.0 for _ in rows)
    predicted = tuple(0.8 if bad in own else 1.01 for own in held)
    known = Validation(
        networks=len(rows),
        seed=0,
        mean_error=0.1,
        within_5_percent=0.5,
        within_10_percent=0.5,
        rank_correlation=None,
        low=0.8,
        high=1.2,
        when="",
        architectures=texts,
        found=found,
        predicted=predicted,
    )
    worst = {item.group: item for item in group_errors(space, known)}[bad]
    assert worst.networks == counts[bad]
    assert worst.bias == pytest.approx(-0.2)
    assert worst.mean_error == pytest.approx(0.2)
    assert worst.others == pytest.approx(0.01)
    assert worst_group(space, known) != ""
    named = {item.group: item for item in group_errors(space, known)}[worst_group(space, known)]
    assert named.mean_error == pytest.approx(0.2)
