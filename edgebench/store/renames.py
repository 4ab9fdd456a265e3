"""Old names in files written before the names changed, so that old files still open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OPTIONS: Mapping[tuple[str, str], str] = {("ethos-u", "optimise"): "optimization"}
"""By target and old name of an option, its new name."""


def present_options(target: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a target under their current names."""
    return {_OPTIONS.get((target, name), name): value for name, value in options.items()}
