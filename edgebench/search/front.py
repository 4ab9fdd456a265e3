"""Every architecture of a whole space that holds the limits and that no other beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.core.budget import Limit, beaten, feasible, non_dominated
from edgebench.core.metric import Metric, Provenance
from edgebench.core.table import NETWORK, UNITS, LookupTable
from edgebench.reports.report import Cell, Column, Report, Table
from edgebench.search.cost_model import CostModel
from edgebench.spaces.space import Architectures, SearchSpace
from edgebench.store.codec import to_plain

GREATER_IS_BETTER = frozenset({"macs", "parameters"})
"""What stands for accuracy before anything is trained: larger networks are mostly more accurate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeasibleFront:
    """The answer, exact.

    Attributes:
        rows: The front, one row an architecture, each once.
        figures: Their predicted figures, in the cost model's columns.
        combinations: How many were looked at: all of the space.
        feasible: How many of them hold the limits.
    """

    rows: Architectures
    figures: NDArray[np.float64]
    combinations: int
    feasible: int


def feasible_front(
    space: SearchSpace,
    model: CostModel,
    limits: Sequence[Limit],
    margins: Sequence[float],
    objectives: Sequence[str],
    on_progress: Callable[[float], object] = lambda _: None,
) -> FeasibleFront:
    """Look at every architecture of a space.

    Args:
        space: The space.
        model: Predicts its networks.
        limits: What must hold.
        margins: For each limit, the factor that a prediction is multiplied by.
        objectives: Columns of the model; ``macs@network`` and ``parameters@network`` are maximised, others minimised.
        on_progress: Told the share that is done, 0 to 1.
    """
    columns = [model.names.index(name) for name in objectives]
    signs = np.array([-1.0 if name.partition("@")[0] in GREATER_IS_BETTER else 1.0 for name in objectives])
    numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    costs: NDArray[np.float64] = np.empty((0, len(columns)))
    count = 0
    for start, figures in model.scan():
        holds = np.flatnonzero(feasible(figures, model.names, limits, margins))
        count += len(holds)
        part = figures[holds][:, columns] * signs
        fresh = np.flatnonzero(~beaten(part, costs))
        fresh = fresh[non_dominated(part[fresh])]
        stays = ~beaten(costs, part[fresh])
        numbers = np.concatenate([numbers[stays], start + holds[fresh]])
        costs = np.concatenate([costs[stays], part[fresh]])
        on_progress((start + len(figures)) / space.combinations)
    rows = np.unique(space.canonical(_decoded(space, numbers)), axis=0)
    predicted = model.predict(rows)
    order = np.lexsort((predicted[:, columns] * signs).T[::-1])
    return FeasibleFront(rows=rows[order], figures=predicted[order], combinations=space.combinations, feasible=count)


def _decoded(space: SearchSpace, numbers: NDArray[np.int64]) -> Architectures:
    """Architectures by their number, of which the last dimension counts fastest."""
    rows = np.empty((len(numbers), len(space.dimensions)), dtype=np.int8)
    for column in range(len(space.dimensions) - 1, -1, -1):
        numbers, rows[:, column] = np.divmod(numbers, len(space.dimensions[column].values))
    return rows


def front_report(
    front: FeasibleFront,
    space: SearchSpace,
    model: CostModel,
    tables: Mapping[str, LookupTable],
    *,
    columns: Sequence[str],
    shown: int,
) -> Report:
    """The front as a table.

    Args:
        front: What was found.
        space: Its space.
        model: Names the columns.
        tables: Tell where predictions come from, and their intervals.
        columns: Figures that people see; programs get all.
        shown: Rows that people see; programs get all.
    """
    titles = {name: _title(name, len(tables)) for name in columns}
    rows: list[dict[str, Cell]] = [
        {
            "architecture": space.text(row),
            **{name: _predicted(name, float(value), tables) for name, value in zip(model.names, figures, strict=True)},
        }
        for row, figures in zip(front.rows, front.figures, strict=True)
    ]
    left = f"; the first {shown} of {len(rows):,} are shown" if len(rows) > shown else ""
    table = Table(
        title=f"{space.name}: {len(rows):,} networks that no other beats",
        columns=(
            Column(key="architecture", title="architecture"),
            *(Column(key=key, title=title) for key, title in titles.items()),
        ),
        rows=tuple(rows[:shown]),
        caption=f"all {front.combinations:,} combinations looked at, {front.feasible:,} hold the limits{left}",
    )
    return Report(tables=(table,), records=tuple(to_plain(row) for row in rows))


def _title(name: str, devices: int) -> str:
    figure, _, device = name.partition("@")
    short = figure if figure in GREATER_IS_BETTER else figure.rpartition("_")[0]
    return short if device == NETWORK or devices == 1 else f"{short} on {device}"


def _predicted(name: str, value: float, tables: Mapping[str, LookupTable]) -> Cell:
    figure, _, device = name.partition("@")
    if device == NETWORK:
        return round(value)
    table = tables[device]
    known = table.validation.get(figure)
    return Metric(
        value=value,
        unit=UNITS[figure],
        provenance=Provenance.ESTIMATED,
        method=f"sum over the lookup table of {table.space}; {table.figures[figure].method}",
        low=None if known is None else known.low * value,
        high=None if known is None else known.high * value,
        source=table.figures[figure].source or f"table of {device}",
    )
