"""What the functions of the Python API share: from what a user gives to what flows take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgebench.core.device import Device
    from edgebench.core.model import Converter
    from edgebench.flows.profile.profile import ProfileProgress

StrPath = str | PathLike[str]
Limit = str | Mapping[str, str]
"""A quantity for every device, or by device."""


def many(given: StrPath | Sequence[StrPath]) -> Sequence[StrPath]:
    """Several of something that a user may give one of."""
    return [given] if isinstance(given, (str, PathLike)) else given


def path_of(given: StrPath | None) -> Path | None:
    """A path, or None."""
    return None if given is None else Path(given)


def converter_named(given: str) -> Converter:
    """A converter by its name.

    Raises:
        InputError: There is none of that name.
    """
    from edgebench.core.model import Converter
    from edgebench.errors import InputError

    if given not in set(Converter):
        raise InputError(f"there is no converter {given!r}", where="converter", remedy=" or ".join(Converter))
    return Converter(given)


def limit_texts(limit: Limit) -> list[str]:
    """Limits as the command line spells them."""
    if isinstance(limit, str):
        return [limit] if limit else []
    return [f"{device}={quantity}" for device, quantity in limit.items()]


def devices_of(
    given: str | Device | Sequence[str | Device],
    options: Mapping[str, str],
    threads: int | None,
    tables: Path | None = None,
) -> list[Device]:
    """Devices by name or as they are, with options applied; with a results folder also those of imported tables.

    Raises:
        InputError: A device or an option is unknown.
    """
    from edgebench.cli.compose import with_options
    from edgebench.core.device import Device
    from edgebench.flows.lut.opening import find_device_or_table
    from edgebench.store.devices import find_device

    def named(name: str) -> Device:
        return find_device(name) if tables is None else find_device_or_table(name, tables)

    listed = [given] if isinstance(given, (str, Device)) else given
    found = [item if isinstance(item, Device) else named(item) for item in listed]
    texts = [f"{key}={value}" for key, value in options.items()]
    return with_options(found, texts + ([] if threads is None else [f"threads={threads}"]))


@contextmanager
def progress_shown(wanted: bool) -> Iterator[Callable[[ProfileProgress], None]]:
    """A progress bar while the block runs, if one is wanted."""
    if not wanted:
        yield lambda _: None
        return
    from edgebench.cli.progress import progress_bar

    with progress_bar() as on_progress:
        yield on_progress
