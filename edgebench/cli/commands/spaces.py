"""``edgebench spaces``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Search spaces.", invoke_without_command=True)

NameArgument = Annotated[str, typer.Argument(metavar="SPACE", help="A search space, or the path of its file.")]


@app.callback()
def default(context: typer.Context, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List all search spaces."""
    if context.invoked_subcommand is None:
        list_spaces(format_, json_)


@app.command("list")
def list_spaces(format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List all search spaces: family, number of architectures, number of different blocks."""
    from edgebench.reports.spaces import spaces_report

    print_report(spaces_report(), Format.JSON if json_ else format_)


@app.command()
def show(
    space: NameArgument,
    architecture: Annotated[
        str | None, typer.Argument(metavar="[ARCHITECTURE]", help="One network, such as 11111221.")
    ] = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Show what can be chosen, and the smallest and the largest network; or what one network is."""
    from edgebench.reports.spaces import architecture_report, open_space, space_report

    opened = open_space(space)
    found = space_report(opened) if architecture is None else architecture_report(opened, architecture)
    print_report(found, Format.JSON if json_ else format_)


@app.command()
def sample(
    space: NameArgument,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100_000, help="Architectures to draw.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Draw random architectures."""
    from edgebench.reports.spaces import open_space, sample_report

    print_report(sample_report(open_space(space), count, seed), Format.JSON if json_ else format_)
