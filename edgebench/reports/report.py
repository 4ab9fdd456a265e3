"""A table before it is rendered: typed cells, in SI units, with where each figure comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.metric import Metric

Cell = Metric | int | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        key: Name of the figure, as ``core.summary`` spells it.
        title: Heading for people.
    """

    key: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        title: What it shows.
        columns: In the order of display.
        rows: Cells by column key; a missing key is an absent figure.
        caption: One line that a reader must not miss.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Cell], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A sentence beneath the tables.

    Attributes:
        kind: ``failure``, ``warning`` or ``note``.
        subject: Model and device it concerns.
        text: The sentence.
        remedy: What to do next, if anything.
    """

    kind: str
    subject: str
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a reader gets to see, in the order of reading."""

    tables: tuple[Table, ...]
    remarks: tuple[Remark, ...] = ()
    records: tuple[Mapping[str, object], ...] = field(default_factory=tuple)
