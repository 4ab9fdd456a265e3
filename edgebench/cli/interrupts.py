"""What is said when the user ends a long command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

was_told = False
"""Whether it was said that the command was interrupted."""


def tell(saved: str, again: str) -> None:
    """Say that the command was interrupted.

    Args:
        saved: What is saved.
        again: The command that goes on.
    """
    global was_told  # noqa: PLW0603 - one command a process
    was_told = True
    typer.echo(f"\ninterrupted: {saved}\n  go on: {again}", err=True)


@contextmanager
def goes_on(saved: str, *, again: str = "") -> Iterator[None]:
    """On an interrupt, say what is saved and which command goes on.

    Args:
        saved: What is saved.
        again: The command; by default, the same as now.
    """
    try:
        yield
    except KeyboardInterrupt:
        tell(saved, again or shlex.join(["edgebench", *sys.argv[1:]]))
        raise
