"""What is said when the user ends a long command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer


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
        command = again or shlex.join(["edgebench", *sys.argv[1:]])
        typer.echo(f"\ninterrupted: {saved}\n  go on: {command}", err=True)
        raise
