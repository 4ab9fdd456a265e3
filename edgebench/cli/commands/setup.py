"""``edgebench setup``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Optional parts that need their own Python environment.", no_args_is_help=True)


@app.command("list")
def list_environments(format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List the optional parts, and how much disk space they take."""
    from edgebench.flows.setup import environments
    from edgebench.reports.setup import setup_report

    print_report(setup_report(environments()), "setup list", Format.JSON if json_ else format_)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="The part to delete.")]) -> None:
    """Delete an optional part."""
    from edgebench.flows.setup import take_away

    typer.echo(take_away(name))


@app.command("litert-torch")
def litert_torch(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Install Google's converter of PyTorch models (2.2 GB).

    `--converter litert-torch` uses it.

    It gets its own environment in the cache folder. Run again, it resumes an incomplete installation, and
    repairs one that does not work.
    """
    _set_up("litert-torch", yes=yes)


def _set_up(name: str, *, yes: bool) -> None:
    from edgebench.cli.progress import status_line
    from edgebench.errors import InputError
    from edgebench.flows.setup import costs, set_up

    cost = costs(name)
    if cost is not None:
        typer.echo(cost, err=True)
        if not yes and not sys.stdin.isatty():
            raise InputError("this needs confirmation", remedy=f"edgebench setup {name} --yes")
        if not yes and not typer.confirm("Continue?", err=True):
            raise typer.Exit(2)
    with status_line() as told:
        done = set_up(name, told)
    typer.echo(done)
