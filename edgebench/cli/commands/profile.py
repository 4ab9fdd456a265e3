"""``edgebench profile``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.interrupts import tell
from edgebench.cli.options import (
    CLUSTER_WAIT,
    RESULTS,
    CalibrationOption,
    ClusterOption,
    ClusterWaitOption,
    ConverterOption,
    LabelOption,
    MaxEnergyOption,
    MaxFlashOption,
    MaxLatencyOption,
    MaxRamOption,
    OldTargetOption,
    ResultsOption,
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
    report_formats,
    write_reports,
)
from edgebench.core.model import Converter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgebench.core.run import Run
    from edgebench.flows.recording import RecordedRun
    from edgebench.gate.verdict import Finding
    from edgebench.reports.report import Report


def profile(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Model files, module:function of PyTorch, or zoo:NAME.",
            autocompletion=completion.models,
        ),
    ],
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device to profile on; repeatable.",
            autocompletion=completion.devices,
        ),
    ] = ["host"],
    shape: ShapeOption = [],
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Inputs to use instead of random ones.")
    ] = None,
    calibration: CalibrationOption = None,
    signature: SignatureOption = None,
    converter: ConverterOption = Converter.EDGEBENCH,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random inputs and of built-in networks.")] = 0,
    threads: ThreadsOption = None,
    optimization: Annotated[str | None, typer.Option(help="Optimisation level, for targets that have levels.")] = None,
    option: TargetOption = [],
    old_option: OldTargetOption = [],
    repetitions: Annotated[int, typer.Option(min=1, help="Minimum number of fresh processes.")] = 5,
    goal: Annotated[str, typer.Option(help="Stop when the median's 95 % interval is narrower than this.")] = "2%",
    time_limit: Annotated[str, typer.Option(help="Total time for each model on each device.")] = "60s",
    memory_limit: Annotated[
        str | None, typer.Option(help="Memory for each process; by default, four fifths of what is free.")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show the share of each operator.")] = False,
    max_latency: MaxLatencyOption = [],
    max_energy: MaxEnergyOption = [],
    max_ram: MaxRamOption = [],
    max_flash: MaxFlashOption = [],
    label: LabelOption = "",
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    results: ResultsOption = RESULTS,
    details: DetailsOption = False,
    reports: ReportsOption = [],
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Measure, simulate or estimate models on devices.

    Each figure says which of these it is. Several models and devices are measured in turn, so that all see
    the machine in the same state; every run is saved. With a limit such as --max-latency host=50ms the exit code is 0
    only if every figure that is limited was measured and meets its limit: 1 over a limit, 4 not measured or decided.
    """
    from edgebench.cli.clustering import devices_of
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_label, compose_plan
    from edgebench.cli.gating import compose_ceilings
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.flows.recording import record_profiles
    from edgebench.gate.ceilings import profile_findings
    from edgebench.store.runs import RunStore

    files = report_formats(reports)
    plan = compose_plan(
        repetitions=repetitions, time_limit=time_limit, goal=goal, memory_limit=memory_limit, layers=layers
    )
    source = compose_inputs(shape, inputs, seed, calibration, signature, converter)
    options = [*option, *old_option]
    typed = {"latency": max_latency, "energy": max_energy, "ram": max_ram, "flash": max_flash}
    command = ("edgebench", *sys.argv[1:])
    with devices_of(cluster, cluster_wait) as place:
        devices = compose_devices(device, options, threads=threads, optimization=optimization, find=place.find)
        limits = compose_ceilings(typed, devices)
        request = ProfileRequest(models=list(dict.fromkeys(models)), devices=devices, plan=plan, inputs=source)
        with progress_bar() as progress:
            recorded = record_profiles(
                request,
                RunStore(results),
                command=command,
                label=compose_label(label),
                on_progress=progress,
                workers=place.workers,
            )
    findings = profile_findings(recorded.run.profiles, limits)
    shown = _report(recorded, findings)
    _show(shown, recorded, Format.JSON if json_ else format_, details=details)
    write_reports(shown, "profile", files)
    if recorded.unsaved:
        raise recorded.unsaved
    if recorded.interrupted:
        tell(f"{len(recorded.run.profiles)} profiles are in the run", shlex.join(command))
    raise typer.Exit(130 if recorded.interrupted else _exit_code(recorded.run, findings))


def _report(recorded: RecordedRun, findings: Sequence[Finding]) -> Report:
    from edgebench.reports.gate import with_limits
    from edgebench.reports.profiles import report

    sources = {profile.model.name: profile.model.source for profile in recorded.run.profiles}
    return with_limits(report([recorded.run]), findings, sources)


def _show(shown: Report, recorded: RecordedRun, format_: Format, *, details: bool) -> None:
    from edgebench.cli.output import print_report

    print_report(shown, "profile", format_, details=details)
    if format_ in {Format.TERMINAL, Format.GITHUB} and recorded.path is not None:
        more = "" if details or shown == shown.brief() else f"; all details: edgebench report {_hint(recorded)}"
        typer.echo(f"\nsaved: {recorded.path}{more}")


def _hint(recorded: RecordedRun) -> str:
    """The arguments of ``report`` that show this run with its details."""
    folder = recorded.path.parent.parent if recorded.path else RESULTS
    place = "" if folder == RESULTS else f" --results {folder}"
    return f"{recorded.run.name} --details{place}"


def _exit_code(run: Run, findings: Sequence[Finding]) -> int:
    """0 if every profile has its numbers and fits; else 3 if a target is missing, 2 if a model does not run.

    4 where an interval is so wide that it decides nothing. With limits, 1 if one is not met, and 4 for a figure that is
    limited and was not measured.
    """
    from edgebench.core.certainty import undecided_latency
    from edgebench.core.memory_fit import fits
    from edgebench.core.profile import Outcome
    from edgebench.gate.verdict import exit_code

    limits = exit_code(findings) if findings else 0
    outcomes = {profile.outcome for profile in run.profiles}
    if outcomes <= {Outcome.OK}:
        if any(fits(profile) is False for profile in run.profiles):
            return 1
        return limits or (4 if any(undecided_latency(profile, run.plan) for profile in run.profiles) else 0)
    if limits and Outcome.BAD_INPUT not in outcomes:
        return limits
    return 3 if outcomes <= {Outcome.OK, Outcome.UNAVAILABLE} else 2
