"""``edgebench lut``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.commands.front import front
from edgebench.cli.interrupts import goes_on
from edgebench.cli.options import (
    CLUSTER_WAIT,
    RESULTS,
    ClusterOption,
    ClusterWaitOption,
    DtypeOption,
    OldTargetOption,
    OutputOption,
    ResultsOption,
    SpaceArgument,
    TargetOption,
    ThreadsOption,
)
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report, write_content

if TYPE_CHECKING:
    from edgebench.cli.clustering import Place
    from edgebench.flows.lut.request import TableRequest

app = typer.Typer(help="Lookup tables: what blocks of a search space cost on a device.", invoke_without_command=True)

DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        metavar="NAME",
        help="Device the table is for.",
        autocompletion=completion.devices,
    ),
]

app.command()(front)


@app.command()
def build(
    space: SpaceArgument,
    device: DeviceOption,
    dtype: DtypeOption = None,
    threads: ThreadsOption = None,
    option: TargetOption = [],
    old_option: OldTargetOption = [],
    jobs: Annotated[int, typer.Option(min=0, help="Processes for simulators; one per core if 0.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again instead of continuing.")] = False,
    goal: Annotated[
        str | None,
        typer.Option(
            metavar="2%",
            help="Mean error for whole networks at which a measured table is good enough; if given, missing it is exit "
            "code 4.",
            show_default="2%",
        ),
    ] = None,
    networks: Annotated[
        int, typer.Option("-n", "--networks", min=2, max=40, help="Most whole networks to measure for that.")
    ] = 40,
    within_5: Annotated[
        str | None,
        typer.Option(
            "--within-5",
            metavar="90%",
            help="Share of them that must be predicted within 5 %; likewise.",
            show_default="90%",
        ),
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="5min", help="Most time for whole networks; by default no limit.")
    ] = None,
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Measure every distinct block of a space; resumes when run again.

    On a device that measures time, whole networks follow, a few at a time, until each is predicted well from the
    others (--goal, --within-5), or --networks are measured; the table then says what it can promise. Run again, it
    measures blocks that were disturbed once more, and further networks if the goal is not met.
    """
    from dataclasses import replace

    from edgebench.cli.clustering import devices_of
    from edgebench.cli.compose import compose_table_goal
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.lut.build import build_table
    from edgebench.reports.tables import built_report, table_report
    from edgebench.store.tables import TableStore

    wanted = compose_table_goal(goal or "2%", within_5 or "90%", networks, time_limit)
    store = TableStore(results)
    saved = "what was measured so far is in the table"
    # With --fresh the same command would start again.
    command = shlex.join(["edgebench", *(word for word in sys.argv[1:] if word != "--fresh")])
    with devices_of(cluster, cluster_wait) as place:
        request = _request(space, device, dtype, threads, [*option, *old_option], place)
        request = replace(request, jobs=jobs, goal=wanted)
        names = request.device.name, request.space.name, request.dtype
        if not request.space.learnt_whole:
            typer.echo(f"{len(request.space.all_blocks)} distinct blocks in {request.space.name}", err=True)
        with store.writing(*names), goes_on(saved, again=command), progress_bar() as progress:
            kept = store.set_aside(*names) if fresh else None
            known = None if fresh else store.load_own(*names)
            table = build_table(request, known, on_update=store.save, on_progress=progress, workers=place.workers)
    shown = Format.JSON if json_ else format_
    brief = shown in {Format.TERMINAL, Format.MARKDOWN, Format.GITHUB}
    print_report((built_report if brief else table_report)(table, request.space), "lut build", shown)
    typer.echo(
        f"saved: {store.path(table.key.device, table.space, table.key.dtype)}; every entry: edgebench lut show "
        f"{request.space.name} -d {table.key.device}",
        err=True,
    )
    if kept is not None:
        typer.echo(f"the table before it is kept: {kept}", err=True)
    # The table's notes say how far it is from what was asked.
    if (goal is not None or within_5 is not None) and not request.goal.met_by(table):
        raise typer.Exit(4)


