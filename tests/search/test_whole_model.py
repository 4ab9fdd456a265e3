"""Predictions that are learnt from whole networks."""

import numpy as np
import pytest

from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.flows.spaces import open_space
from edgebench.search.whole_model import WholeModel
from edgebench.spaces.space import SearchSpace


def random_tables(space: SearchSpace) -> dict[str, LookupTable]:
    random = np.random.default_rng(3)
    families = space.features(space.sample(random, 2))
    found = {}
    for device in ("one", "other"):
        weights = {family.name: {label: random.random() for label in family.labels[::2]} for family in families}
        figure = TableFigure(provenance=Provenance.ESTIMATED, method="random", base=random.random(), weights=weights)
        key = TableKey(device=device, target="none", dtype="int8")
        figures = {"latency_s": figure, "energy_j": figure}
        found[device] = LookupTable(space=space.name, key=key, figures=figures, entries={})
    return found


@pytest.mark.parametrize("name", ["mobile", "mobile-fixed", "resnet"])
def test_what_is_looked_up_is_base_and_weighted_features(name: str) -> None:
    space = open_space(name)
    tables = random_tables(space)
    model = WholeModel(space, tables, sizes=False)
    rows = np.random.default_rng(1).integers(
        0, [len(item.values) for item in space.dimensions], (50, len(space.dimensions))
    )
    raw = rows.astype(np.int8)
    families = space.features(space.canonical(raw))
    for column, figure in enumerate(figure for table in tables.values() for figure in table.figures.values()):
        expected = figure.base + sum(
            family.values @ np.array([figure.weights[family.name].get(label, 0.0) for label in family.labels])
            for family in families
        )
        np.testing.assert_allclose(model.predict(raw)[:, column], expected)
