"""``edgebench lut front``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import (
    RESULTS,
    DtypesOption,
    MaxEnergyOption,
    MaxFlashOption,
    MaxLatencyOption,
    MaxRamOption,
    ResultsOption,
    SpaceArgument,
)
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report


def front(
    space: SpaceArgument,
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="A device with a table; repeatable.",
            autocompletion=completion.devices,
        ),
    ],
    max_latency: MaxLatencyOption = [],
    max_energy: MaxEnergyOption = [],
    max_ram: MaxRamOption = [],
    max_flash: MaxFlashOption = [],
    objective: Annotated[
        str,
        typer.Option(metavar="NAMES", help="macs and parameters are maximised, costs such as latency@host minimised."),
    ] = "",
    dtype: DtypesOption = [],
    top: Annotated[int, typer.Option("--top", min=1, help="Networks to print; programs get all.")] = 20,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Find the networks of a space that no other beats within limits.

    Nothing is trained: multiply-accumulates stand in for accuracy.
    """
    from edgebench.cli.compose import compose_devices, compose_dtypes
    from edgebench.cli.limits import compose_budget, compose_objectives
    from edgebench.cli.progress import progress_bar
    from edgebench.core.figure import ACCURACY
    from edgebench.errors import InputError
    from edgebench.flows.lut.opening import open_tables
    from edgebench.flows.profile.profile import ProfileProgress
    from edgebench.flows.search.request import margins
    from edgebench.flows.spaces import open_space
    from edgebench.reports.front import front_report
    from edgebench.reports.report import Report
    from edgebench.reports.search import infeasible_tables
    from edgebench.search.costs import cost_model, require_columns
    from edgebench.search.front import feasible_front
    from edgebench.search.infeasible import explain

    opened = open_space(space)
    devices = compose_devices(device, [], threads=None, optimization=None, tables=results)
    tables = open_tables(results, opened, devices, compose_dtypes(dtype, devices))
    limits = {"latency": max_latency, "energy": max_energy, "ram": max_ram, "flash": max_flash}
    budget = compose_budget(limits, tables)
    wanted = objective or ",".join(["macs", *(f"latency@{item.name}" for item in devices)])
    objectives = compose_objectives(wanted, devices)
    if ACCURACY in objectives:
        raise InputError(
            "nothing is trained here, so accuracy is unknown",
            where="--objective",
            remedy="use macs, parameters, or a cost",
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
    print_report(shown, "lut front", Format.JSON if json_ else format_)
    raise typer.Exit(0 if len(found.rows) else 1)
