"""Everything edgebench says when it cannot do what was asked.

There is one root, caught once in ``edgebench.cli``. A message has three parts: what happened, where, and
what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class EdgebenchError(Exception):
    """Something went wrong that a user can act on.

    Args:
        what: One sentence: what happened.
        where: File, key, line, model or device it concerns.
        remedy: What to do next, as a sentence or a command.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.what}{advice}"


class InputError(EdgebenchError):
    """The user's input is wrong: an option, a file, a limit."""


class LimitError(EdgebenchError):
    """A limit or a baseline is broken."""

    exit_code = 1


class UnavailableError(EdgebenchError):
    """Something that was requested is not available here."""

    exit_code = 3


class TargetUnavailableError(UnavailableError):
    """A target cannot run here: a package, a library or a board is missing."""


class MissingPackageError(UnavailableError):
    """A Python package is missing that does not belong to one target."""


class UnsupportedModelError(EdgebenchError):
    """The model is valid, but this target cannot run it.

    Args:
        what: One sentence: what happened.
        operators: The operators that the target does not support, if that is the reason.
        where: Model and device.
        remedy: What to do next.
    """

    def __init__(
        self,
        what: str,
        *,
        operators: tuple[str, ...] = (),
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.operators = operators


class NotComparableError(EdgebenchError):
    """A comparison of two numbers that are not comparable, or a verdict that cannot be decided."""

    exit_code = 4


class StorageError(EdgebenchError):
    """A result could not be written or read: a full disk, a read-only folder, a damaged file."""
