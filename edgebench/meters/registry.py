"""Energy meters by name: ours, and those of installed plug-ins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from edgebench.core.place import MeterStatus
from edgebench.core.plugins import load_plugin, plugin_names
from edgebench.errors import EdgebenchError, TargetUnavailableError
from edgebench.meters.base import EnergyMeter, MeterPlugin

GROUP = "edgebench.meters"
BUILTIN: Mapping[str, str] = {
    "rapl": "edgebench.meters.rapl:RaplMeter",
    "hwmon": "edgebench.meters.hwmon:HwmonMeter",
    "nvml": "edgebench.meters.nvml:NvmlMeter",
    "command": "edgebench.meters.command:CommandMeter",
}
AUTOMATIC: Sequence[str] = ("rapl", "hwmon")
"""What ``auto`` tries. A graphics card's energy is not that of a processor, so NVML is used only by name."""
SYSFS = Path("/sys")


def open_meter(name: str, sysfs: Path = SYSFS) -> EnergyMeter | None:
    """Open a meter.

    Args:
        name: ``KIND`` or ``KIND:SELECTOR``; ``auto`` for the first of ``AUTOMATIC`` that works; ``none``.
        sysfs: Where ``/sys`` is mounted.

    Returns:
        The meter, to be closed by the caller, or None for ``none`` and if ``auto`` finds nothing.

    Raises:
        InputError: There is no meter of that name; the nearest names are suggested.
        TargetUnavailableError: It cannot be read; the remedy says what to do about it.
    """
    if name == "none":
        return None
    if name != "auto":
        kind, _, selector = name.partition(":")
        return _open(kind, selector, sysfs)
    for kind in AUTOMATIC:
        try:
            return _open(kind, "", sysfs)
        except EdgebenchError:
            continue
    return None


def available_meters(sysfs: Path = SYSFS) -> list[MeterStatus]:
    """Every meter of this machine, and every kind that it lacks, with the reason."""
    found = []
    for kind in plugin_names(GROUP, BUILTIN):
        try:
            plugin = _plugin(kind)
            with _failures_of(kind):
                selectors = plugin.selectors(sysfs) or [""]
        except EdgebenchError as error:
            found.append(MeterStatus(name=kind, ready=False, detail=error.what, remedy=error.remedy))
            continue
        found += [_status(kind, selector, sysfs) for selector in selectors]
    return found


def _status(kind: str, selector: str, sysfs: Path) -> MeterStatus:
    name = f"{kind}:{selector}" if selector else kind
    try:
        with _open(kind, selector, sysfs) as meter:
            return MeterStatus(name=name, ready=True, detail=meter.scope)
    except EdgebenchError as error:
        return MeterStatus(name=name, ready=False, detail=error.what, remedy=error.remedy)


def _open(kind: str, selector: str, sysfs: Path) -> EnergyMeter:
    plugin = _plugin(kind)
    with _failures_of(kind):
        return plugin.open(selector, sysfs)


def _plugin(kind: str) -> MeterPlugin:
    return cast("MeterPlugin", load_plugin(GROUP, kind, BUILTIN))


@contextmanager
def _failures_of(kind: str) -> Iterator[None]:
    """Foreign code runs here: whatever it raises is one meter that fails, not the end of the command."""
    try:
        yield
    except EdgebenchError:
        raise
    except Exception as error:
        raise TargetUnavailableError(f"meter {kind!r} failed: {type(error).__name__}: {error}") from error
