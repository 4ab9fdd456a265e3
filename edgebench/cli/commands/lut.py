"""``edgebench lut``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli.commands.front import front
from edgebench.cli.options import (
    RESULTS,
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
    from edgebench.flows.lut.request import TableRequest

app = typer.Typer(
    help="Lookup tables: what the blocks of a search space cost on a device.", invoke_without_command=True
)

DeviceOption = Annotated[str, typer.Option("--device", "-d", metavar="NAME", help="Device the table is for.")]

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
        str, typer.Option(metavar="2%", help="Mean error for whole networks at which a measured table is good enough.")
    ] = "2%",
    networks: Annotated[
        int, typer.Option("-n", "--networks", min=2, max=40, help="Most whole networks to measure for that.")
    ] = 40,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Measure every distinct block of a space; saves after each step, and resumes when run again.

    On a device that measures time, whole networks follow, a few at a time, until each is predicted well from the
    others (--goal), or --networks are measured; the table then says what it can promise.
    """
    from dataclasses import replace

    from edgebench.cli.compose import compose_table_goal
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.lut.build import build_table
    from edgebench.reports.tables import table_report
    from edgebench.store.tables import TableStore

    request = replace(
        _request(space, device, dtype, threads, [*option, *old_option]),
        jobs=jobs,
        goal=compose_table_goal(goal, networks),
    )
    store = TableStore(results)
    names = request.device.name, request.space.name, request.dtype
    if not request.space.learnt_whole:
        typer.echo(f"{len(request.space.all_blocks)} distinct blocks in {request.space.name}", err=True)
    with store.writing(*names), progress_bar() as progress:
        known = None if fresh else store.load_own(*names)
        table = build_table(request, known, on_update=store.save, on_progress=progress)
    print_report(table_report(table, request.space), "lut build", Format.JSON if json_ else format_)
    typer.echo(f"saved: {store.path(table.key.device, table.space, table.key.dtype)}", err=True)


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
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Profile random whole networks and store how well the table predicts them."""
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.lut.opening import load_table
    from edgebench.flows.lut.validate import validate_table
    from edgebench.reports.report import Report
    from edgebench.reports.tables import validation_table
    from edgebench.store.tables import TableStore

    request = _request(space, device, dtype, threads, [*option, *old_option])
    store = TableStore(results)
    with store.writing(request.device.name, request.space.name, request.dtype), progress_bar() as progress:
        known = load_table(results, request)
        table = validate_table(request, known, networks=networks, seed=seed, on_progress=progress)
        store.save(table)
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
    device: Annotated[str | None, typer.Option("--device", "-d", metavar="NAME", help="Device of the table.")] = None,
    dtype: DtypeOption = None,
    output: OutputOption = None,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Show a table; without a space and a device, list them."""
    from edgebench.flows.lut.opening import load_table
    from edgebench.reports.tables import table_report

    if space is None or device is None:
        list_tables(space, results, format_, json_)
        return
    request = _request(space, device, dtype, None, [])
    table = load_table(results, request)
    if format_ is Format.HTML and not json_:
        from edgebench.reports.html.lookup_table import table_page

        write_content(table_page(table, request.space).encode(), output)
        return
    print_report(table_report(table, request.space), "lut show", Format.JSON if json_ else format_, output)


@app.command()
def export(
    space: SpaceArgument,
    device: DeviceOption,
    output: OutputOption = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="csv or parquet.")] = Format.CSV,
    dtype: DtypeOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Write a table's entries for other programs."""
    from edgebench.flows.lut.opening import load_table
    from edgebench.reports.tables import table_report

    request = _request(space, device, dtype, None, [])
    print_report(table_report(load_table(results, request)), "lut export", format_, output)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns block, latency_s, energy_j, ...")],
    space: Annotated[str, typer.Option(metavar="SPACE", help="The space that the blocks belong to.")],
    device: DeviceOption,
    source: Annotated[str, typer.Option(metavar="TEXT", help="Who measured it, and how.")],
    provenance: Annotated[str, typer.Option(help="measured, exact, simulated or estimated.")] = "measured",
    versions: Annotated[
        list[str],
        typer.Option(
            "--version", metavar="NAME=VERSION", help="What it was measured with; by default, what is installed here."
        ),
    ] = [],
    machine: Annotated[str | None, typer.Option(metavar="TEXT", help="Processor it was measured on.")] = None,
    dtype: DtypeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing table.")] = False,
    results: ResultsOption = RESULTS,
) -> None:
    """Import a table that somebody else measured; its source is recorded."""
    from dataclasses import replace

    from edgebench.core.metric import Provenance
    from edgebench.errors import InputError
    from edgebench.flows.lut.request import table_key
    from edgebench.store.tables import TableStore, read_table_csv
    from edgebench.targets.registry import create_target

    if provenance not in set(Provenance):
        raise InputError(f"{provenance!r} is not a provenance", remedy=f"one of {', '.join(Provenance)}")
    request = _request(space, device, dtype, None, [])
    given = dict(text.partition("=")[::2] for text in versions)
    if not all(given.values()):
        raise InputError(
            f"not all of {', '.join(versions)} are NAME=VERSION", where="--version", remedy="such as onnxruntime=1.31.0"
        )
    target = create_target(request.device)
    key = table_key(request.device, given or target.check(), request.dtype, measured=not target.deterministic)
    key = key if machine is None else replace(key, machine=machine)
    table = read_table_csv(file, space=request.space.name, key=key, provenance=Provenance(provenance), source=source)
    known = {block.key for block in request.space.all_blocks}
    strange = [block for block in table.entries if block not in known]
    if strange:
        raise InputError(
            f"{len(strange)} of {len(table.entries)} blocks are not in {request.space.name}, such as {strange[0]!r}",
            where=str(file),
            remedy=f"blocks are written as `edgebench lut export {request.space.name} -d DEVICE` writes them",
        )
    table = replace(table, space_digest=request.space.digest, complete=known == set(table.entries))
    store = TableStore(results)
    names = request.device.name, request.space.name, request.dtype
    with store.writing(*names):
        if store.path(*names).exists() and not force:
            raise InputError(
                "a table exists already", where=str(store.path(*names)), remedy="add --force to replace it"
            )
        path = store.save(table)
    typer.echo(f"{len(table.entries)} of {len(known)} blocks\nwritten: {path}")


def _request(space: str, device: str, dtype: str | None, threads: int | None, options: list[str]) -> TableRequest:
    from edgebench.cli.compose import compose_devices
    from edgebench.flows.lut.opening import dtype_of
    from edgebench.flows.lut.request import TableRequest
    from edgebench.flows.spaces import open_space

    (found,) = compose_devices([device], options, threads=threads, optimization=None)
    return TableRequest(space=open_space(space), device=found, dtype=dtype_of(found, dtype))
