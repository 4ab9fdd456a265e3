"""Finds installed packages without importing them."""

from __future__ import annotations

from importlib import metadata

from edgebench.errors import TargetUnavailableError


def package_version(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def require_package(name: str, *, remedy: str | None = None) -> str:
    """Version of an installed distribution.

    Raises:
        TargetUnavailableError: It is not installed; the remedy is a ``pip install`` line.
    """
    version = package_version(name)
    if version is None:
        raise TargetUnavailableError(f"{name} is not installed", remedy=remedy or f"pip install {name}")
    return version
