"""``edgebench report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption, print_report


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Names, beginnings of names or files of runs; else the newest."),
    ] = None,
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs are saved.")] = Path("results"),
    explain: Annotated[
        bool, typer.Option("--explain", help="Trace every figure to its run, method and source.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the runs there are.")] = False,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to a file.")] = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Print saved runs as one comparable table."""
    from edgebench.reports import profiles as flow
    from edgebench.store.runs import RunStore

    store = RunStore(results)
    if list_:
        loaded = [store.load(name) for name in store.names()]
        print_report(flow.overview(loaded), Format.JSON if json_ else format_, output)
        return
    chosen = [store.load(reference) for reference in dict.fromkeys(runs)] if runs else [store.latest()]
    built = flow.explain(chosen) if explain else flow.report(chosen)
    print_report(built, Format.JSON if json_ else format_, output)
