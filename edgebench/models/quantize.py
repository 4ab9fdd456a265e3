"""Float TFLite to int8, and how far the two lie apart."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.record import Record
from edgebench.errors import TargetUnavailableError, UnsupportedModelError

Samples = list[dict[str, NDArray[np.generic]]]
RANDOM_SAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisationError(Record):
    """How far the outputs of an int8 model lie from those of the float one.

    Attributes:
        relative_rms: Root mean square of the difference over that of the float outputs.
        samples: Inputs compared.
        calibrated: Whether the user's data set the ranges, rather than random values.
    """

    relative_rms: float
    samples: int
    calibrated: bool


def quantise_tflite(source: Path, target: Path, samples: Iterable[Mapping[str, NDArray[np.generic]]]) -> None:
    """Quantise to int8 weights, one scale a channel, and int8 activations, inputs and outputs.

    Args:
        source: A float32 ``.tflite`` file.
        target: File to write.
        samples: Inputs by tensor name; their ranges become those of the activations.

    Raises:
        UnsupportedModelError: The quantiser cannot handle the model.
        TargetUnavailableError: The quantiser is not installed.
    """
    try:
        from ai_edge_quantizer import quantizer, recipe
    except ModuleNotFoundError as error:
        raise TargetUnavailableError(
            "quantising needs ai-edge-quantizer", remedy="pip install ai-edge-quantizer"
        ) from error
    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        quantiser = quantizer.Quantizer(str(source), recipe.static_wi8_ai8())
        key = _signature_key(source)
        ranges = quantiser.calibrate({key: [dict(sample) for sample in samples]}, num_threads=1)
        quantiser.quantize(ranges, enable_progress_report=False).export_model(str(target), overwrite=True)
    except (ValueError, RuntimeError, KeyError, NotImplementedError, IndexError) as error:
        raise UnsupportedModelError(
            f"the model cannot be quantised: {' '.join(str(error).split())[:300]}",
            remedy="quantise it with the tool of its framework and give the int8 file",
        ) from error


def quantisation_error(float_model: Path, int8_model: Path, samples: Samples, *, calibrated: bool) -> QuantisationError:
    """Compare outputs on the same inputs; int8 outputs are taken at their real values."""
    expected = run_tflite(float_model, samples)
    found = run_tflite(int8_model, samples)
    difference = np.concatenate([(a - b).ravel() for a, b in zip(expected, found, strict=True)])
    reference = np.concatenate([a.ravel() for a in expected])
    size = float(np.sqrt(np.mean(reference**2)))
    rms = float(np.sqrt(np.mean(difference**2)))
    return QuantisationError(
        relative_rms=rms / size if size > 0 else float(rms > 0), samples=len(samples), calibrated=calibrated
    )


def run_tflite(model: Path, samples: Samples, *, reference: bool = False) -> list[NDArray[np.float64]]:
    """All outputs of each sample in one vector, as real values.

    Args:
        model: A ``.tflite`` file with float32 or quantised inputs.
        samples: Inputs in the order of the model's own, as real values.
        reference: Whether to use LiteRT's reference kernels.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    interpreter = Interpreter(model_path=str(model), num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    results = []
    for sample in samples:
        for detail, value in zip(inputs, sample.values(), strict=True):
            interpreter.set_tensor(detail["index"], _quantised(value, detail))
        interpreter.invoke()
        values = [_real(interpreter.get_tensor(detail["index"]), detail) for detail in outputs]
        results.append(np.concatenate([value.ravel() for value in values]))
    return results


def _signature_key(model: Path) -> str:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_path=str(model)).get_signature_list()
    # The quantiser calls a file without signatures by this name.
    return next(iter(signatures), "serving_default")


def _quantised(value: NDArray[np.generic], detail: Mapping[str, Any]) -> NDArray[np.generic]:
    scale, zero_point = detail["quantization"]
    dtype = np.dtype(detail["dtype"])
    if not scale or dtype.kind == "f":
        return value.astype(dtype)
    limits = np.iinfo(dtype)
    levels = np.clip(np.round(value.astype(np.float64) / scale) + zero_point, limits.min, limits.max)
    quantised: NDArray[np.generic] = levels.astype(dtype)
    return quantised


def _real(value: NDArray[np.generic], detail: Mapping[str, Any]) -> NDArray[np.float64]:
    scale, zero_point = detail["quantization"]
    real = value.astype(np.float64)
    return (real - zero_point) * scale if scale and value.dtype.kind != "f" else real
