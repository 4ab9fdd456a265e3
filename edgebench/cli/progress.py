"""The progress bar of long commands: on standard error, and only for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from edgebench.flows.profile import ProfileProgress


@contextmanager
def progress_bar() -> Iterator[Callable[[ProfileProgress], None]]:
    """A bar while the block runs; nothing where standard error is not a terminal."""
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda progress: bar.update(task, completed=progress.done, description=progress.text)
