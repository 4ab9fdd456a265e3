"""``edgebench lut front``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption, print_report


def front(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A search space, or the path of its file.")],
    device: Annotated[
        list[str], typer.Option("--device", "-d", metavar="NAME", help="A device with a table; repeat for more.")
    ],
    max_latency: Annotated[list[str], typer.Option(metavar="[DEVICE=]50ms", help="Limit of latency.")] = [],
    max_energy: Annotated[list[str], typer.Option(metavar="[DEVICE=]2mJ", help="Limit of energy.")] = [],
    max_ram: Annotated[list[str], typer.Option(metavar="[DEVICE=]128KB", help="Limit of RAM.")] = [],
    max_flash: Annotated[list[str], typer.Option(metavar="[DEVICE=]512KB", help="Limit of flash.")] = [],
    objective: Annotated[
        str,
        typer.Option(metavar="NAMES", help="macs and parameters are maximised, costs such as latency@host minimised."),
    ] = "",
    dtype: Annotated[
        list[str], typer.Option(metavar="[DEVICE=]TYPE", help="float32 or int8; what the device takes if not given.")
    ] = [],
    top: Annotated[int, typer.Option("--top", min=1, help="Networks to print; programs get all.")] = 20,
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Where tables are saved.")] = Path("results"),
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Look at every network of a space: which hold the limits, and which of those no other beats.

    Nothing is trained: multiply-accumulates stand for accuracy.
    """
    from edgebench.cli.compose import compose_devices
    from edgebench.cli.limits import compose_budget, compose_objectives
    from edgebench.cli.progress import progress_bar
    from edgebench.errors import InputError
    from edgebench.flows.lut.opening import load_tables
    from edgebench.flows.profile.profile import ProfileProgress
    from edgebench.flows.search.request import margins
    from edgebench.reports.report import Report
    from edgebench.reports.search import infeasible_tables
    from edgebench.reports.spaces import open_space
    from edgebench.search.costs import cost_model, require_columns
    from edgebench.search.front import feasible_front, front_report
    from edgebench.search.infeasible import explain

    opened = open_space(space)
    devices = compose_devices(device, [], threads=None, optimization=None)
    tables = load_tables(results, opened, devices, dtype)
    limits = {
        "--max-latency": max_latency,
        "--max-energy": max_energy,
        "--max-ram": max_ram,
        "--max-flash": max_flash,
    }
    budget = compose_budget(limits, tables, min_accuracy=None, max_accuracy_drop=None)
    wanted = objective or ",".join(["macs", *(f"latency@{item.name}" for item in devices)])
    objectives = compose_objectives(wanted, devices)
    if "accuracy" in objectives:
        raise InputError(
            "nothing is trained here: accuracy is not known", where="--objective", remedy="macs, parameters, or a cost"
        )
    model = cost_model(opened, tables)
    require_columns([*(limit.column for limit in budget.limits), *objectives], model, opened.name)
    safe = margins(budget.limits, tables)
    with progress_bar() as progress:
        found = feasible_front(
            opened,
            model,
            budget.limits,
            safe,
            objectives,
            lambda share: progress(ProfileProgress(done=share, text=f"of {opened.combinations:,} networks")),
        )
    if len(found.rows):
        columns = list(dict.fromkeys([*objectives, *(limit.column for limit in budget.limits)]))
        shown = front_report(found, opened, model, tables, columns=columns, shown=top)
    else:
        shown = Report(tables=tuple(infeasible_tables(explain(opened, model, budget.limits, safe, seed=0))))
    print_report(shown, Format.JSON if json_ else format_)
    raise typer.Exit(0 if len(found.rows) else 1)
