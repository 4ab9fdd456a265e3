"""``edgebench gate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import (
    CLUSTER_WAIT,
    RESULTS,
    CalibrationOption,
    ClusterOption,
    ClusterWaitOption,
    ConverterOption,
    OutputOption,
    ResultsOption,
    SeedOption,
    ShapeOption,
    SignatureOption,
    TargetOption,
    ThreadsOption,
)
from edgebench.cli.output import (
    DetailsOption,
    Format,
    FormatOption,
    JsonOption,
    ReportsOption,
    print_report,
    report_formats,
    write_reports,
)
from edgebench.core.model import Converter


def gate(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help="Model files, or zoo:NAME; by default, those of the baseline.",
            autocompletion=completion.models,
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Hold models to this baseline: a name, or its file.")
    ] = None,
    baseline_model: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="Compare with this model; one for all, or one for each in order."),
    ] = [],
    baseline_ref: Annotated[
        str | None, typer.Option(metavar="REVISION", help="Compare with the same files at a git revision.")
    ] = None,
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device; repeatable. By default, those of the baseline.",
            autocompletion=completion.devices,
        ),
    ] = [],
    limit: Annotated[
        list[str],
        typer.Option(metavar="LIMIT", help='Such as "latency 2%", "flash 4KB", "latency@host <= 50ms"; repeatable.'),
    ] = [],
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="Images to measure accuracy on; see `edgebench search`.")
    ] = None,
    shape: ShapeOption = [],
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Inputs to use instead of random ones.")
    ] = None,
    calibration: CalibrationOption = None,
    signature: SignatureOption = None,
    converter: ConverterOption = Converter.EDGEBENCH,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    option: TargetOption = [],
    time_limit: Annotated[str, typer.Option(help="Total time for each model on each device.")] = "120s",
    memory_limit: Annotated[
        str | None, typer.Option(help="Memory for each process; by default, four fifths of what is free.")
    ] = None,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Pass what the measurement could not decide.")
    ] = False,
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    results: ResultsOption = RESULTS,
    details: DetailsOption = False,
    reports: ReportsOption = [],
    output: OutputOption = None,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Hold models to a baseline.

    The exit code is 0 only if everything was measured and passed.

    Measured figures: baseline and candidate run in turn in fresh processes on this machine, and the ratio decides, so
    that no quiet machine is needed. Exact, simulated and estimated figures are compared with those in the baseline.
    Exit codes: 1 regressed or over a limit, 2 wrong input, 3 a target is missing, 4 not decided, compared or measured.
    """
    from edgebench.cli.clustering import devices_of
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_plan
    from edgebench.cli.gating import gate_request
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.gate.gate import gate as run_gate
    from edgebench.gate.verdict import exit_code
    from edgebench.reports.gate import gate_report

    files = report_formats(reports)
    plan = compose_plan(repetitions=1, time_limit=time_limit, goal="2%", memory_limit=memory_limit, layers=False)
    with (
        devices_of(cluster, cluster_wait) as place,
        gate_request(
            models or [],
            compose_devices(device, option, threads=threads, optimization=None, find=place.find),
            baseline=baseline,
            files=baseline_model,
            revision=baseline_ref,
            limits=limit,
            task=task,
            plan=plan,
            inputs=compose_inputs(shape, inputs, seed, calibration, signature, converter),
            results=results,
            find=place.find,
        ) as request,
        progress_bar() as progress,
    ):
        result = run_gate(request, on_progress=progress, workers=place.workers)
    report = gate_report(result, allow_inconclusive=allow_inconclusive)
    print_report(report, "gate", Format.JSON if json_ else format_, output, details=details)
    write_reports(report, "gate", files)
    raise typer.Exit(exit_code(result.findings, allow_inconclusive=allow_inconclusive))
