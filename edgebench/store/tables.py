"""Lookup tables: ``results/tables/DEVICE/SPACE.json``, and tables somebody else measured."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edgebench.core.dtype import DataType
from edgebench.core.figure import TABLE_FIGURES
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.errors import InputError, StorageError
from edgebench.machine.lock import one_process_at_a_time
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import Migration, read_json, write_json
from edgebench.store.locations import packaged_folder
from edgebench.store.renames import present_options

KIND = "table"
VERSION = 3
_EXPORTED = {"device", "dtype"}
MAX_CSV_BYTES = 64 << 20


class TableStore:
    """The tables in one results folder, then those of simulated devices that are included in edgebench.

    Args:
        results: The results folder; tables are in its ``tables``.
    """

    def __init__(self, results: Path) -> None:
        self._folder = results / "tables"
        self._packaged = packaged_folder("results") / "tables"

    def path(self, device: str, space: str, dtype: str) -> Path:
        """The path of a table; a name without a type means float32."""
        suffix = "" if dtype == DataType.FLOAT32 else f".{dtype}"
        return self._folder / device / f"{space}{suffix}.json"

    def save(self, table: LookupTable) -> Path:
        """Write a table, replacing what was saved of it before.

        Raises:
            StorageError: It cannot be written.
        """
        path = self.path(table.key.device, table.space, table.key.dtype)
        write_json(path, {"schema": f"edgebench.{KIND}/{VERSION}", **to_plain(table)})
        return path

    @contextmanager
    def writing(self, device: str, space: str, dtype: str) -> Iterator[None]:
        """Keep other processes from writing the same table.

        Raises:
            StorageError: Another process writes it, or the folder cannot be written.
        """
        path = self.path(device, space, dtype)
        with ExitStack() as stack:
            try:
                stack.enter_context(one_process_at_a_time(path.with_name(f".{path.stem}.lock"), wait=False))
            except BlockingIOError:
                raise StorageError(
                    "another process is working on this table", where=str(path), remedy="wait until it has finished"
                ) from None
            except OSError as error:
                raise StorageError(
                    f"cannot be written: {error.strerror}", where=str(path), remedy="choose another --results"
                ) from None
            yield

    def load(self, device: str, space: str, dtype: str) -> LookupTable | None:
        """The folder's own table, otherwise the one included in edgebench, or None if there is none.

        Raises:
            StorageError: It is damaged or newer than this edgebench.
        """
        own = self.load_own(device, space, dtype)
        packaged = self._packaged / self.path(device, space, dtype).relative_to(self._folder)
        return load_table(packaged) if own is None and packaged.is_file() else own

    def load_own(self, device: str, space: str, dtype: str) -> LookupTable | None:
        """The table in this folder, which a build resumes, or None.

        Raises:
            StorageError: It is damaged or newer than this edgebench.
        """
        path = self.path(device, space, dtype)
        if not path.is_file():
            return None
        table = load_table(path)
        if (table.key.device, table.space, table.key.dtype) != (device, space, dtype):
            raise StorageError(
                f"it is a {table.key.dtype} table of {table.space} on {table.key.device}",
                where=str(path),
                remedy="move it where it belongs",
            )
        return table

    def all(self) -> list[LookupTable]:
        """Every table, this folder's own before those included in edgebench."""
        found = {
            path.relative_to(folder): path
            for folder in (self._packaged, self._folder)
            for path in folder.glob("*/*.json")
        }
        return [load_table(path) for _, path in sorted(found.items())]


def load_table(path: Path) -> LookupTable:
    """Read a table from a file.

    Raises:
        StorageError: The file is missing, damaged or newer than this edgebench.
    """
    table = from_plain(
        LookupTable, read_json(path, kind=KIND, version=VERSION, migrations=_MIGRATIONS), where=str(path)
    )
    for name in table.figures:
        if name not in TABLE_FIGURES:
            raise InputError(f"{name!r} is not a figure", where=str(path), remedy=f"one of {', '.join(TABLE_FIGURES)}")
    for block, figures in table.entries.items():
        _checked(figures, f"{path}, {block!r}")
        if not set(figures) <= set(table.figures):
            raise InputError(f"a figure of {block!r} is not declared in figures", where=str(path))
    return table


def read_table_csv(path: Path, *, space: str, key: TableKey, provenance: Provenance, source: str) -> LookupTable:
    """A table that somebody else measured: columns ``block`` and figures such as ``latency_s``.

    Other columns of an export (``device``, ``dtype``, ``latency_s.provenance``) are ignored.

    Args:
        path: The file.
        space: The space that the blocks belong to.
        key: What the figures are valid for.
        provenance: How the figures were obtained.
        source: Who measured them, and how.

    Raises:
        InputError: A column is unknown or missing, or a value is not a number; the line is named.
    """
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise InputError("too large for a table", where=str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("not a text file", where=str(path)) from None
    reader = csv.DictReader(text.splitlines())
    columns = [name for name in reader.fieldnames or [] if name not in _EXPORTED and not name.endswith(".provenance")]
    unknown = [name for name in columns if name not in TABLE_FIGURES and name != "block"]
    if "block" not in columns or unknown or len(columns) < 2:
        raise InputError(
            f"the columns are {', '.join(columns) or 'none'}",
            where=str(path),
            remedy=f"the first line must name block and some of {', '.join(TABLE_FIGURES)}",
        )
    entries: dict[str, Mapping[str, float]] = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        block = (row.get("block") or "").strip()
        if not block or block in entries or None in row:
            raise InputError("a block is missing or repeated, or a line is too long", where=where)
        try:
            entries[block] = _checked({name: float(row[name]) for name in columns if name != "block"}, where)
        except (ValueError, TypeError):
            raise InputError("a figure is not a number", where=where) from None
    if not entries:
        raise InputError("there are no lines", where=str(path))
    figure = TableFigure(provenance=provenance, method=f"imported from {path.name}", source=source)
    return LookupTable(
        space=space,
        key=key,
        figures={name: figure for name in columns if name != "block"},
        entries=entries,
    )


def _checked(figures: Mapping[str, float], where: str) -> Mapping[str, float]:
    for name, value in figures.items():
        if name not in TABLE_FIGURES or not math.isfinite(value):
            raise InputError(f"{name} = {value} is not a usable figure", where=where)
    return figures


def _with_present_options(document: dict[str, Any]) -> dict[str, Any]:
    key = document.get("key")
    if not isinstance(key, dict) or not isinstance(key.get("options"), dict):
        return document  # Not valid: the key is named where the document is checked.
    return {**document, "key": {**key, "options": present_options(str(key.get("target")), key["options"])}}


# Version 2 has the current names of targets' options, version 3 corrections and whole networks, which may be absent.
_MIGRATIONS: Mapping[int, Migration] = {1: _with_present_options, 2: dict}
