"""``edgebench lut``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.cli.commands.front import front
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

if TYPE_CHECKING:
    from edgebench.core.table import LookupTable
    from edgebench.flows.lut.build import TableRequest

app = typer.Typer(help="Lookup tables: what the blocks of a search space cost on a device.", no_args_is_help=True)

SpaceArgument = Annotated[str, typer.Argument(metavar="SPACE", help="A search space, or the path of its file.")]
DeviceOption = Annotated[str, typer.Option("--device", "-d", metavar="NAME", help="Device the table is for.")]
DtypeOption = Annotated[
    str | None, typer.Option(metavar="TYPE", help="float32 or int8; what the device takes if not given.")
]
ResultsOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Where tables are saved.")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads, for runtimes that have them.")]
OptionOption = Annotated[
    list[str], typer.Option("--option", "-o", metavar="KEY=VALUE", help="Any other option of the target.")
]
RESULTS = Path("results")

app.command()(front)


@app.command()
def build(
    space: SpaceArgument,
    device: DeviceOption,
    dtype: DtypeOption = None,
    threads: ThreadsOption = None,
    option: OptionOption = [],
    jobs: Annotated[int, typer.Option(min=0, help="Processes for simulators; one a core if 0.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew in place of going on.")] = False,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Measure every different block of a space; saved after each step, and gone on with when run again."""
    from dataclasses import replace

    from edgebench.cli.progress import progress_bar
    from edgebench.flows.lut.build import build_table
    from edgebench.reports.tables import table_report
    from edgebench.store.tables import TableStore

    request = replace(_request(space, device, dtype, threads, option), jobs=jobs)
    store = TableStore(results)
    names = request.device.name, request.space.name, request.dtype
    typer.echo(f"{len(request.space.all_blocks)} different blocks in {request.space.name}", err=True)
    with store.writing(*names), progress_bar() as progress:
        known = None if fresh else store.load_own(*names)
        table = build_table(request, known, on_update=store.save, on_progress=progress)
    print_report(table_report(table, request.space), Format.JSON if json_ else format_)
    typer.echo(f"saved: {store.path(table.key.device, table.space, table.key.dtype)}", err=True)


