"""The note about multiply-accumulates that are not counted."""

from __future__ import annotations

from collections.abc import Sequence

_NOT_COUNTED = "MACs do not include "


def not_counted(operators: str) -> str:
    """The note that names operators that multiply and are not in the count."""
    return f"{_NOT_COUNTED}{operators}"


def is_partial(notes: Sequence[str]) -> bool:
    """Whether notes include such a note."""
    return any(note.startswith(_NOT_COUNTED) for note in notes)
