"""The verb ``lut import``: tables that were measured elsewhere, by block or by whole network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableKey
from edgebench.errors import InputError
from edgebench.flows.lut.opening import dtype_of
from edgebench.flows.lut.request import table_key
from edgebench.flows.lut.whole_table import learnt_from
from edgebench.machine.description import describe_machine
from edgebench.spaces.space import SearchSpace
from edgebench.store.devices import find_device
from edgebench.store.table_csv import ARCHITECTURE, CsvTable, read_table_csv
from edgebench.store.tables import IMPORTED, TableStore
from edgebench.targets.registry import create_target

FEWEST = 8
"""Whole networks that a predictor is learnt from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What to import.

    Attributes:
        file: CSV.
        space: The space that blocks or architectures belong to.
        device: Name of the device, or None for what the file says.
        machine: Machine it was measured on, or None for what the file says, or this one.
        source: Who measured it, and how.
        provenance: How figures were obtained, where the file does not say.
        versions: What it was measured with; for a device that is here, by default what is installed.
        dtype: ``float32`` or ``int8``; by default what the file says, or what the device takes.
        force: Whether an existing table is replaced.
        results: Folder of tables.
    """

    file: Path
    space: SearchSpace
    device: str | None
    machine: str | None
    source: str
    provenance: Provenance
    versions: Mapping[str, str]
    dtype: str | None
    force: bool
    results: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What was imported.

    Attributes:
        table: As it is stored.
        path: Its file.
        elsewhere: Whether its device is not here.
        said: How much there was, in one line.
    """

    table: LookupTable
    path: Path
    elsewhere: bool
    said: str


def import_table(request: ImportRequest) -> Imported:
    """Read, check and store a table.

    Raises:
        InputError: The file, a block, an architecture or a name is wrong, or there is such a table already.
        StorageError: It cannot be written.
    """
    told = read_table_csv(request.file)
    if not request.source and not any(key.endswith(".source") and text for key, text in told.facts.items()):
        raise InputError(
            "nobody is named who measured it", where="--source", remedy='such as --source "lab, June 2026"'
        )
    key = _key(request, told)
    table = LookupTable(
        space=request.space.name,
        key=key,
        space_digest=request.space.digest,
        figures={
            name: told.figure(
                name,
                provenance=request.provenance,
                method=f"imported from {request.file.name}",
                source=request.source,
            )
            for name in next(iter(told.rows.values()))
        },
    )
    table = _of_networks(request, told, table) if told.kind == ARCHITECTURE else _of_blocks(request, told, table)
    store = TableStore(request.results)
    names = key.device, table.space, key.dtype
    with store.writing(*names):
        if store.path(*names).exists() and not request.force:
            raise InputError(
                "a table exists already", where=str(store.path(*names)), remedy="add --force to replace it"
            )
        path = store.save(table)
    return Imported(table=table, path=path, elsewhere=key.target == IMPORTED, said=_said(request, table))


def _said(request: ImportRequest, table: LookupTable) -> str:
    if not table.learnt_whole:
        return f"{len(table.entries)} of {len(request.space.all_blocks)} blocks"
    errors = ", ".join(
        f"{name}: mean error {item.mean_error:.1%}, within 5 % {item.within_5_percent:.0%}"
        for name, item in table.left_out.items()
    )
    return f"{len(table.wholes)} whole networks, each predicted from the others: {errors}"


def _key(request: ImportRequest, told: CsvTable) -> TableKey:
    machine = request.machine or told.facts.get("machine") or ""
    name = request.device or told.facts.get("device") or _slug(machine)
    if not name:
        raise InputError("no device is named", where="-d", remedy='such as -d pi5, or --machine "Raspberry Pi 5"')
    local = _local(name)
    here = describe_machine().get("cpu", "")
    dtype = request.dtype or told.facts.get("dtype")
    if local is not None:
        target = create_target(local)
        versions = request.versions or (target.check() if not machine or machine == here else {})
        if target.deterministic or not machine or machine == here:
            return table_key(local, versions, dtype_of(local, dtype), measured=not target.deterministic)
        # The same runtime on another machine is another device.
        name = _slug(machine) if request.device in {None, local.name} else name
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", name):
        raise InputError(f"{name!r} is not a name for a device", where="-d", remedy="use lower-case letters, digits, -")
    if dtype is not None and dtype not in set(DataType):
        raise InputError(f"{dtype!r} is not a data type of tables", where="--dtype", remedy=" or ".join(DataType))
    return TableKey(
        device=name, target=IMPORTED, versions=dict(request.versions), dtype=dtype or DataType.FLOAT32, machine=machine
    )


def _local(name: str) -> Device | None:
    try:
        return find_device(name)
    except InputError:
        return None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]


def _of_blocks(request: ImportRequest, told: CsvTable, table: LookupTable) -> LookupTable:
    space = request.space
    if space.learnt_whole:
        raise InputError(
            f"{space.name} has no table of blocks",
            where=str(request.file),
            remedy="name whole networks, in a column architecture",
        )
    known = {block.key for block in space.all_blocks}
    strange = [block for block in told.rows if block not in known]
    if strange:
        raise InputError(
            f"{len(strange)} of {len(told.rows)} blocks are not in {space.name}, such as {strange[0]!r}",
            where=f"{request.file}, line {told.lines[strange[0]]}",
            remedy=f"blocks are written as `edgebench lut export {space.name} -d DEVICE` writes them",
        )
    errors = {name: error for name in table.figures if (error := told.error(name)) is not None}
    return replace(
        table,
        entries=dict(told.rows),
        complete=known == set(told.rows),
        left_out=errors,
        disturbed=tuple(sorted(set(told.disturbed))),
    )


def _of_networks(request: ImportRequest, told: CsvTable, table: LookupTable) -> LookupTable:
    space = request.space
    wholes: dict[str, Mapping[str, float]] = {}
    for text, figures in told.rows.items():
        where = f"{request.file}, line {told.lines[text]}"
        wrong = next((name for name, value in figures.items() if value <= 0), None)
        if wrong is not None:
            raise InputError(f"{wrong} is {figures[wrong]:g}, which is not above 0", where=where)
        try:
            name = space.text(space.written(text))
        except InputError as error:
            raise InputError(error.what, where=where, remedy=error.remedy) from None
        # Equal networks that were measured twice: both count, as their mean.
        before = wholes.get(name, figures)
        wholes[name] = {key: (value + before[key]) / 2 for key, value in figures.items()}
    if len(wholes) < FEWEST:
        raise InputError(
            f"{len(wholes)} different networks are too few to learn from",
            where=str(request.file),
            remedy=f"measure {FEWEST} or more",
        )
    return replace(learnt_from(space, table, wholes), complete=True)
