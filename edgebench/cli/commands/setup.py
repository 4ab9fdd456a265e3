"""``edgebench setup``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Optional parts that need a Python environment of their own.", no_args_is_help=True)


@app.command("list")
def list_environments(format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List the optional parts: what is there, and what it takes on the disk."""
    from edgebench.flows.setup import environments
    from edgebench.reports.setup import setup_report

    print_report(setup_report(environments()), "setup list", Format.JSON if json_ else format_)


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="Which part.")]) -> None:
    """Delete an optional part."""
    from edgebench.flows.setup import take_away

    typer.echo(take_away(name))


@app.command("litert-torch")
def litert_torch(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, whatever it costs.")] = False,
) -> None:
    """Install Google's converter of PyTorch models, for --converter litert-torch; 2.2 GB.

    It gets an environment of its own in the cache folder. Run again, it goes on with one that is half-made, and
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
            raise InputError("this is not done without being asked for", remedy=f"edgebench setup {name} --yes")
        if not yes and not typer.confirm("Go on?", err=True):
            raise typer.Exit(2)
    with status_line() as told:
        done = set_up(name, told)
    typer.echo(done)
