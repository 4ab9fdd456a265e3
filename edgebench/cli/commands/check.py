"""``edgebench check``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import (
    CalibrationOption,
    ConverterOption,
    ShapeOption,
    SignatureOption,
    TargetOption,
)
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report
from edgebench.core.model import Converter


def check(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Model files, folders of them, module:function, or zoo:NAME.",
            autocompletion=completion.models,
        ),
    ],
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device; repeatable. By default, one of each kind.",
            autocompletion=completion.devices,
        ),
    ] = None,
    shape: ShapeOption = [],
    calibration: CalibrationOption = None,
    signature: SignatureOption = None,
    converter: ConverterOption = Converter.EDGEBENCH,
    option: TargetOption = [],
    time_limit: Annotated[str, typer.Option(help="Time for each step of each model.")] = "60s",
    memory_limit: Annotated[
        str | None, typer.Option(help="Memory for each process; by default, four fifths of what is free.")
    ] = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """See what is in a model file, and which devices run it.

    Nothing is measured: the model is converted, quantised and compiled as a profile would do it, which takes
    seconds. Operators that a device does not run are listed with the reason and what helps. A folder gives one line
    per file and a count of the operators that are in the way.
    """
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_plan
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.check import DEVICES, CheckRequest, find_models
    from edgebench.flows.check import check as check_models
    from edgebench.reports.check import check_report, exit_code

    request = CheckRequest(
        models=find_models(models),
        devices=compose_devices(device or DEVICES, option, threads=None, optimization=None),
        plan=compose_plan(repetitions=1, time_limit=time_limit, goal="2%", memory_limit=memory_limit, layers=False),
        inputs=compose_inputs(shape, None, 0, calibration, signature, converter),
        only_fitting=not device,
    )
    with progress_bar() as progress:
        found = check_models(request, on_progress=progress)
    print_report(check_report(found), "check", Format.JSON if json_ else format_)
    raise typer.Exit(exit_code(found))
