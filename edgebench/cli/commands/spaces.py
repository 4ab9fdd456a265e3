"""``edgebench spaces``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli.options import SeedOption, SpaceArgument
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Search spaces.", invoke_without_command=True)


@app.callback()
def default(context: typer.Context, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """Search spaces; lists them if no command is given."""
    if context.invoked_subcommand is None:
        list_spaces(format_, json_)


@app.command("list")
def list_spaces(format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List all search spaces: family, architectures, distinct blocks."""
    from edgebench.flows.spaces import all_spaces
    from edgebench.reports.spaces import spaces_report

    print_report(spaces_report(all_spaces()), "spaces list", Format.JSON if json_ else format_)


@app.command()
def show(
    space: SpaceArgument,
    architecture: Annotated[
        str | None, typer.Argument(metavar="[ARCHITECTURE]", help="One network, such as 11111221.")
    ] = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Show what a space can choose, or the blocks of one network."""
    from edgebench.flows.spaces import open_space
    from edgebench.reports.spaces import architecture_report, space_report

    opened = open_space(space)
    found = space_report(opened) if architecture is None else architecture_report(opened, architecture)
    print_report(found, "spaces show", Format.JSON if json_ else format_)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new space.")],
    from_: Annotated[str, typer.Option("--from", metavar="SPACE", help="Space to start from.")] = "mobile",
    task: Annotated[
        str | None, typer.Option("--task", metavar="TASK", help="Take image size, channels and classes from this data.")
    ] = None,
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write it.")] = Path("search_spaces"),
) -> None:
    """Write a commented space file to start from.

    With a task it takes the size and channels of the images, and the number of classes, from there.
    """
    from edgebench.flows.spaces import open_space
    from edgebench.flows.tasks import look_at_task
    from edgebench.store.space_copies import write_space_copy

    facts = None if task is None else look_at_task(task, 0)
    shape, classes = (None, None) if facts is None else (facts.input_shape, facts.classes)
    path = write_space_copy(name, from_, folder, shape=shape, classes=classes)
    opened = open_space(str(path))
    typer.echo(
        f"written: {path} ({opened.size:,} architectures)\nnext: edgebench spaces show {name}; "
        f"edgebench lut build {name} -d host"
    )


@app.command()
def sample(
    space: SpaceArgument,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100_000, help="Architectures to draw.")] = 5,
    seed: SeedOption = 0,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Draw random architectures."""
    from edgebench.flows.spaces import open_space
    from edgebench.reports.spaces import sample_report

    report = sample_report(open_space(space), count, seed)
    print_report(report, "spaces sample", Format.JSON if json_ else format_)
