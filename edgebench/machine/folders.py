"""Where a user's own files are, by the XDG base directory specification (version 0.8)."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(part: str) -> Path:
    """Where something is kept that can be recreated, such as compiled kernels.

    Args:
        part: What is kept there.
    """
    return _base("XDG_CACHE_HOME", ".cache") / part


def config_folder(part: str) -> Path:
    """Where a user's own files for all projects are, such as descriptions of devices.

    Args:
        part: What is kept there.
    """
    return _base("XDG_CONFIG_HOME", ".config") / part


def _base(variable: str, default: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    # The specification: a path that is not absolute is to be ignored.
    return (given if given.is_absolute() else Path.home() / default) / "edgebench"
