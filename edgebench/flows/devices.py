"""The verb ``devices``: what can be targeted here, what is missing, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgebench.core.board_link import reached_by, runs_workers
from edgebench.core.device_status import DeviceStatus
from edgebench.errors import EdgebenchError, InputError
from edgebench.store.devices import described_device, device_names, find_device, require_trusted_device, search_devices
from edgebench.store.toml_files import stands_in
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL

_AT_ONCE = 32
"""Boards that are asked at the same time: they answer, or do not, independently of each other."""


def all_statuses(
    words: Sequence[str] = (), *, probe_s: float | None = None, workers: Workers = LOCAL
) -> list[DeviceStatus]:
    """Status of every device that can be found; a damaged file is a status, not an error.

    Args:
        words: If any are given, only of devices whose file has all of them.
        probe_s: Time for boards to answer, all at once; by default, they are not asked.
        workers: Asks them.

    Raises:
        InputError: No device has these words.
    """
    names = search_devices(words) if words else device_names()
    if not names:
        raise InputError(
            f"no device has the words {' '.join(words)!r}",
            where="--search",
            remedy="`edgebench devices` lists them all",
        )
    found = [status_of(name, ask=False, workers=workers) for name in names]
    if probe_s is None:
        return found
    boards = [status for status in found if status.device is not None and status.reached and not status.problem]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = dict(
            zip((board.name for board in boards), pool.map(partial(_probed, probe_s, workers), boards), strict=True)
        )
    return [asked.get(status.name, status) for status in found]


def set_up(
    name: str, wheels: Path | None, on_progress: Callable[[str], None], *, workers: Workers = LOCAL
) -> DeviceStatus:
    """Install on a device's board what measuring there needs, or bring it up to date.

    Args:
        name: The device.
        wheels: A folder of wheels to use instead of a package index.
        on_progress: Called with what happens.
        workers: Install it.

    Returns:
        The device's status afterwards.

    Raises:
        InputError: There is no such device, it is not on a board, or there are no wheels.
        UnavailableError: The board cannot be reached, or a package not be installed.
        StorageError: There is no room on the board, or it cannot be written to.
    """
    workers.install(find_device(name), wheels, on_progress)
    return status_of(name, workers=workers)


def _probed(limit_s: float, workers: Workers, status: DeviceStatus) -> DeviceStatus:
    """The status of a device after its board was asked for a sign of life."""
    if status.device is None:
        return status
    try:
        return replace(status, versions=workers.probe(status.device, timeout_s=limit_s), probed=True)
    except EdgebenchError as error:
        place = f"{error.where}: " if error.where else ""
        return replace(status, problem=f"{place}{error.what}", remedy=error.remedy, probed=True)


def status_of(name: str, *, ask: bool = True, workers: Workers = LOCAL) -> DeviceStatus:
    """Status of one device by name or path.

    Args:
        name: The device.
        ask: Whether its board is asked, if it has one.
        workers: Asks it.

    Raises:
        InputError: There is no such device.
    """
    device, note = None, None
    try:
        device = described_device(name)
        note = stands_in(Path(device.origin), "devices")
        require_trusted_device(device)
        reached = reached_by(device)
        if reached and not ask:
            return DeviceStatus(name=device.name, device=device, note=note, reached=reached, probed=False)
        seen = workers.look(device, meters=True) if runs_workers(device) else None
        versions = create_target(device).check() if seen is None else seen.versions
        return DeviceStatus(name=device.name, device=device, versions=versions, note=note, reached=reached, seen=seen)
    except EdgebenchError as error:
        if device is None and name not in device_names():
            raise
        problem = f"{error.where}: {error.what}" if error.where else error.what
        reached = "" if device is None else reached_by(device)
        return DeviceStatus(name=name, device=device, problem=problem, remedy=error.remedy, note=note, reached=reached)
