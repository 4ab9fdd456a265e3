"""Nearest names for a name that was mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 100
"""Matching is quadratic in the length of a name, and names come from files that anyone may have written."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Names that ``name`` may have been meant to be, as a question for a message.

    Args:
        name: What was typed; its case does not matter.
        known: Names that would have been right.

    Returns:
        ``did you mean 'x'?`` with up to three names, the nearest first, or ``""`` if none is near.
    """
    spellings = {candidate.lower(): candidate for candidate in known}
    nearest = get_close_matches(name[:_LONGEST].lower(), spellings, n=3)
    if not nearest:
        return ""
    return f"did you mean {' or '.join(repr(spellings[match]) for match in nearest)}?"
