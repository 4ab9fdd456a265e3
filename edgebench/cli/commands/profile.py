"""``edgebench profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption
from edgebench.errors import StorageError

if TYPE_CHECKING:
    from edgebench.core.profile import Profile
    from edgebench.core.run import Run
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.store.runs import RunStore


def profile(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Model files, or zoo:NAME for a built-in network.")
    ],
    device: Annotated[
        list[str],
        typer.Option("--device", "-d", metavar="NAME", help="Device to profile on; repeat it for several."),
    ] = ["host"],
    shape: Annotated[
        list[str], typer.Option(metavar="NAME=1,3,224,224", help="Shape of an input with open dimensions.")
    ] = [],
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Inputs to use in place of random ones.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Samples for quantising, where a device takes int8.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random inputs and of built-in networks.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads, for runtimes that have them.")] = None,
    optimization: Annotated[str | None, typer.Option(help="Optimisation level, for targets that have levels.")] = None,
    option: Annotated[
        list[str],
        typer.Option("--option", "-o", metavar="[DEVICE:]KEY=VALUE", help="Any other option of a target; repeatable."),
    ] = [],
    repetitions: Annotated[int, typer.Option(min=1, help="Fresh processes at the least.")] = 5,
    goal: Annotated[str, typer.Option(help="Stop when the median's 95 % interval is narrower.")] = "2%",
    time_limit: Annotated[str, typer.Option(help="For each model on each device, in all.")] = "60s",
    memory_limit: Annotated[
        str | None, typer.Option(help="For each process; four fifths of what is free if not given.")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show the share of each operator.")] = False,
    results: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs are saved.")] = Path("results"),
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Measure, simulate or estimate models on devices.

    Each figure says which of these it is. Several models and devices are measured in turn, so that all see
    the same machine; every run is saved.
    """
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_plan
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.store.runs import RunStore

    request = ProfileRequest(
        models=list(dict.fromkeys(models)),
        devices=compose_devices(device, option, threads=threads, optimization=optimization),
        plan=compose_plan(
            repetitions=repetitions,
            time_limit=time_limit,
            goal=goal,
            memory_limit=memory_limit,
            layers=layers,
        ),
        inputs=compose_inputs(shape, inputs, seed, calibration),
    )
    run, interrupted, unsaved = _measure(request, RunStore(results))
    path = None if unsaved else RunStore(results).path(run.name)
    _show(run, path, Format.JSON if json_ else format_)
    if unsaved:
        raise unsaved
    raise typer.Exit(130 if interrupted else _exit_code(run))


def _measure(request: ProfileRequest, store: RunStore) -> tuple[Run, bool, StorageError | None]:
    """Profile, saving after each step.

    An interrupt ends it but keeps what was measured. So does a disk that is full: what cannot be saved any
    more is still shown.
    """
    from dataclasses import replace

    from edgebench.cli.progress import progress_bar
    from edgebench.cli.recording import new_run
    from edgebench.flows.profile.profile import profile as measure
    from edgebench.machine.description import read_state, state_changes

    before = read_state()
    current = new_run(store, request)
    # Saved before anything is measured: a folder that cannot be written to is found out now.
    store.save(current)

    def save(profiles: tuple[Profile, ...]) -> None:
        nonlocal current
        current = replace(current, profiles=profiles)
        store.save(current)

    interrupted, unsaved = False, None
    try:
        with progress_bar() as progress:
            measure(request, on_update=save, on_progress=progress)
    except KeyboardInterrupt:
        interrupted = True
    except StorageError as error:
        unsaved = error
    warnings = (*current.warnings, *state_changes(before, read_state()))
    current = replace(current, complete=not interrupted and unsaved is None, warnings=warnings)
    try:
        store.save(current)
    except StorageError as error:
        unsaved = error
    return current, interrupted, unsaved


def _show(run: Run, path: Path | None, format_: Format) -> None:
    from edgebench.cli.output import print_report
    from edgebench.reports.profiles import report

    print_report(report([run]), format_)
    if format_ is Format.TERMINAL and path is not None:
        typer.echo(f"\nsaved: {path}")


def _exit_code(run: Run) -> int:
    """0 when every profile has its numbers and fits; else 3 if a target is missing, 2 if a model does not run."""
    from edgebench.core.memory_fit import memory_fits
    from edgebench.core.profile import Outcome

    outcomes = {profile.outcome for profile in run.profiles}
    if outcomes <= {Outcome.OK}:
        return int(any(fit.left < 0 for profile in run.profiles for fit in memory_fits(profile).values()))
    return 3 if outcomes <= {Outcome.OK, Outcome.UNAVAILABLE} else 2
