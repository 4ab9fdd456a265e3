"""``edgebench compress``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.interrupts import tell
from edgebench.cli.options import (
    CLUSTER_WAIT,
    RESULTS,
    ClusterOption,
    ClusterWaitOption,
    LabelOption,
    MaxEnergyOption,
    MaxFlashOption,
    MaxLatencyOption,
    MaxRamOption,
    MinAccuracyOption,
    ResultsOption,
    ShapeOption,
    TaskOption,
)
from edgebench.cli.output import DetailsOption, Format, FormatOption, JsonOption

if TYPE_CHECKING:
    from edgebench.core.run import Run


def compress(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A float .onnx or .tflite file, zoo:NAME, module:function; show; list."),
    ],
    name: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Study to show.", hidden=True)] = None,
    task: TaskOption = None,
    device: Annotated[
        list[str],
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device to compress for; repeatable.",
            autocompletion=completion.devices,
        ),
    ] = ["host"],
    max_latency: MaxLatencyOption = [],
    max_energy: MaxEnergyOption = [],
    max_ram: MaxRamOption = [],
    max_flash: MaxFlashOption = [],
    min_accuracy: MinAccuracyOption = None,
    max_accuracy_drop: Annotated[
        str | None, typer.Option(metavar="2%", help="Maximum loss of test accuracy against the original.")
    ] = None,
    shape: ShapeOption = [],
    strategy: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="Strategy, or a pipeline: 'prune(0.3) + distil + int8'; repeatable."),
    ] = [],
    search: Annotated[bool, typer.Option("--search", help="Search pipelines too, under the limits.")] = False,
    trials: Annotated[int, typer.Option(min=1, help="Total number of pipelines that --search tries.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Networks that --search trains at once.")] = 1,
    storage: Annotated[
        str,
        typer.Option(metavar="URL", help="Where --search keeps its trials, as edgebench search has it; a journal."),
    ] = "",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of a fine-tuning; from scratch takes twice as many.")] = 10,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of everything random.")] = 0,
    study: Annotated[str | None, typer.Option(metavar="NAME", help="Study to go on with, or to start.")] = None,
    time_limit: Annotated[str, typer.Option(help="Time to measure one file on one device.")] = "60s",
    label: LabelOption = "",
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    results: ResultsOption = RESULTS,
    details: DetailsOption = False,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Compress a model so that it meets the limits of every device.

    Every strategy is run on the model, exported for each device, measured there, and judged; one is recommended: that
    which meets every limit at the least accuracy lost. There always is a verdict.

    A strategy is a pipeline of passes: pruning, distillation, quantisation and others, see docs and strategies.toml.
    The same command goes on where an interrupted one ended; nothing is trained or measured twice.

    `edgebench compress show STUDY` prints the newest result of a study again, `edgebench compress list` all of them.
    """
    from edgebench.cli.clustering import devices_of
    from edgebench.cli.compose import compose_label
    from edgebench.cli.compose_compress import compose_compress
    from edgebench.cli.output import print_report
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.compress.recording import record_compression
    from edgebench.reports.compress import compression_report

    shown = Format.JSON if json_ else format_
    if model in {"show", "list"}:
        _show(model, name, results, shown, details=details)
        return
    with devices_of(cluster, cluster_wait) as place:
        request, plan = compose_compress(context.params, place)
        typer.echo(f"study {request.study}", err=True)
        with progress_bar() as progress:
            recorded = record_compression(
                request,
                plan,
                command=("edgebench", *sys.argv[1:]),
                label=compose_label(label),
                on_progress=progress,
                workers=place.workers,
            )
    run = recorded.run
    if run.compression is not None:
        print_report(compression_report(run.compression), "compress", shown, details=details)
        typer.echo(f"\nfiles: {request.folder / 'strategies'}; all figures: edgebench report {run.name}", err=True)
    if recorded.interrupted:
        done = len(run.compression.strategies) if run.compression else 0
        tell(f"{done} of {len(request.strategies)} strategies are finished and saved", "the same command again")
    raise typer.Exit(130 if recorded.interrupted else _exit_code(run))


def _exit_code(run: Run) -> int:
    """1 if no strategy meets the limits."""
    found = run.compression.recommendation if run.compression else None
    return 0 if found is not None and found.meets else 1


def _show(what: str, name: str | None, results: Path, format_: Format, *, details: bool) -> None:
    """Print the newest run of a study, or all studies.

    Raises:
        InputError: There is no such study.
    """
    from edgebench.cli.output import print_report
    from edgebench.core.suggestions import did_you_mean
    from edgebench.errors import InputError
    from edgebench.reports.compress import compression_report, compressions_report
    from edgebench.store.runs import RunStore

    runs = RunStore(results).readable()
    if what == "list":
        print_report(compressions_report(runs), "compress list", format_)
        return
    known = [run.compression for run in runs if run.compression is not None]
    chosen = next((record for record in reversed(known) if name in {None, record.study}), None)
    if chosen is None:
        raise InputError(
            f"there is no study {name!r}" if name else "there are no compressions yet",
            where=str(results / "runs"),
            remedy=did_you_mean(name or "", [record.study for record in known])
            or "edgebench compress MODEL --task mnist5k -d DEVICE --max-latency 50ms",
        )
    print_report(compression_report(chosen), "compress show", format_, details=details)
