"""``edgebench history``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import RESULTS, OutputOption, ResultsOption
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report, write_content


def history(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="As reports call it, or its path, or zoo:NAME.", autocompletion=completion.models
        ),
    ],
    device: Annotated[
        str,
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Which device.",
            autocompletion=completion.devices,
        ),
    ] = "host",
    metric: Annotated[str, typer.Option(metavar="NAME", help="latency, energy, ram, flash, latency_p5_s, ...")] = (
        "latency"
    ),
    results: ResultsOption = RESULTS,
    output: OutputOption = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Show a figure over saved runs, and where its level changed.

    Only runs on the machine of the newest one, and with its options, are compared.
    """
    from edgebench.reports.history import history as find_history
    from edgebench.reports.history import history_report
    from edgebench.store.runs import RunStore

    store = RunStore(results)
    found = find_history([store.load(name) for name in store.names()], model, device, metric)
    if format_ is Format.HTML and not json_:
        from edgebench.reports.html.history import history_page

        write_content(history_page(found).encode(), output)
        return
    print_report(history_report(found), "history", Format.JSON if json_ else format_, output)
