"""``edgebench runs``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.commands.report import ReportFormat, ReportFormatOption, print_runs, report
from edgebench.cli.options import RESULTS, ResultsOption
from edgebench.cli.output import DetailsOption, Format, FormatOption, JsonOption

app = typer.Typer(help="Saved runs.", invoke_without_command=True)


@app.callback()
def default(
    context: typer.Context,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Saved runs; lists them if no command is given."""
    if context.invoked_subcommand is None:
        print_runs(results, Format.JSON if json_ else format_)


@app.command("list")
def list_runs(
    results: ResultsOption = RESULTS, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False
) -> None:
    """List all runs: when they ran, what they profiled."""
    print_runs(results, Format.JSON if json_ else format_)


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Name, name prefix or file of a run.",
            autocompletion=completion.runs,
        ),
    ],
    results: ResultsOption = RESULTS,
    details: DetailsOption = False,
    format_: ReportFormatOption = ReportFormat.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Print one run; the same as `edgebench report RUN`."""
    report([run], results=results, details=details, format_=format_, json_=json_)
