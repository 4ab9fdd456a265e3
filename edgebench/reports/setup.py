"""Separate environments as a table."""

from __future__ import annotations

from collections.abc import Iterable

from edgebench.machine.environments import Recipe, State, shown_size
from edgebench.reports.report import Cell, Report, plain_table


def setup_report(environments: Iterable[tuple[Recipe, State, int | None]]) -> Report:
    """A table of environments: what they are for, their state and the space they take."""
    rows: list[dict[str, Cell]] = []
    records: list[dict[str, Cell]] = []
    for recipe, state, size in environments:
        row: dict[str, Cell] = {"name": recipe.name, "state": state.value}
        end: dict[str, Cell] = {"folder": str(recipe.folder), "purpose": recipe.purpose}
        rows.append(row | {"size": "" if size is None else shown_size(size)} | end)
        records.append(row | {"size_bytes": size} | end)
    caption = "make or repair one with edgebench setup NAME, delete it with edgebench setup remove NAME"
    return Report(tables=(plain_table("Environments", rows, {}, caption),), records=tuple(records))
