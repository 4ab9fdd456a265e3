"""``edgebench devices``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Devices that can be targeted here.", invoke_without_command=True)

SearchOption = Annotated[
    list[str] | None,
    typer.Option("--search", metavar="WORDS", help="Only devices with these words: core, vendor, chip, anything."),
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
) -> None:
    """Devices that can be targeted here; lists them if no command is given."""
    if context.invoked_subcommand is None:
        list_devices(format_, json_, search)


@app.command("list")
def list_devices(
    format_: FormatOption = Format.TERMINAL, json_: JsonOption = False, search: SearchOption = None
) -> None:
    """List all devices: which are ready, and what others need."""
    from edgebench.flows.devices import all_statuses
    from edgebench.reports.devices import devices_report

    print_report(devices_report(all_statuses(search or ())), "devices list", Format.JSON if json_ else format_)


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
def calibrate(
    name: NameArgument,
    measurements: Annotated[
        Path,
        typer.Option(
            metavar="FILE.csv",
            help="Columns: model (a path or zoo:NAME); latency (99.8ms) or latency_ms; optional energy_mj, runtime.",
        ),
    ],
    write: Annotated[bool, typer.Option("--write", help="Put the calibration into the device's file.")] = False,
    json_: JsonOption = False,
) -> None:
    """Fit a board's cycles to latencies that were measured on it."""
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.calibrate import calibrate as fit
    from edgebench.flows.calibrate import write_fit
    from edgebench.reports.calibration import calibration_report
    from edgebench.store.devices import find_device

    device = find_device(name)
    with progress_bar() as progress:
        found = fit(device, measurements, on_progress=progress)
    print_report(calibration_report(found), "devices calibrate", Format.JSON if json_ else Format.TERMINAL)
    path = write_fit(device, found) if write else None
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
