"""Tables and studies, as the search command finds and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.errors import InputError

if TYPE_CHECKING:
    from edgebench.cli.output import Format
    from edgebench.core.device import Device
    from edgebench.core.table import LookupTable
    from edgebench.spaces.space import SearchSpace


def load_tables(
    results: Path, space: SearchSpace, devices: Sequence[Device], dtypes: Sequence[str]
) -> dict[str, LookupTable]:
    """The table of each device, checked against what is installed.

    Raises:
        InputError: There is none.
        NotComparableError: It was built with something else; what differs is named.
    """
    from edgebench.flows.lut.build import table_key
    from edgebench.flows.lut.validate import require_holds
    from edgebench.search.costs import with_declared_energy
    from edgebench.store.tables import TableStore
    from edgebench.targets.registry import create_target

    found = {}
    for device in devices:
        target = create_target(device)
        dtype = _dtype(device, dtypes, [item.name for item in devices]) or target.dtype or "float32"
        table = TableStore(results).load(device.name, space.name, dtype)
        if table is None:
            raise InputError(
                f"there is no {dtype} table of {space.name} for {device.name}",
                where=str(results / "tables"),
                remedy=build_command(space.name, device.name, dtype, target.dtype, results),
            )
        here = table_key(device, target.check(), dtype, measured=not target.deterministic)
        require_holds(table, space, here)
        found[device.name] = with_declared_energy(table, device)
    return found


def build_command(space: str, device: str, dtype: str, only: str | None, results: Path) -> str:
    """The command that builds a table, with what differs from its defaults.

    Args:
        space: Name of the space.
        device: Name of the device.
        dtype: Type of the table.
        only: The one type that the device takes, if so.
        results: The results folder.
    """
    words = ["edgebench lut build", space, "-d", device]
    words += [] if dtype == (only or "float32") else ["--dtype", dtype]
    words += [] if results == Path("results") else ["--results", str(results)]
    return " ".join(words)


def _dtype(device: Device, texts: Sequence[str], names: Sequence[str]) -> str | None:
    chosen = None
    for text in texts:
        name, separator, dtype = text.rpartition("=")
        if dtype not in {"float32", "int8"} or (separator and name not in names):
            raise InputError(
                f"{text!r} is not a type for one of {', '.join(names)}", where="--dtype", remedy="float32 or int8"
            )
        if not separator or name == device.name:
            chosen = dtype
    return chosen


def new_study_name(space: str) -> str:
    """A name that no other study has."""
    return f"{space}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def show_study(name: str | None, results: Path, format_: Format) -> None:
    """Print the newest run of a study.

    Raises:
        InputError: There is no such study.
    """
    from edgebench.cli.output import print_report
    from edgebench.reports.search import search_report
    from edgebench.store.runs import RunStore

    store = RunStore(results)
    for run_name in reversed(store.names()):
        run = store.load(run_name)
        if run.search is not None and name in {None, run.search.study}:
            print_report(search_report(run.search), format_)
            return
    raise InputError(
        f"there is no study {name!r}" if name else "there are no studies yet",
        where=str(results / "runs"),
        remedy="edgebench search SPACE -d DEVICE --max-latency 50ms --task mnist5k",
    )
