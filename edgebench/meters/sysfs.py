"""Reads single values from the kernel's sysfs."""

from __future__ import annotations

from pathlib import Path

from edgebench.errors import TargetUnavailableError

_LONGEST = 64
"""Bytes; a number or a label is shorter."""


def read_integer(path: Path, *, remedy: str | None = None) -> int:
    """The whole number in a file.

    Args:
        path: A file below ``/sys``.
        remedy: What to do if the user has no permission to read it; by default, to grant it.

    Raises:
        TargetUnavailableError: The file is gone, forbidden, or contains no number.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST)
    except PermissionError as error:
        raise TargetUnavailableError(
            "only the administrator may read this sensor",
            where=str(path),
            remedy=remedy or f"run `sudo chmod a+r {path}`",
        ) from error
    except OSError as error:
        raise TargetUnavailableError(
            f"the sensor cannot be read: {error.strerror or error}",
            where=str(path),
            remedy="check that its driver is loaded and the sensor is connected",
        ) from error
    try:
        return int(text)
    except ValueError as error:
        raise TargetUnavailableError(
            f"the sensor returns {text.decode(errors='replace')!r} instead of a number", where=str(path)
        ) from error


def matching(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder that match a pattern; none if the folder is missing or closed to the user."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def read_label(path: Path) -> str:
    """The text in a file, or ``""`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="replace").strip()
    except OSError:
        return ""
