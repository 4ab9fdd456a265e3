"""``edgebench compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import (
    RESULTS,
    CalibrationOption,
    OutputOption,
    ResultsOption,
    SeedOption,
    ShapeOption,
    TargetOption,
    ThreadsOption,
)
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report


def compare(
    things: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C...]", help="Runs, or model files, or files of git revisions such as HEAD~1:model.onnx."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="FILE", help="What is given are git revisions, and this is the file.")
    ] = None,
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device to compare files on; repeatable.",
            autocompletion=completion.devices,
        ),
    ] = ["host"],
    pairs: Annotated[int, typer.Option(min=2, help="Pairs of fresh processes, for figures that are measured.")] = 8,
    force: Annotated[bool, typer.Option("--force", help="Show ratios of what cannot be compared, marked.")] = False,
    shape: ShapeOption = [],
    calibration: CalibrationOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    option: TargetOption = [],
    time_limit: Annotated[str, typer.Option(help="Time for each step of each model.")] = "60s",
    results: ResultsOption = RESULTS,
    output: OutputOption = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Compare runs, files or git revisions with the first of them.

    Files are measured now, in turn in fresh processes. Runs are compared as they are stored; where the machine, the
    versions or the options differ, the answer is why they cannot be compared. The exit code is 4 then, and 0 otherwise.
    """
    from edgebench.cli.comparing import compared
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_plan
    from edgebench.cli.progress import progress_bar
    from edgebench.reports.compare import compare_report

    plan = compose_plan(repetitions=1, time_limit=time_limit, goal="2%", memory_limit=None, layers=False)
    with progress_bar() as progress:
        ratios = compared(
            things,
            compose_devices(device, option, threads=threads, optimization=None),
            model=model,
            pairs=pairs,
            plan=plan,
            inputs=compose_inputs(shape, None, seed, calibration),
            force=force,
            results=results,
            on_progress=progress,
        )
    print_report(compare_report(ratios), "compare", Format.JSON if json_ else format_, output)
    raise typer.Exit(4 if any(ratio.reason and not ratio.forced for ratio in ratios) else 0)
