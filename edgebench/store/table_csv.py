"""Tables as CSV: a line for each block or for each whole network, and beside each figure what is known of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebench.core.figure import TABLE_FIGURES, figure_of
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, Validation
from edgebench.core.units import parse_quantity
from edgebench.errors import EdgebenchError, InputError

MAX_CSV_BYTES = 64 << 20
BLOCK, ARCHITECTURE = "block", "architecture"
_FACTS = ("device", "dtype", "machine")
_DISTURBED = "disturbed"
_OF_FIGURE = ("provenance", "method", "source", "base", "low", "high")
_OF_ERROR = ("networks", "mean_error", "within_5_percent", "within_10_percent")
_LONGEST = {"latency_s": 60.0, "energy_j": 1000.0}
"""A figure that is larger in all lines is in another unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """What a file says.

    Attributes:
        kind: ``block`` or ``architecture``.
        rows: Figures by block or architecture, in SI units.
        lines: The line of each.
        facts: Device, type, machine, and what is known of figures (``latency_s.provenance``), where it is said.
        disturbed: Blocks that were measured on a disturbed machine.
    """

    kind: str
    rows: Mapping[str, Mapping[str, float]]
    lines: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    disturbed: tuple[str, ...] = ()

    def figure(self, name: str, *, provenance: Provenance, method: str, source: str) -> TableFigure:
        """What a column is; what the file says of it stands behind what is given.

        Args:
            name: Of the figure.
            provenance: How it was obtained, unless the file says.
            method: How exactly, unless the file says.
            source: Who measured it.

        Raises:
            InputError: What the file says is not valid.
        """
        told = self.facts.get(f"{name}.provenance", "")
        if told and told not in set(Provenance):
            raise InputError(f"{told!r} is not a provenance", remedy=f"one of {', '.join(Provenance)}")
        return TableFigure(
            provenance=Provenance(told) if told else provenance,
            method=self.facts.get(f"{name}.method") or method,
            source=source or self.facts.get(f"{name}.source"),
            base=self._number(f"{name}.base") or 0.0,
        )

    def error(self, name: str) -> Validation | None:
        """How far predictions of a figure were off, if the file says."""
        low, high = self._number(f"{name}.low"), self._number(f"{name}.high")
        numbers = [self._number(f"{name}.{key}") for key in _OF_ERROR]
        if low is None or high is None or any(number is None for number in numbers):
            return None
        networks, mean, five, ten = (number or 0.0 for number in numbers)
        return Validation(
            networks=int(networks),
            seed=0,
            mean_error=mean,
            within_5_percent=five,
            within_10_percent=ten,
            rank_correlation=None,
            low=low,
            high=high,
            when="",
        )

    def _number(self, key: str) -> float | None:
        text = self.facts.get(key, "")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise InputError(f"{key} is {text!r}, which is not a number") from None
        if not math.isfinite(value):
            raise InputError(f"{key} is {text}, which is not usable")
        return value


