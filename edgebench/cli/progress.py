"""The progress of long commands, on standard error: a bar for people, lines for logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from edgebench.flows.profile.profile import ProfileProgress
from edgebench.reports.visible import visible

_LOG_EVERY_S = 30.0


@contextmanager
def progress_bar() -> Iterator[Callable[[ProfileProgress], None]]:
    """A bar while the block runs; in a log, a line every half minute."""
    console = Console(stderr=True, emoji=False)
    if not console.is_terminal:
        yield _logged()
        return
    # The text is cut at the end of the line: a line that wraps would be drawn again and again.
    line = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    bar = Progress(
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TimeToGoColumn(),
        TextColumn("{task.description}", markup=False, table_column=line),
        console=console,
        transient=True,
        expand=True,
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda progress: bar.update(task, completed=progress.done, description=visible(progress.text))


class TimeToGoColumn(ProgressColumn):
    """The time that is left if the rest goes as what is done, once a twentieth is; it runs down between updates."""

    _least_done = 0.05

    def __init__(self) -> None:
        super().__init__()
        self._known: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._begun = 0.0

    def render(self, task: Task) -> Text:
        """The time, such as ``~0:01:20``."""
        elapsed, done = task.elapsed or 0.0, task.completed / (task.total or 1.0)
        if done < self._known[0]:
            # The next part of the work.
            self._begun, self._known = elapsed, (0.0, 0.0, 0.0)
        if done < self._least_done or done >= 1:
            return Text("")
        if done != self._known[0]:
            self._known = (done, elapsed, (elapsed - self._begun) * (1 - done) / done)
        _, since, left = self._known
        seconds = max(0, round(left - (elapsed - since)))
        return Text(f"~{timedelta(seconds=seconds)}", style="progress.remaining")


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
        yield lambda text: status.update(Text(visible(text)))


def _logged_lines() -> Callable[[str], None]:
    last = time.monotonic()

    def log(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_EVERY_S:
            last = time.monotonic()
            typer.echo(visible(text), err=True)

    return log