@app.command()
def validate(
    space: SpaceArgument,
    device: DeviceOption,
    networks: Annotated[int, typer.Option("-n", "--networks", min=3, help="Random networks to profile.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    dtype: DtypeOption = None,
    threads: ThreadsOption = None,
    option: TargetOption = [],
    old_option: OldTargetOption = [],
    cluster: ClusterOption = None,
    cluster_wait: ClusterWaitOption = CLUSTER_WAIT,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again instead of continuing.")] = False,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Profile unseen networks, and store how well a table predicts.

    The figures of the table do not change; its interval is that of these networks once all are measured. Interrupted,
    it goes on when it is run again.
    """
    from edgebench.cli.clustering import devices_of
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.lut.opening import load_table
    from edgebench.flows.lut.validate import validate_table
    from edgebench.reports.report import Report
    from edgebench.reports.tables import validation_table
    from edgebench.store.begun import begun_validation
    from edgebench.store.tables import TableStore

    store = TableStore(results)
    # With --fresh the same command would start again.
    command = shlex.join(["edgebench", *(word for word in sys.argv[1:] if word != "--fresh")])
    saved = "the networks measured so far are kept, and the table is as it was before"
    with devices_of(cluster, cluster_wait) as place:
        request = _request(space, device, dtype, threads, [*option, *old_option], place)
        names = request.device.name, request.space.name, request.dtype
        kept = begun_validation(store.path(*names))
        with store.writing(*names), goes_on(saved, again=command), progress_bar() as progress:
            known = load_table(results, request)
            table = validate_table(
                request,
                known,
                networks=networks,
                seed=seed,
                begun=None if fresh else kept.load(),
                on_update=kept.save,
                on_progress=progress,
                workers=place.workers,
            )
            store.save(table)
            kept.drop()
    shown = validation_table(table)
    print_report(Report(tables=(shown,), records=shown.rows), "lut validate", Format.JSON if json_ else format_)


@app.callback()
def default(
    context: typer.Context,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Lookup tables; lists them if no command is given."""
    if context.invoked_subcommand is None:
        list_tables(None, results, format_, json_)


@app.command("list")
def list_tables(
    space: Annotated[str | None, typer.Argument(metavar="[SPACE]", help="Only the tables of this space.")] = None,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """List the tables, yours and those included in edgebench."""
    from edgebench.reports.tables import tables_report
    from edgebench.store.tables import TableStore

    tables = [table for table in TableStore(results).all() if space in {None, table.space}]
    print_report(tables_report(tables), "lut list", Format.JSON if json_ else format_)


@app.command()
def show(
    space: Annotated[
        str | None, typer.Argument(metavar="[SPACE]", help="A search space; by default, all tables.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device of the table.",
            autocompletion=completion.devices,
        ),
    ] = None,
    dtype: DtypeOption = None,
    output: OutputOption = None,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Show a table; without a space and a device, list them."""
    from edgebench.flows.lut.opening import load_any_table
    from edgebench.flows.spaces import open_space
    from edgebench.reports.tables import table_report

    if space is None or device is None:
        list_tables(space, results, format_, json_)
        return
    opened = open_space(space)
    table = load_any_table(results, space, device, dtype)
    if format_ is Format.HTML and not json_:
        from edgebench.reports.html.lookup_table import table_page

        write_content(table_page(table, opened).encode(), output)
        return
    print_report(table_report(table, opened), "lut show", Format.JSON if json_ else format_, output)


@app.command()
def export(
    space: SpaceArgument,
    device: DeviceOption,
    output: OutputOption = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="csv or parquet.")] = Format.CSV,
    dtype: DtypeOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Write a table for other programs and machines.

    `edgebench lut import` reads it again.
    """
    from edgebench.flows.lut.opening import load_any_table
    from edgebench.reports.report import Report
    from edgebench.store.table_csv import table_records

    table = load_any_table(results, space, device, dtype)
    print_report(Report(tables=(), records=table_records(table)), "lut export", format_, output)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Columns block or architecture, latency_s or latency_ms, ...")
    ],
    space: Annotated[str, typer.Option(metavar="SPACE", help="The space that they belong to.")],
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="Device; one that is not here gets this name.",
            autocompletion=completion.devices,
        ),
    ] = None,
    source: Annotated[str, typer.Option(metavar="TEXT", help="Who measured it, and how.")] = "",
    provenance: Annotated[
        str, typer.Option(help="measured, exact, simulated or estimated, where the file does not say.")
    ] = "measured",
    versions: Annotated[
        list[str],
        typer.Option("--version", metavar="NAME=VERSION", help="What it was measured with."),
    ] = [],
    machine: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Machine it was measured on, if that is not this one.")
    ] = None,
    dtype: DtypeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing table.")] = False,
    results: ResultsOption = RESULTS,
) -> None:
    """Import a table that was measured elsewhere.

    It holds blocks of a space, or whole networks.

    A table of another machine makes a device of its own, which searches predict for and cannot measure on. From whole
    networks (a column architecture) a predictor is learnt, and each network predicted from the others says how good.
    """
    from edgebench.core.metric import Provenance
    from edgebench.errors import InputError
    from edgebench.flows.lut.importing import ImportRequest, import_table
    from edgebench.flows.spaces import open_space

    if provenance not in set(Provenance):
        raise InputError(f"{provenance!r} is not a provenance", remedy=f"one of {', '.join(Provenance)}")
    given = dict(text.partition("=")[::2] for text in versions)
    if not all(given.values()):
        raise InputError(
            f"not all of {', '.join(versions)} are NAME=VERSION", where="--version", remedy="such as onnxruntime=1.31.0"
        )
    imported = import_table(
        ImportRequest(
            file=file,
            space=open_space(space),
            device=device,
            machine=machine,
            source=source,
            provenance=Provenance(provenance),
            versions=given,
            dtype=dtype,
            force=force,
            results=results,
        )
    )
    typer.echo(f"{imported.said}\nwritten: {imported.path}")
    if imported.elsewhere:
        typer.echo(
            f"device {imported.table.key.device} is not attached: `edgebench search {imported.table.space} -d "
            f"{imported.table.key.device}` predicts for it, and cannot measure on it"
        )


def _request(
    space: str, device: str, dtype: str | None, threads: int | None, options: list[str], place: Place
) -> TableRequest:
    from edgebench.cli.compose import compose_devices
    from edgebench.flows.lut.opening import dtype_of
    from edgebench.flows.lut.request import TableRequest
    from edgebench.flows.spaces import open_space

    (found,) = compose_devices([device], options, threads=threads, optimization=None, find=place.find)
    return TableRequest(space=open_space(space), device=found, dtype=dtype_of(found, dtype))
