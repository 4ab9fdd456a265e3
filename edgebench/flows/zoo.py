"""The verb ``zoo``: list and export built-in networks."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError
from edgebench.models.network import INPUT
from edgebench.models.tflite.quantize import RANDOM_SAMPLES, quantise_tflite
from edgebench.models.zoo import export, zoo_entries, zoo_entry
from edgebench.reports.report import Cell, Column, Report, Table

_SUFFIXES = {".onnx": ModelFormat.ONNX, ".tflite": ModelFormat.TFLITE, ".pt2": ModelFormat.TORCH_EXPORT}


def zoo_report() -> Report:
    """A table of the built-in networks with exact counts."""
    rows: list[Mapping[str, Cell]] = []
    for entry in zoo_entries():
        network = entry.build()
        rows.append(
            {
                "network": f"zoo:{entry.name}",
                "task": entry.task,
                "input": " x ".join(map(str, network.input_shape)),
                "macs": network.macs,
                "parameters": network.parameters,
                "source": entry.source,
            }
        )
    titles = {"network": "network", "task": "task", "input": "input", "macs": "MACs", "parameters": "parameters"}
    columns = tuple(Column(key=key, title=title) for key, title in {**titles, "source": "source"}.items())
    caption = "also mobilenet-v2-WIDTH-SIZE for any width and size; weights are random, for latency and memory alone"
    return Report(
        tables=(Table(title="Built-in networks", columns=columns, rows=tuple(rows), caption=caption),),
        records=tuple(rows),
    )


def export_network(name: str, output: Path, *, int8: bool, seed: int) -> None:
    """Write a built-in network in the format that the file's name asks for.

    Raises:
        InputError: Unknown network or suffix, or int8 for another format than ``.tflite``.
    """
    format_ = _SUFFIXES.get(output.suffix)
    if format_ is None:
        raise InputError(
            f"{output.suffix or 'no suffix'!r} is no format", where=str(output), remedy=f"end in {', '.join(_SUFFIXES)}"
        )
    if int8 and format_ is not ModelFormat.TFLITE:
        raise InputError("int8 is written as .tflite only", where=str(output))
    network = zoo_entry(name).build()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if not int8:
            export(name, format_, output, seed=seed)
            return
        random = np.random.default_rng(seed)
        shape = (1, *network.input_shape)
        samples = [{INPUT: random.standard_normal(shape, dtype=np.float32)} for _ in range(RANDOM_SAMPLES)]
        with tempfile.TemporaryDirectory() as folder:
            float_model = Path(folder) / "float.tflite"
            export(name, format_, float_model, seed=seed)
            quantise_tflite(float_model, output, samples)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(output)) from None
