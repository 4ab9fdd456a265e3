"""The verb ``zoo``: export built-in networks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from edgebench.core.model import ModelFormat, format_of_suffix
from edgebench.errors import InputError
from edgebench.models.tflite.quantize import RANDOM_SAMPLES, quantise_tflite
from edgebench.models.zoo import export, zoo_entry

_FORMATS = (ModelFormat.ONNX, ModelFormat.TFLITE, ModelFormat.TORCH_EXPORT)


def export_network(name: str, output: Path, *, int8: bool, seed: int) -> None:
    """Write a built-in network in the format that the file's name asks for.

    Raises:
        InputError: Unknown network or suffix, or int8 for another format than ``.tflite``.
    """
    format_ = format_of_suffix(output.suffix)
    if format_ not in _FORMATS:
        raise InputError(
            f"networks cannot be written as {output.suffix or 'files without a suffix'}",
            where=str(output),
            remedy=f"use a name that ends in {', '.join(form.suffix for form in _FORMATS)}",
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
        samples = [
            {name: random.standard_normal((1, *shape), dtype=np.float32) for name, shape in network.inputs.items()}
            for _ in range(RANDOM_SAMPLES)
        ]
        with tempfile.TemporaryDirectory() as folder:
            float_model = Path(folder) / "float.tflite"
            export(name, format_, float_model, seed=seed)
            quantise_tflite(float_model, output, samples)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(output)) from None