def read_table_csv(path: Path) -> CsvTable:
    """Read a table: the first line names ``block`` or ``architecture``, and figures.

    Figures are in SI units (``latency_s``), or in the unit that the column names (``latency_ms``, ``ram_kb``).

    Raises:
        InputError: A column is unknown or missing, a value is not a number, negative or in another unit, a line is
            repeated with other values; the line is named.
    """
    reader = csv.DictReader(_text(path).splitlines())
    names = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = names
    kinds = [name for name in names if name in {BLOCK, ARCHITECTURE}]
    columns = {name: _column(name) for name in names if name not in {*kinds, *_FACTS, _DISTURBED} and "." not in name}
    unknown = [name for name, found in columns.items() if found is None]
    if len(kinds) != 1 or unknown or not columns:
        raise InputError(
            f"the columns are {', '.join(names) or 'none'}" + (f": {unknown[0]!r} is not a figure" if unknown else ""),
            where=str(path),
            remedy=f"the first line must name block or architecture, and some of {', '.join(TABLE_FIGURES)}",
        )
    rows: dict[str, Mapping[str, float]] = {}
    lines: dict[str, int] = {}
    facts: dict[str, str] = {}
    disturbed: list[str] = []
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        key = (row.get(kinds[0]) or "").strip()
        if not key or None in row:
            raise InputError(f"the {kinds[0]} is missing, or the line is too long", where=where)
        figures = {found[0]: _value(row[name], found, where) for name, found in columns.items() if found is not None}
        if key in rows and rows[key] != figures:
            raise InputError(
                f"{key!r} has other figures than in line {lines[key]}", where=where, remedy="keep one of the two"
            )
        rows[key], lines[key] = figures, reader.line_num
        if (row.get(_DISTURBED) or "").strip():
            disturbed.append(key)
        if not facts:
            facts = {name: value.strip() for name, value in row.items() if name and ("." in name or name in _FACTS)}
    if not rows:
        raise InputError("there are no lines", where=str(path))
    _refuse_other_units(rows, path)
    return CsvTable(kind=kinds[0], rows=rows, lines=lines, facts=facts, disturbed=tuple(sorted(disturbed)))


def table_records(table: LookupTable) -> tuple[Mapping[str, object], ...]:
    """Every line of a table as CSV: reading them gives the same table.

    Blocks cost what they cost with everything that was learnt from whole networks.
    """
    known = {**table.left_out, **table.validation}
    told: dict[str, object] = {"device": table.key.device, "dtype": table.key.dtype, "machine": table.key.machine}
    for name, column in table.figures.items():
        error = known.get(name)
        told |= {
            f"{name}.provenance": column.provenance.value,
            f"{name}.method": column.method,
            f"{name}.source": column.source or "",
            f"{name}.base": 0.0 if table.learnt_whole else column.base,
        }
        if error is not None:
            told |= {f"{name}.{key}": getattr(error, key) for key in (*_OF_ERROR, "low", "high")}
    if table.learnt_whole:
        return tuple({ARCHITECTURE: text, **figures, **told} for text, figures in table.wholes.items())
    return tuple(
        {
            BLOCK: block,
            **{name: table.cost(block, name) for name in figures},
            **told,
            **({_DISTURBED: "yes" if block in table.disturbed else ""} if table.disturbed else {}),
        }
        for block, figures in table.entries.items()
    )


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise InputError("too large for a table", where=str(path))
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("not a text file", where=str(path)) from None


def _column(name: str) -> tuple[str, float] | None:
    """The figure of a column, and what its values are multiplied by; None if it is no figure."""
    if name in TABLE_FIGURES:
        return name, 1.0
    word, _, unit = name.rpartition("_")
    for figure in TABLE_FIGURES:
        dimension = figure_of(figure).dimension
        if word and word == figure.rpartition("_")[0] and dimension is not None:
            try:
                return figure, parse_quantity(f"1{unit}", dimension, where=name)
            except EdgebenchError:
                return None
    return None


def _value(text: str | None, column: tuple[str, float], where: str) -> float:
    figure, factor = column
    if text is None or not text.strip():
        raise InputError(f"{figure} is missing", where=where)
    try:
        value = float(text) * factor
    except ValueError:
        raise InputError(f"{figure} is {text!r}, which is not a number", where=where) from None
    if not math.isfinite(value):
        raise InputError(f"{figure} is {text}, which is not usable", where=where)
    return value


def _refuse_other_units(rows: Mapping[str, Mapping[str, float]], path: Path) -> None:
    for figure, longest in _LONGEST.items():
        values = [row[figure] for row in rows.values() if figure in row]
        if values and min(values) > longest:
            word, _, unit = figure.rpartition("_")
            raise InputError(
                f"{figure} is {min(values):g} {unit} or more in every line",
                where=str(path),
                remedy=f"if it is in another unit, name it in the column: {word}_m{unit} or {word}_u{unit}",
            )
