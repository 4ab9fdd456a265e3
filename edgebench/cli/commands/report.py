"""``edgebench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli.options import RESULTS, OutputOption, ResultsOption
from edgebench.cli.output import DetailsOption, Format, FormatOption, JsonOption, print_report


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Names, name prefixes or files of runs; by default, the newest."),
    ] = None,
    results: ResultsOption = RESULTS,
    explain: Annotated[
        bool, typer.Option("--explain", help="Trace every figure to its run, method and source.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="The same as `edgebench runs list`.", hidden=True)] = False,
    output: OutputOption = None,
    details: DetailsOption = False,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Print saved runs as one comparable table."""
    from edgebench.reports import profiles
    from edgebench.reports import runs as stored
    from edgebench.store.runs import RunStore

    if list_:
        print_runs(results, Format.JSON if json_ else format_, output)
        return
    store = RunStore(results)
    chosen = [store.load(reference) for reference in dict.fromkeys(runs)] if runs else [store.latest()]
    built = stored.explain(chosen) if explain else profiles.report(chosen)
    print_report(built, "report", Format.JSON if json_ else format_, output, details=details)


def print_runs(results: Path, format_: Format, output: Path | None = None) -> None:
    """List the runs in a results folder."""
    from edgebench.reports.runs import overview
    from edgebench.store.runs import RunStore

    store = RunStore(results)
    print_report(overview([store.load(name) for name in store.names()]), "runs list", format_, output)
