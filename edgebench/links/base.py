"""The seam between edgebench and the place where a child runs: bytes and lifetime, no meaning.

A message is a line: it contains no line break, and the link adds and removes the one that ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgebench.errors import EdgebenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a child.

    Attributes:
        message_bytes: Longest message in either direction, without the line break.
        memory_bytes: Data that the child may allocate, or None for no limit. Only some places can enforce it.
    """

    message_bytes: int
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a child ended.

    Attributes:
        exit_code: What it returned, or None if it did not end by itself.
        signal: Name of the signal that killed it, such as ``SIGSEGV``, or None.
        last_words: The last line that it wrote to standard error; printable characters only.

    Without exit code and signal, it had not ended but stopped answering; then the link has ended it.
    """

    exit_code: int | None = None
    signal: str | None = None
    last_words: str = ""


class LinkError(EdgebenchError):
    """A child cannot be started, or its link does not work."""


class NoProgramError(LinkError):
    """The place where the child was to run has no such program."""


class LinkTimeoutError(LinkError):
    """No complete message has arrived in time. The child is still alive, and its message may still arrive."""


class MessageTooLongError(LinkError):
    """The child sent more than the longest message; it has been ended."""


class LinkClosedError(LinkError):
    """Nothing will arrive any more.

    Attributes:
        ending: How the child ended.
    """

    def __init__(self, what: str, ending: Ending) -> None:
        super().__init__(what)
        self.ending = ending


class Link(Protocol):
    """Starts one child somewhere, carries its messages and ends it. One thread uses it at a time."""

    def start(self, command: Sequence[str], limits: Limits) -> None:
        """Start the child; called once. Its limits apply before the first message reaches it.

        Args:
            command: Program and arguments, as they are spelled there; they pass through no shell.
            limits: The limits of the child.

        Raises:
            LinkError: It cannot be started. A link that learns this later reports it in ``receive``.
        """

    def send(self, message: bytes) -> None:
        """Hand over a message without waiting: what the child does not take at once is sent in ``receive``.

        Only ``receive`` reports whether the child is still alive.

        Raises:
            ValueError: The message contains a line break, or is longer than the limit.
        """

    def receive(self, timeout_s: float) -> bytes:
        """Wait for the next message. What arrived before the child ended is delivered before its end is reported.

        Raises:
            LinkTimeoutError: None has arrived in time.
            MessageTooLongError: More than the longest message has arrived without an end of line.
            LinkClosedError: The child has ended, has closed its output, or ``close`` was called.
        """

    def close(self) -> None:
        """End the child and all that it started there. May be called again, and before ``start``."""
