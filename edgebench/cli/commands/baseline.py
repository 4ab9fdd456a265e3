"""``edgebench baseline``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import (
    RESULTS,
    CalibrationOption,
    ResultsOption,
    SeedOption,
    ShapeOption,
    TargetOption,
    ThreadsOption,
)
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report
from edgebench.errors import InputError

if TYPE_CHECKING:
    from edgebench.core.baseline import Baseline
    from edgebench.core.profile import Profile
    from edgebench.core.run import Run

app = typer.Typer(help="Figures that later models are held to.", no_args_is_help=True)

_NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name of the baseline.",
        autocompletion=completion.baselines,
    ),
]
_ModelsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL...]", help="Model files, or zoo:NAME; none with --run.", autocompletion=completion.models
    ),
]
_DeviceOption = Annotated[
    list[str],
    typer.Option(
        "--device",
        "-d",
        metavar="NAME",
        help="Device; repeatable.",
        autocompletion=completion.devices,
    ),
]
_RunOption = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Take the figures of this run instead of measuring now.",
        autocompletion=completion.runs,
    ),
]
_LimitsOption = Annotated[
    list[str], typer.Option("--limit", metavar="LIMIT", help='How far figures may be off, such as "latency 2%".')
]
_TaskOption = Annotated[str | None, typer.Option(metavar="TASK", help="Images to measure accuracy on.")]


@app.command()
def save(
    name: _NameArgument,
    models: _ModelsArgument = None,
    device: _DeviceOption = [],
    run: _RunOption = None,
    limit: _LimitsOption = [],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is made.")] = "first baseline",
    task: _TaskOption = None,
    shape: ShapeOption = [],
    calibration: CalibrationOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    option: TargetOption = [],
    time_limit: Annotated[str, typer.Option(help="Total time for each model on each device.")] = "60s",
    results: ResultsOption = RESULTS,
) -> None:
    """Save figures of models as a new baseline.

    They are those of a run, or are measured now.

    The file is small and sorted, so that a diff in a pull request shows what changed; commit it with the models.
    """
    from edgebench.flows.gate.baselines import baseline_of
    from edgebench.store.baselines import BaselineStore

    store = BaselineStore(results)
    if store.exists(name):
        raise InputError(
            f"there is a baseline {name!r} already",
            where=str(store.path(name)),
            remedy=f"edgebench baseline update {name} --reason WHY",
        )
    making = _Making(device or ["host"], option, threads, shape, calibration, seed, time_limit, task, results)
    measured = making.run(models or [], run)
    made = making.with_accuracy(baseline_of(measured, name, reason=reason, limits=limit))
    typer.echo(f"saved: {store.save(made)}")


@app.command()
def update(
    name: _NameArgument,
    models: _ModelsArgument = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why the new figures are right.")] = "",
    device: _DeviceOption = [],
    run: _RunOption = None,
    limit: _LimitsOption = [],
    task: _TaskOption = None,
    shape: ShapeOption = [],
    calibration: CalibrationOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    option: TargetOption = [],
    time_limit: Annotated[str, typer.Option(help="Total time for each model on each device.")] = "60s",
    results: ResultsOption = RESULTS,
) -> None:
    """Accept new figures, with the reason.

    The date and the git revision are noted too.

    By default every model of the baseline is measured again on its devices. What is not measured again stays.
    """
    from edgebench.flows.gate.baselines import baseline_of, change, updated
    from edgebench.store.baselines import BaselineStore

    store = BaselineStore(results)
    change(reason)
    whole = not models and run is None and not device
    old = store.load(name, trusted=not whole)
    sources = models or ([] if run else list(dict.fromkeys(entry.source for entry in old.entries)))
    devices = device or list(dict.fromkeys(entry.device for entry in old.entries))
    making = _Making(devices, option, threads, shape, calibration, seed, time_limit, task, results)
    measured = making.run(sources, run, keep=_pairs(old) if not device and not models else None)
    made = making.with_accuracy(baseline_of(measured, old.name, reason=reason, limits=limit))
    place = store.save(updated(old, made))
    typer.echo(f"saved: {place}")


@app.command()
def show(
    name: _NameArgument,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Print a baseline: its figures, its limits, and why it is as it is."""
    from edgebench.reports.baselines import baseline_report
    from edgebench.store.baselines import BaselineStore

    shown = baseline_report(BaselineStore(results).load(name))
    print_report(shown, "baseline show", Format.JSON if json_ else format_)


@app.command("list")
def list_baselines(
    results: ResultsOption = RESULTS, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False
) -> None:
    """List all baselines: what they hold, when, why."""
    from edgebench.reports.baselines import baselines_report
    from edgebench.store.baselines import BaselineStore

    store = BaselineStore(results)
    shown = baselines_report([store.load(name) for name in store.names()])
    print_report(shown, "baseline list", Format.JSON if json_ else format_)


class _Making:
    """Measures what a baseline needs."""

    def __init__(
        self,
        devices: list[str],
        options: list[str],
        threads: int | None,
        shapes: list[str],
        calibration: Path | None,
        seed: int,
        time_limit: str,
        task: str | None,
        results: Path,
    ) -> None:
        from edgebench.cli.compose import compose_devices, compose_inputs, compose_plan

        self._devices = compose_devices(devices, options, threads=threads, optimization=None)
        self._inputs = compose_inputs(shapes, None, seed, calibration)
        self._plan = compose_plan(repetitions=5, time_limit=time_limit, goal="2%", memory_limit=None, layers=True)
        self._task, self._results = task, results

    def run(self, models: list[str], reference: str | None, *, keep: set[tuple[str, str]] | None = None) -> Run:
        """The run that was named, or a new one; of the latter only some pairs of model and device if they are given."""
        from edgebench.cli.progress import progress_bar
        from edgebench.flows.gate.baselines import finished
        from edgebench.flows.profile.profile import ProfileRequest
        from edgebench.flows.recording import record_profiles
        from edgebench.store.runs import RunStore

        store = RunStore(self._results)
        if reference is not None:
            if models:
                raise InputError("--run and models exclude each other", remedy="leave one of them out")
            return store.load(reference)
        if not models:
            raise InputError("no model is given", remedy="name models, or a run: --run RUN")
        command = ("edgebench", *sys.argv[1:])
        profiles: list[Profile] = []
        with progress_bar() as progress:
            for model in dict.fromkeys(models):
                chosen = [item for item in self._devices if keep is None or (model, item.name) in keep]
                request = ProfileRequest(models=[model], devices=chosen, plan=self._plan, inputs=self._inputs)
                recorded = finished(record_profiles(request, store, command=command, on_progress=progress))
                profiles += recorded.profiles
        return replace(recorded, profiles=tuple(profiles))

    def with_accuracy(self, made: Baseline) -> Baseline:
        """The same with accuracies, if there is a task."""
        if self._task is None:
            return made
        from edgebench.cli.progress import progress_bar
        from edgebench.flows.gate.baselines import with_accuracy
        from edgebench.workers.training.jobs import TaskText

        task = TaskText(text=self._task, seed=self._inputs.seed)
        with progress_bar() as progress:
            return with_accuracy(made, self._devices, task, self._plan, self._inputs, on_progress=progress)


def _pairs(baseline: Baseline) -> set[tuple[str, str]]:
    return {(entry.source, entry.device) for entry in baseline.entries}
