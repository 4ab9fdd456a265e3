"""The base of every type that is written to a file or sent to a child process."""

from __future__ import annotations

from typing import Any, ClassVar


class Record:
    """A frozen dataclass whose stored form refuses keys it does not know."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}
