"""The seam between edgebench and the place where a child runs: bytes and life, no meaning.

A message is a line: it holds no line break, and the link adds and removes the one that ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgebench.errors import EdgebenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may take.

    Attributes:
        message_bytes: Longest message in either direction, without the line break.
        memory_bytes: Data that the child may allocate, or None for no bound. Only some places can enforce it.
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

    Without exit code and signal, it had not ended, but stopped talking; the link has ended it then.
    """

    exit_code: int | None = None
    signal: str | None = None
    last_words: str = ""


class LinkError(EdgebenchError):
    """A child cannot be started, or its link does not work."""


class LinkTimeoutError(LinkError):
    """No whole message has come in time. The child lives on, and its message may still come."""


class MessageTooLongError(LinkError):
    """The child sent more than a message may hold; it has been ended."""


class LinkClosedError(LinkError):
    """Nothing will come any more.

    Attributes:
        ending: How the child ended.
    """

    def __init__(self, what: str, ending: Ending) -> None:
        super().__init__(what)
        self.ending = ending


class Link(Protocol):
    """Starts one child somewhere, carries its messages and ends it. One thread uses it at a time."""

    def start(self, command: Sequence[str], limits: Limits) -> None:
        """Start the child; called once. Its limits hold before the first message reaches it.

        Args:
            command: Program and arguments, as they are spelled there; no shell reads them.
            limits: What it may take.

        Raises:
            LinkError: It cannot be started. A link that learns this late says so in ``receive``.
        """

    def send(self, message: bytes) -> None:
        """Hand over a message, without waiting: what the child does not take at once is sent in ``receive``.

        Whether the child is still there is told by ``receive`` only.

        Raises:
            ValueError: The message holds a line break, or is longer than the limit.
        """

    def receive(self, timeout_s: float) -> bytes:
        """Wait for the next message. What came before the child ended is delivered before its end is told.

        Raises:
            LinkTimeoutError: None has come in time.
            MessageTooLongError: More than a message's bytes have come without an end of line.
            LinkClosedError: The child has ended, has closed its output, or ``close`` was called.
        """

    def close(self) -> None:
        """End the child and all that it started there. May be called again, and before ``start``."""
