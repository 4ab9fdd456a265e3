"""``edgebench devices``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.interrupts import goes_on
from edgebench.cli.options import RESULTS, ResultsOption
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Devices that can be targeted here.", invoke_without_command=True)

SearchOption = Annotated[
    list[str] | None,
    typer.Option("--search", metavar="WORDS", help="Only devices with these words: core, vendor, chip, anything."),
]
ProbeOption = Annotated[bool, typer.Option("--probe", help="Ask boards whether they can be reached now.")]
ProbeTimeOption = Annotated[
    str, typer.Option("--time-limit", metavar="TIME", help="How long --probe waits for each board, all at once.")
]
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A device, or the path of a device file.",
        autocompletion=completion.devices,
    ),
]


@app.callback()
def default(
    context: typer.Context,
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
    search: SearchOption = None,
    probe: ProbeOption = False,
    time_limit: ProbeTimeOption = "4s",
) -> None:
    """Devices that can be targeted here; lists them if no command is given."""
    if context.invoked_subcommand is None:
        list_devices(format_, json_, search, probe, time_limit)


@app.command("list")
def list_devices(
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
    search: SearchOption = None,
    probe: ProbeOption = False,
    time_limit: ProbeTimeOption = "4s",
) -> None:
    """List all devices: which are ready, and what others need."""
    from edgebench.core.units import Dimension, parse_quantity
    from edgebench.flows.devices import all_statuses
    from edgebench.reports.devices import devices_report

    seconds = parse_quantity(time_limit, Dimension.TIME, where="--time-limit") if probe else None
    print_report(
        devices_report(all_statuses(search or (), probe_s=seconds)), "devices list", Format.JSON if json_ else format_
    )


@app.command()
def show(name: NameArgument, json_: JsonOption = False) -> None:
    """Print a device's description and where it was read from."""
    from edgebench.cli.output import print_rows
    from edgebench.store.codec import to_plain
    from edgebench.store.devices import described_device

    device = described_device(name)
    if json_:
        print_rows([to_plain(device)], "devices show")
    else:
        typer.echo(f"# {device.origin}\n{Path(device.origin).read_text(encoding='utf-8').rstrip()}")


@app.command()
def check(name: NameArgument, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """Say whether a device is ready, and how quiet the machine is."""
    from edgebench.flows.devices import status_of
    from edgebench.machine.description import describe_machine, machine_warnings
    from edgebench.meters.registry import available_meters
    from edgebench.reports.devices import check_report

    status = status_of(name)
    report = check_report(status, describe_machine(), machine_warnings(), available_meters())
    print_report(report, "devices check", Format.JSON if json_ else format_)
    raise typer.Exit(0 if status.ready else 3)


@app.command()
def setup(
    name: NameArgument,
    wheels: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Wheels for the board, if it has no network: pip installs nothing else."),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Install on a board that SSH reaches what measuring there needs."""
    from edgebench.cli.progress import status_line
    from edgebench.flows.devices import set_up
    from edgebench.reports.devices import devices_report

    with status_line() as show:
        status = set_up(name, wheels, show)
    print_report(devices_report([status]), "devices setup", Format.JSON if json_ else Format.TERMINAL)
    raise typer.Exit(0 if status.ready else 3)


@app.command()
def calibrate(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="A device; by default, the board itself.", autocompletion=completion.devices
        ),
    ] = None,
    measurements: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Columns: model (a path or zoo:NAME); latency (99.8ms) or latency_ms; optional energy_mj, runtime.",
        ),
    ] = None,
    from_board: Annotated[
        str | None,
        typer.Option(metavar="BOARD", help="Measure on this board instead.", autocompletion=completion.devices),
    ] = None,
    model: Annotated[list[str], typer.Option(metavar="MODEL", help="What to measure on the board; repeatable.")] = [],
    write: Annotated[bool, typer.Option("--write", help="Put the calibration into the device's file.")] = False,
    results: ResultsOption = RESULTS,
    json_: JsonOption = False,
) -> None:
    """Fit a board's cycles to latencies that were measured on it.

    Interrupted, it goes on when it is run again.
    """
    from edgebench.cli.progress import progress_bar
    from edgebench.errors import InputError
    from edgebench.flows.calibrate import calibrate as fit
    from edgebench.flows.calibrate import calibrate_from_board, write_fit
    from edgebench.reports.calibration import calibration_report
    from edgebench.store.begun import begun_calibration
    from edgebench.store.devices import find_device

    chosen = name or from_board
    if chosen is None or (measurements is None) == (from_board is None) or (model and from_board is None):
        raise InputError(
            "latencies come from one source",
            where="devices calibrate",
            remedy="give NAME --measurements FILE.csv, or --from-board BOARD with --model for models of your own",
        )
    device = find_device(chosen)
    kept = begun_calibration(results, device.name)
    with goes_on(f"the networks that are done are kept in {kept.path}"), progress_bar() as progress:
        if measurements is not None:
            found = fit(device, measurements, on_progress=progress, kept=kept)
        else:
            board = find_device(from_board or chosen)
            found = calibrate_from_board(device, board, model, on_progress=progress, kept=kept)
    print_report(calibration_report(found), "devices calibrate", Format.JSON if json_ else Format.TERMINAL)
    path = write_fit(device, found) if write else None
    kept.drop()
    if not json_:
        typer.echo(f"\nwritten: {path}" if path else f"\nfor the device file (--write does it):\n\n{found.section}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new device.")],
    from_: Annotated[str, typer.Option("--from", metavar="DEVICE", help="Device to start from.")] = "host",
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write it.")] = Path("devices"),
) -> None:
    """Write a device file to start from, and say what to fill in."""
    from edgebench.store.device_copies import write_device_copy

    made = write_device_copy(name, from_, folder)
    lines = [f"written: {made.path}", "fill in:", *(f"  {line}" for line in made.to_fill_in)]
    typer.echo("\n".join([*lines, f"then: edgebench devices check {name}"]))
