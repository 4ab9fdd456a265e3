"""``edgebench devices``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Devices that can be targeted here.", invoke_without_command=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A device, or the path of a device file.")]


@app.callback()
def list_devices(context: typer.Context, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List all devices: kind, target, whether they are ready, and what to do if not."""
    if context.invoked_subcommand is not None:
        return
    from edgebench.reports.devices import all_statuses, devices_report

    print_report(devices_report(all_statuses()), Format.JSON if json_ else format_)


@app.command()
def show(name: NameArgument, json_: JsonOption = False) -> None:
    """Print a device's description and where it was read from."""
    import json

    from edgebench.store.codec import to_plain
    from edgebench.store.devices import find_device

    device = find_device(name)
    if json_:
        typer.echo(json.dumps(to_plain(device), indent=1))
    else:
        typer.echo(f"# {device.origin}\n{Path(device.origin).read_text(encoding='utf-8').rstrip()}")


@app.command()
def check(name: NameArgument, json_: JsonOption = False) -> None:
    """Say whether a device is ready, and how quiet the machine is."""
    from edgebench.reports.device_check import check_report
    from edgebench.reports.devices import status_of

    status = status_of(name)
    print_report(check_report(status), Format.JSON if json_ else Format.TERMINAL)
    raise typer.Exit(0 if status.ready else 3)


@app.command()
def calibrate(
    name: NameArgument,
    measurements: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="Columns model (a path or zoo:NAME) and latency (99.8ms).")
    ],
    json_: JsonOption = False,
) -> None:
    """Fit a microcontroller's cycles per instruction to latencies measured on the board."""
    from edgebench.cli.progress import progress_bar
    from edgebench.flows.calibrate import calibrate as fit
    from edgebench.store.devices import find_device

    with progress_bar() as progress:
        report, section = fit(find_device(name), measurements, progress)
    print_report(report, Format.JSON if json_ else Format.TERMINAL)
    if not json_:
        typer.echo(f"\nfor the device file:\n\n{section}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new device.")],
    from_: Annotated[str, typer.Option("--from", metavar="DEVICE", help="Device to start from.")] = "host",
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write it.")] = Path("devices"),
) -> None:
    """Write a commented device file to start from."""
    from edgebench.store.devices import write_device_copy

    path = write_device_copy(name, from_, folder)
    typer.echo(f"written: {path}\nedit it, then: edgebench devices check {name}")
