"""``edgebench tasks``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli.options import SeedOption
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Tasks: the data that networks are trained and judged on.", invoke_without_command=True)

_TaskArgument = Annotated[
    str,
    typer.Argument(metavar="TASK", help="A name, an .npz file, a folder of images, or module:function."),
]


@app.callback()
def default(context: typer.Context, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """Tasks; lists them if no command is given."""
    if context.invoked_subcommand is None:
        list_tasks(format_, json_)


@app.command("list")
def list_tasks(format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List the tasks that have a name, and say how to give your own data."""
    from edgebench.reports.tasks import tasks_report
    from edgebench.tasks.registry import task_names

    print_report(tasks_report(task_names()), "tasks list", Format.JSON if json_ else format_)


@app.command()
def show(
    task: _TaskArgument, seed: SeedOption = 0, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False
) -> None:
    """Show what is in a task: shapes, splits, classes, guessing."""
    from edgebench.flows.tasks import look_at_task
    from edgebench.reports.tasks import task_report

    print_report(task_report(look_at_task(task, seed)), "tasks show", Format.JSON if json_ else format_)


@app.command()
def check(
    task: _TaskArgument, seed: SeedOption = 0, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False
) -> None:
    """Say whether data can be used as a task, or what to change.

    An .npz file has the arrays x and y, which are split, or x_train, y_train, x_test and y_test: images as
    [n, height, width, channels] of uint8 or floats from 0 to 1, labels as whole numbers from 0. A folder has one
    subfolder of images for each class, or train/ and test/ of such subfolders. A function takes nothing and returns
    (images, labels). Each sample has one class: regression, several labels a sample and detection are not supported.
    """
    show(task, seed, format_, json_)