@app.command()
def validate(
    space: SpaceArgument,
    device: DeviceOption,
    networks: Annotated[int, typer.Option("-n", "--networks", min=3, help="Random networks to profile.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 0,
    dtype: DtypeOption = None,
    threads: ThreadsOption = None,
    option: OptionOption = [],
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Profile random whole networks and store how well the table predicts them."""
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.lut.validate import validate_table
    from edgebench.reports.report import Report
    from edgebench.reports.tables import validation_table
    from edgebench.store.tables import TableStore

    request = _request(space, device, dtype, threads, option)
    store = TableStore(results)
    with store.writing(request.device.name, request.space.name, request.dtype), progress_bar() as progress:
        table = validate_table(request, _loaded(results, request), networks=networks, seed=seed, on_progress=progress)
        store.save(table)
    shown = validation_table(table)
    print_report(Report(tables=(shown,), records=shown.rows), Format.JSON if json_ else format_)


@app.command()
def show(
    space: Annotated[str | None, typer.Argument(metavar="[SPACE]", help="A search space; all tables if none.")] = None,
    device: Annotated[str | None, typer.Option("--device", "-d", metavar="NAME", help="Its device.")] = None,
    dtype: DtypeOption = None,
    results: ResultsOption = RESULTS,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """List all tables, or show one."""
    from edgebench.reports.tables import table_report, tables_report
    from edgebench.store.tables import TableStore

    wanted = Format.JSON if json_ else format_
    if space is None or device is None:
        tables = TableStore(results).all()
        print_report(tables_report([t for t in tables if space in {None, t.space}]), wanted)
        return
    request = _request(space, device, dtype, None, [])
    print_report(table_report(_loaded(results, request), request.space), wanted)


@app.command()
def export(
    space: SpaceArgument,
    device: DeviceOption,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to a file.")] = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="csv or parquet.")] = Format.CSV,
    dtype: DtypeOption = None,
    results: ResultsOption = RESULTS,
) -> None:
    """Write a table's entries for other programs."""
    from edgebench.reports.tables import table_report

    request = _request(space, device, dtype, None, [])
    print_report(table_report(_loaded(results, request)), format_, output)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns block, latency_s, energy_j, ...")],
    space: Annotated[str, typer.Option(metavar="SPACE", help="Whose blocks they are.")],
    device: DeviceOption,
    source: Annotated[str, typer.Option(metavar="TEXT", help="Who measured it, and how.")],
    provenance: Annotated[str, typer.Option(help="measured, exact, simulated or estimated.")] = "measured",
    versions: Annotated[
        list[str],
        typer.Option("--version", metavar="NAME=VERSION", help="What it was measured with; what is here if none."),
    ] = [],
    machine: Annotated[str | None, typer.Option(metavar="TEXT", help="Processor it was measured on.")] = None,
    dtype: DtypeOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the table that is there.")] = False,
    results: ResultsOption = RESULTS,
) -> None:
    """Take in a table that somebody else measured; where it comes from is kept."""
    from dataclasses import replace

    from edgebench.core.metric import Provenance
    from edgebench.errors import InputError
    from edgebench.flows.lut.build import table_key
    from edgebench.store.tables import TableStore, read_table_csv
    from edgebench.targets.registry import create_target

    if provenance not in set(Provenance):
        raise InputError(f"{provenance!r} is not a provenance", remedy=f"one of {', '.join(Provenance)}")
    request = _request(space, device, dtype, None, [])
    given = dict(text.partition("=")[::2] for text in versions)
    if not all(given.values()):
        raise InputError(
            f"{', '.join(versions)}: not all name a version", where="--version", remedy="onnxruntime=1.31.0"
        )
    target = create_target(request.device)
    key = table_key(request.device, given or target.check(), request.dtype, measured=not target.deterministic)
    key = key if machine is None else replace(key, machine=machine)
    table = read_table_csv(file, space=request.space.name, key=key, provenance=Provenance(provenance), source=source)
    known = {block.key for block in request.space.all_blocks}
    strange = [block for block in table.entries if block not in known]
    if strange:
        raise InputError(
            f"{len(strange)} of {len(table.entries)} blocks are not of {request.space.name}, such as {strange[0]!r}",
            where=str(file),
            remedy=f"blocks are written as `edgebench lut export {request.space.name} -d DEVICE` writes them",
        )
    table = replace(table, space_digest=request.space.digest, complete=known == set(table.entries))
    store = TableStore(results)
    names = request.device.name, request.space.name, request.dtype
    with store.writing(*names):
        if store.path(*names).exists() and not force:
            raise InputError(
                "there is a table already", where=str(store.path(*names)), remedy="add --force to replace it"
            )
        path = store.save(table)
    typer.echo(f"{len(table.entries)} of {len(known)} blocks\nwritten: {path}")


def _request(space: str, device: str, dtype: str | None, threads: int | None, options: list[str]) -> TableRequest:
    from edgebench.cli.compose import compose_devices
    from edgebench.errors import InputError
    from edgebench.flows.lut.build import TableRequest
    from edgebench.reports.spaces import open_space
    from edgebench.targets.registry import create_target

    (found,) = compose_devices([device], options, threads=threads, optimization=None)
    chosen = dtype or create_target(found).dtype or "float32"
    if chosen not in {"float32", "int8"}:
        raise InputError(f"{chosen!r} is not a type", where="--dtype", remedy="float32 or int8")
    return TableRequest(space=open_space(space), device=found, dtype=chosen)


def _loaded(results: Path, request: TableRequest) -> LookupTable:
    from edgebench.errors import InputError
    from edgebench.flows.lut.opening import build_command
    from edgebench.store.tables import TableStore
    from edgebench.targets.registry import create_target

    table = TableStore(results).load(request.device.name, request.space.name, request.dtype)
    if table is None:
        raise InputError(
            f"there is no {request.dtype} table of {request.space.name} for {request.device.name}",
            where=str(results / "tables"),
            remedy=build_command(
                request.space.name, request.device.name, request.dtype, create_target(request.device).dtype, results
            ),
        )
    return table
