"""What the file of a search space says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceDescription:
    """What a space's file says.

    Attributes:
        name: Of the space.
        family: Code that reads the options.
        description: One line.
        options: Settings of the family.
        origin: File it was read from.
    """

    name: str
    family: str
    description: str
    options: Mapping[str, Any]
    origin: str = ""
