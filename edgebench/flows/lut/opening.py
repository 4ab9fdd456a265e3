"""Tables that fit the devices, versions and machine at hand: found, checked, or refused with a command that helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgebench.core.device import Device, DeviceKind
from edgebench.core.dtype import DataType
from edgebench.core.table import LookupTable, TableKey
from edgebench.errors import InputError, NotComparableError
from edgebench.flows.lut.request import TableRequest, table_key
from edgebench.flows.spaces import open_space
from edgebench.search.costs import with_declared_energy
from edgebench.spaces.space import SearchSpace
from edgebench.store.devices import find_device
from edgebench.store.tables import IMPORTED, TableStore
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL


def dtype_of(device: Device, wanted: str | None = None) -> DataType:
    """The data type of a device's table: the requested one, otherwise what the device takes.

    Raises:
        InputError: Tables do not have this type.
    """
    chosen = wanted or create_target(device).dtype or DataType.FLOAT32
    if chosen not in set(DataType):
        raise InputError(f"{chosen!r} is not a data type of tables", where="--dtype", remedy=" or ".join(DataType))
    return DataType(chosen)


def find_device_or_table(name: str, results: Path, find: Callable[[str], Device] = find_device) -> Device:
    """A device by its name; one that is known by an imported table only if there is no other of that name.

    Args:
        name: What the user typed.
        results: Folder of tables.
        find: Finds a device, or raises an ``InputError``.

    Raises:
        InputError: There is neither.
    """
    try:
        return find(name)
    except InputError:
        tables = [table for table in TableStore(results).of_device(name) if table.key.target == IMPORTED]
        if not tables:
            raise
    where = f" on {tables[0].key.machine}" if tables[0].key.machine else ""
    return Device(
        name=name, kind=DeviceKind.CPU, target=IMPORTED, description=f"known by an imported table{where}, not attached"
    )


def load_table(results: Path, request: TableRequest) -> LookupTable:
    """The table of a request, as it is saved.

    Raises:
        InputError: There is no such table; the remedy builds it.
    """
    device, space = request.device, request.space
    table = TableStore(results).load(device.name, space.name, request.dtype)
    if table is None:
        raise InputError(
            f"there is no {request.dtype} table of {space.name} for {device.name}",
            where=str(results / "tables"),
            remedy=build_command(space.name, device, request.dtype, results),
        )
    return table


def load_any_table(results: Path, space: str, device: str, dtype: str | None) -> LookupTable:
    """A table to look at, of a device that is here or of an imported one.

    Raises:
        InputError: There is no such table, space or device.
    """
    opened, found = open_space(space), find_device_or_table(device, results)
    if found.target == IMPORTED:
        return _imported(results, opened, found, {} if dtype is None else {device: dtype})
    return load_table(results, TableRequest(space=opened, device=found, dtype=dtype_of(found, dtype)))


def open_tables(
    results: Path,
    space: SearchSpace,
    devices: Sequence[Device],
    dtypes: Mapping[str, str],
    *,
    workers: Workers = LOCAL,
) -> dict[str, LookupTable]:
    """The table of each device, checked against what is installed.

    Args:
        results: The results folder.
        space: Whose blocks the tables hold.
        devices: Each must have one.
        dtypes: By device, the requested data type; by default, what the device takes.
        workers: Look at the machines where the devices are.

    Raises:
        InputError: A table is missing.
        NotComparableError: It was built with something else; the differences are named.
    """
    found = {}
    for device in devices:
        if device.target == IMPORTED:
            found[device.name] = with_declared_energy(_imported(results, space, device, dtypes), device)
            continue
        target = create_target(device)
        request = TableRequest(space=space, device=device, dtype=dtype_of(device, dtypes.get(device.name)))
        table = load_table(results, request)
        seen = workers.look(device)
        require_fit(
            table,
            space,
            table_key(
                device, seen.versions, request.dtype, measured=not target.deterministic, cpu=seen.machine.get("cpu", "")
            ),
        )
        found[device.name] = with_declared_energy(table, device)
    return found


def _imported(results: Path, space: SearchSpace, device: Device, dtypes: Mapping[str, str]) -> LookupTable:
    """A table that was made elsewhere, which is valid there whatever is installed here."""
    wanted = dtypes.get(device.name)
    known = [table for table in TableStore(results).of_device(device.name) if table.space == space.name]
    fitting = [table for table in known if wanted in {None, table.key.dtype}]
    if not fitting:
        have = ", ".join(f"{table.key.dtype} of {table.space}" for table in known) or "none of this space"
        raise InputError(
            f"there is no {wanted or ''} table of {space.name} for {device.name}".replace("  ", " "),
            where=str(results / "tables"),
            remedy=f"there is {have}; edgebench lut import FILE.csv --space {space.name} -d {device.name} --source WHO",
        )
    table = fitting[0]
    if not table.is_whole(space.digest):
        raise InputError(
            "the imported table does not have every block of the space, or the space has changed since",
            where=f"{table.space} on {device.name}",
            remedy=f"edgebench lut import FILE.csv --space {space.name} -d {device.name} --force with all blocks",
        )
    return table


def require_fit(table: LookupTable, space: SearchSpace, here: TableKey) -> None:
    """Check that a table was built for the device as it is here and now, and is complete for the current space.

    Args:
        table: The table.
        space: Whose networks it is to predict.
        here: What a table built here and now would be for.

    Raises:
        NotComparableError: It is for something else; the differences are named.
        InputError: Its build has not finished, or was for another state of the space.
    """
    where, build = f"{table.space} on {table.key.device}", f"edgebench lut build {table.space} -d {table.key.device}"
    differences = table.key.differences(here)
    if differences:
        raise NotComparableError(
            f"the table was built for something else: {'; '.join(differences)}",
            where=where,
            remedy=f"{build} --fresh builds another one, and keeps this one beside it",
        )
    if not table.is_whole(space.digest):
        why = (
            "its build has not finished" if table.space_digest in {space.digest, ""} else "the space has changed since"
        )
        raise InputError(f"the table is incomplete: {why}", where=where, remedy=f"{build} measures what is missing")


def build_command(space: str, device: Device, dtype: str, results: Path) -> str:
    """The command that builds a table, with what differs from its defaults."""
    words = ["edgebench lut build", space, "-d", device.name]
    words += [] if dtype == dtype_of(device) else ["--dtype", dtype]
    words += [] if results == Path("results") else ["--results", str(results)]
    return " ".join(words)
