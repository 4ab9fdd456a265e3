"""The progress of long commands, on standard error: a bar for people, lines for logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from edgebench.flows.profile.profile import ProfileProgress

_LOG_EVERY_S = 30.0


@contextmanager
def progress_bar() -> Iterator[Callable[[ProfileProgress], None]]:
    """A bar while the block runs; in a log, a line every half minute."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        yield _logged()
        return
    bar = Progress(
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda progress: bar.update(task, completed=progress.done, description=progress.text)


def _logged() -> Callable[[ProfileProgress], None]:
    log = _logged_lines()
    return lambda progress: log(f"{progress.done:.0%} {progress.text}")


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """A line that says what happens while the block runs; in a log, a line every half minute."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        yield _logged_lines()
        return
    with console.status("starting") as status:
        yield lambda text: status.update(escape(text))


def _logged_lines() -> Callable[[str], None]:
    last = time.monotonic()

    def log(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_EVERY_S:
            last = time.monotonic()
            typer.echo(text, err=True)

    return log
