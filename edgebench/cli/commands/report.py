"""``edgebench report``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli.options import RESULTS, OutputOption, ResultsOption
from edgebench.cli.output import DetailsOption, Format, JsonOption, print_report, write_content
from edgebench.errors import InputError

if TYPE_CHECKING:
    from edgebench.core.run import Run


class ReportFormat(StrEnum):
    """Ways to render runs: those of every report, their charts, and data for other programs."""

    TERMINAL = "rich"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    HTML = "html"
    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    MODEL_EXPLORER = "model-explorer"


_DRAWN = {ReportFormat.SVG, ReportFormat.PNG, ReportFormat.PDF}
_ENDINGS = {ReportFormat.MODEL_EXPLORER: "nodes.json"}

ReportFormatOption = Annotated[
    ReportFormat, typer.Option("--format", "-f", help="html is one page with charts; svg, png and pdf one chart.")
]


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN...]", help="Names, name prefixes, labels or files of runs; by default, the newest."
        ),
    ] = None,
    results: ResultsOption = RESULTS,
    explain: Annotated[
        bool, typer.Option("--explain", help="Trace every figure to its run, method and source.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="The same as `edgebench runs list`.", hidden=True)] = False,
    output: OutputOption = None,
    details: DetailsOption = False,
    chart: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which chart to draw, such as latency:MODEL@DEVICE.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Write a page and open it in the browser.")] = False,
    format_: ReportFormatOption = ReportFormat.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Print saved runs as one table, or as a page with charts."""
    from edgebench.reports import profiles
    from edgebench.reports import runs as stored
    from edgebench.store.runs import RunStore

    form = ReportFormat.JSON if json_ else format_
    if open_ and form is ReportFormat.TERMINAL:
        form = ReportFormat.HTML
    if open_ and form is not ReportFormat.HTML:
        raise InputError(f"--open shows a page, not {form}", remedy="use --format html")
    if list_:
        print_runs(results, Format(form), output)
        return
    store = RunStore(results)
    chosen = [store.load(reference) for reference in dict.fromkeys(runs)] if runs else [store.latest()]
    if form.value in {item.value for item in Format} and (explain or form is not ReportFormat.HTML):
        built = stored.explain(chosen) if explain else profiles.report(chosen)
        print_report(built, "report", Format(form), output, details=details)
        return
    name = chosen[0].name if len(chosen) == 1 else f"{chosen[0].name}-and-{len(chosen) - 1}-more"
    own = results / "reports" / f"{name}.{_ENDINGS.get(form, form.value)}"
    # A page or a picture is useless on a terminal.
    place = output if output is not None or not (open_ or sys.stdout.isatty()) else own
    write_content(_content(chosen, form, chart), place)
    if place is not None:
        typer.echo(f"written: {place}", err=True)
    if open_ and place is not None:
        import webbrowser

        webbrowser.open(place.resolve().as_uri())


def print_runs(results: Path, format_: Format, output: Path | None = None) -> None:
    """List the runs in a results folder."""
    from edgebench.reports.runs import overview
    from edgebench.store.runs import RunStore

    print_report(overview(*RunStore(results).summaries()), "runs list", format_, output)


def _content(runs: list[Run], form: ReportFormat, chart: str | None) -> bytes:
    if form is ReportFormat.HTML:
        from edgebench.reports.html.runs import runs_page

        return runs_page(runs).encode()
    if form is ReportFormat.MODEL_EXPLORER:
        from edgebench.reports.html.node_data import node_data

        return node_data(runs, chart).encode()
    from edgebench.reports.html.drawing import chosen_chart, image
    from edgebench.reports.html.figures import run_charts

    return image(chosen_chart(run_charts(runs), chart), form.value)
