"""``edgebench profile``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.interrupts import tell
from edgebench.cli.options import (
    CLUSTER_WAIT,
    GOAL,
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
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.flows.recording import RecordedRun
    from edgebench.gate.verdict import Finding
    from edgebench.reports.report import Report


def profile(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="Model files, module:function of PyTorch, or zoo:NAME.",
            autocompletion=completion.models,
        ),
    ] = None,
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
    goal: Annotated[
        str | None,
        typer.Option(
            help="Stop when the median's 95 % interval is narrower than this; if given, missing it is exit code 4.",
            show_default=GOAL,
        ),
    ] = None,
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
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run that was interrupted, as it was begun: what it lacks is measured.",
            autocompletion=completion.runs,
        ),
    ] = None,
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
    A run that was interrupted goes on with --resume RUN: what is finished in it is kept, the rest is measured.
    """
    from edgebench.cli.clustering import devices_of
    from edgebench.cli.compose_profile import compose_profile, resume_command
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.recording import record_profiles
    from edgebench.gate.ceilings import profile_findings
    from edgebench.store.runs import RunStore

    files = report_formats(reports)
    with devices_of(cluster, cluster_wait) as place:
        wanted = compose_profile(context, place)
        with progress_bar() as progress:
            recorded = record_profiles(
                wanted.request,
                RunStore(results),
                command=("edgebench", *sys.argv[1:]),
                label=wanted.label,
                call=wanted.call,
                resumed=wanted.resumed,
                on_progress=progress,
                workers=place.workers,
            )
    findings = profile_findings(recorded.run.profiles, wanted.limits)
    shown = _report(recorded, findings)
    _show(shown, recorded, Format.JSON if json_ else format_, details=details)
    write_reports(shown, "profile", files)
    _tell_how_to_go_on(recorded, wanted.request, resume_command(recorded.run.name, results))
    if recorded.unsaved:
        raise recorded.unsaved
    code = 130 if recorded.interrupted else _exit_code(recorded.run, findings)
    raise typer.Exit(code or (4 if wanted.goal_given and _missed_goal(recorded.run) else 0))


def _missed_goal(run: Run) -> bool:
    """Whether an interval is wider than was asked for; says which."""
    from edgebench.core.certainty import missed_goal

    missed = False
    for profile in run.profiles:
        latency = missed_goal(profile, run.plan)
        if latency is not None:
            missed = True
            width = (latency.most - latency.least) / latency.value
            typer.echo(
                f"goal missed: the interval of {profile.model.name} on {profile.device.name} is {100 * width:.3g} % "
                f"wide, not {100 * run.plan.goal:.3g} %\n  raise --time-limit, or end what else runs on the machine",
                err=True,
            )
    return missed


def _tell_how_to_go_on(recorded: RecordedRun, request: ProfileRequest, again: str) -> None:
    """Say what is left, if something is that can be measured later, and the command that does it."""
    from dataclasses import replace

    from edgebench.flows.profile.resume import cells_left, earlier_of

    left = len(cells_left(replace(request, earlier=earlier_of(recorded.run))))
    if not recorded.run.call or not (left or recorded.unsaved):
        if recorded.interrupted:
            tell(f"{len(recorded.run.profiles)} profiles are in the run", "the same command begins a new run")
        return
    count = len(request.models) * len(request.devices)
    if recorded.interrupted:
        tell(f"{count - left} of {count} profiles are finished in the run", again)
    elif recorded.unsaved:
        typer.echo(f"\nnot all of it is saved; once it can be, go on: {again}", err=True)
    elif left < count:
        typer.echo(f"\n{left} of {count} profiles could not be measured; once they can be, go on: {again}", err=True)


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
