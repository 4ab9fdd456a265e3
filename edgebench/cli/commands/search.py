"""``edgebench search``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.interrupts import tell
from edgebench.cli.options import (
    CLUSTER_WAIT,
    RESULTS,
    STORAGE_VARIABLE,
    ClusterOption,
    ClusterWaitOption,
    DtypesOption,
    LabelOption,
    MaxEnergyOption,
    MaxFlashOption,
    MaxLatencyOption,
    MaxRamOption,
    MinAccuracyOption,
    ResultsOption,
    StorageOption,
    TaskOption,
)
from edgebench.cli.output import Format, FormatOption, JsonOption

if TYPE_CHECKING:
    from edgebench.core.run import Run
    from edgebench.core.search import SearchRecord
    from edgebench.flows.search.request import SearchRequest


def search(
    context: typer.Context,
    space: Annotated[
        str | None,
        typer.Argument(
            metavar="SPACE", help="A search space; `list`; `show` or `resume` and a study; nothing with --study."
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Study to show.", hidden=True)] = None,
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device to search for; repeatable.",
            autocompletion=completion.devices,
        ),
    ] = ["host"],
    max_latency: MaxLatencyOption = [],
    max_energy: MaxEnergyOption = [],
    max_ram: MaxRamOption = [],
    max_flash: MaxFlashOption = [],
    min_accuracy: MinAccuracyOption = None,
    max_accuracy_drop: Annotated[
        str | None, typer.Option(metavar="2%", help="Maximum loss against the largest network of the space.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="accuracy, latency@DEVICE, ram@DEVICE, macs, ..., separated by commas.")
    ] = ("accuracy"),
    task: TaskOption = None,
    accuracy: Annotated[
        str, typer.Option(help="train, supernet, proxy:parameters|macs|synflow, or table:FILE.")
    ] = "train",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a trial.")] = 6,
    final_epochs: Annotated[int, typer.Option(min=1, help="Epochs of a finalist.")] = 20,
    distil: Annotated[bool, typer.Option("--distil", help="Let finalists imitate the largest network too.")] = False,
    finalists: Annotated[int, typer.Option(min=0, help="Number of networks to train fully and measure.")] = 3,
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials in the study.")] = 50,
    sampler: Annotated[str, typer.Option(help="edgebench, random, tpe, nsga2, nsga3, gp, ...")] = "edgebench",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")] = 0,
    study: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Study to go on with, or to start.",
            autocompletion=completion.studies,
        ),
    ] = None,
    storage: StorageOption = "",
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Number of parallel trainings.")] = 1,
    dtype: DtypesOption = [],
    time_limit: Annotated[str, typer.Option(help="Time to measure one finalist on one device.")] = "60s",
    label: LabelOption = "",
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Find networks that meet every device's limits.

    The best are measured, checked against every limit, and exported.

    Costs come from lookup tables (edgebench lut build); trials are trained only if the tables predict that every
    limit is met. The best are trained fully, exported, and profiled on every device.

    `edgebench search --study NAME` goes on with a study as it was started; `edgebench search show NAME` prints the best
    so far.
    """
    from edgebench.cli.clustering import devices_of
    from edgebench.cli.compose import compose_label
    from edgebench.cli.compose_search import compose_search, with_known_call
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.search.recording import record_search

    shown = Format.JSON if json_ else format_
    if space == "show":
        _show_study(name or study, results, shown)
        return
    if space == "list":
        _list_studies(results, shown)
        return
    if space == "resume":
        context.params |= {"space": None, "study": name or study}
    values = with_known_call(context, context.params["study"], storage, results)
    with devices_of(cluster, cluster_wait) as place:
        request, plan = compose_search(values, place)
        typer.echo(f"study {request.study}", err=True)
        with progress_bar() as progress:
            recorded = record_search(
                request,
                plan,
                command=("edgebench", *sys.argv[1:]),
                label=compose_label(label),
                on_progress=progress,
                workers=place.workers,
            )
    _show(recorded.run, request, shown)
    if recorded.interrupted:
        _say_how_to_go_on(recorded.run, request)
    raise typer.Exit(130 if recorded.interrupted else _exit_code(recorded.run))


