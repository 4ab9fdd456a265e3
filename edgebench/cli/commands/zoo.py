"""``edgebench zoo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.output import Format, FormatOption, JsonOption, print_report

app = typer.Typer(help="Built-in reference networks.", invoke_without_command=True)


@app.callback()
def default(context: typer.Context, format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """Built-in reference networks; lists them if no command is given."""
    if context.invoked_subcommand is None:
        list_networks(format_, json_)


@app.command("list")
def list_networks(format_: FormatOption = Format.TERMINAL, json_: JsonOption = False) -> None:
    """List the built-in networks."""
    from edgebench.reports.zoo import zoo_report

    print_report(zoo_report(), "zoo list", Format.JSON if json_ else format_)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A network, with or without zoo: before it.", autocompletion=completion.models
        ),
    ],
    format_: FormatOption = Format.TERMINAL,
    json_: JsonOption = False,
) -> None:
    """Show the layers of a built-in network."""
    from edgebench.reports.zoo import network_report

    print_report(network_report(name.removeprefix("zoo:")), "zoo show", Format.JSON if json_ else format_)


@app.command()
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A network, with or without zoo: before it.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Ends in .onnx, .tflite or .pt2.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise a .tflite to int8 (weights are random: latency only).")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights.")] = 0,
) -> None:
    """Write a built-in network as a model file."""
    from edgebench.flows.zoo import export_network

    export_network(name.removeprefix("zoo:"), output, int8=int8, seed=seed)
    typer.echo(f"written: {output} ({output.stat().st_size:,} bytes)")
