"""``edgebench export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgebench.cli import completion
from edgebench.cli.options import CalibrationOption, ConverterOption, SeedOption, ShapeOption, SignatureOption
from edgebench.core.model import Converter


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model file, module:function, or zoo:NAME.", autocompletion=completion.models
        ),
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="FORM", help="c, int8-tflite, tflite, or vela (compiled for an Ethos-U).")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="A folder for C, a file for the others.")
    ],
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            "-d",
            metavar="NAME",
            help="What c or vela is for: a microcontroller, an NPU.",
            autocompletion=completion.devices,
        ),
    ] = None,
    calibration: CalibrationOption = None,
    shape: ShapeOption = [],
    signature: SignatureOption = None,
    converter: ConverterOption = Converter.EDGEBENCH,
    seed: SeedOption = 0,
) -> None:
    """Write a model as it ships: C, TFLite, compiled for an NPU."""
    from edgebench.cli.compose import compose_inputs
    from edgebench.errors import InputError
    from edgebench.flows.export import ExportForm, export_model
    from edgebench.reports.visible import visible
    from edgebench.store.devices import find_device

    if to not in set(ExportForm):
        raise InputError(f"cannot export to {to!r}", where="--to", remedy=f"one of {', '.join(ExportForm)}")
    if device is not None and to not in {ExportForm.C, ExportForm.VELA}:
        raise InputError(f"{to} is the same for every device", where="--device", remedy="leave it out, or use --to c")
    found = find_device(device) if device else None
    needed = {ExportForm.C: "mcu", ExportForm.VELA: "ethos-u"}.get(ExportForm(to))
    if found is not None and found.target != needed:
        raise InputError(
            f"{to} is not what {device} runs", where="--device", remedy=f"name a device of target {needed}"
        )
    if found is None and to == ExportForm.VELA:
        raise InputError("vela compiles for one NPU", where="--device", remedy="such as -d ethos-u55-128")
    inputs = compose_inputs(shape, None, seed, calibration, signature, converter)
    files, notes = export_model(model, ExportForm(to), output, inputs, found)
    for note in notes:
        typer.echo(f"- {visible(note)}")
    written = f"{len(files)} files in {output}" if len(files) > 1 else str(files[0])
    typer.echo(f"written: {written}")