def _show(run: Run, request: SearchRequest, format_: Format) -> None:
    from edgebench.cli.output import print_report
    from edgebench.reports.report import Report
    from edgebench.reports.search import search_report

    print_report(search_report(run.search) if run.search else Report(tables=()), "search", format_)
    place = _results_option(request.results)
    typer.echo(
        f"\nall figures: edgebench report {run.name}{place}; the study: edgebench search show {request.study}{place}",
        err=True,
    )
    dashboard = _dashboard(request)
    if dashboard:
        typer.echo(f"every trial in a browser: {dashboard} (pip install optuna-dashboard)", err=True)


def _say_how_to_go_on(run: Run, request: SearchRequest) -> None:
    done = run.search.trials if run.search else 0
    saved = (
        f"{done} of {request.trials} trials and what was measured are saved" if run.search else "nothing was tried yet"
    )
    tell(saved, f"edgebench search --study {request.study}{_results_option(request.results)}{_storage_option(request)}")


def _storage_option(request: SearchRequest) -> str:
    """How to name the storage again; what a variable says needs no name, and a password is not repeated."""
    from edgebench.core.secrets import redacted

    if not request.storage or request.storage == os.environ.get(STORAGE_VARIABLE):
        return ""
    if redacted(request.storage) != request.storage:
        return " --storage URL (as you gave it)"
    return f" --storage {request.storage}"


def _dashboard(request: SearchRequest) -> str:
    """The command that shows a study in a browser, where optuna-dashboard can open its storage."""
    from edgebench.core.secrets import redacted

    if request.storage.startswith(("grpc://", "@")) or not (request.storage or request.folder.exists()):
        return ""
    return f"optuna-dashboard {redacted(request.storage) or request.folder / 'journal.log'}"


def _results_option(results: Path) -> str:
    return "" if results == Path("results") else f" --results {results}"


def _exit_code(run: Run) -> int:
    """1 if no network meets the limits."""
    record = run.search
    if record is None or record.infeasibility is not None or not record.front:
        return 1
    unsolved = bool(record.finalists) and not any(finalist.solution for finalist in record.finalists)
    return 1 if unsolved else 0


def _say_that_it_goes_on(record: SearchRecord, results: Path) -> None:
    wanted = f" of {record.wanted}" if record.wanted else ""
    typer.echo(
        f"\nnot finished: {record.trials}{wanted} trials so far\n  if it is not running elsewhere, go on: "
        f"edgebench search --study {record.study}{_results_option(results)}",
        err=True,
    )


def _list_studies(results: Path, format_: Format) -> None:
    """One row per study that has a run."""
    from edgebench.cli.output import print_report
    from edgebench.reports.search import studies_report
    from edgebench.store.runs import RunStore

    store = RunStore(results)
    print_report(studies_report(store.readable()), "search list", format_)


def _show_study(name: str | None, results: Path, format_: Format) -> None:
    """Print the newest run of a study.

    Raises:
        InputError: There is no such study.
    """
    from edgebench.cli.output import print_report
    from edgebench.core.suggestions import did_you_mean
    from edgebench.errors import InputError
    from edgebench.flows.search.calls import study_names
    from edgebench.reports.search import search_report
    from edgebench.store.runs import RunStore

    store = RunStore(results)
    for run in reversed(store.readable()):
        if run.search is not None and name in {None, run.search.study}:
            print_report(search_report(run.search), "search show", format_)
            if not run.complete:
                _say_that_it_goes_on(run.search, results)
            return
    raise InputError(
        f"there is no study {name!r}" if name else "there are no studies yet",
        where=str(results / "runs"),
        remedy=did_you_mean(name or "", study_names(results / "studies"))
        or "edgebench search SPACE -d DEVICE --max-latency 50ms --task mnist5k",
    )
