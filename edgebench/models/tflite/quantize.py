"""Float TFLite to int8, and how far the two lie apart."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.record import Record
from edgebench.errors import MissingPackageError, UnsupportedModelError
from edgebench.models.tflite.float16 import fold_float16, pack_model

Samples = list[dict[str, NDArray[np.generic]]]
RANDOM_SAMPLES = 16
_QUANTISER_ERRORS = (ValueError, RuntimeError, KeyError, NotImplementedError, IndexError, AttributeError, TypeError)
"""What the quantiser raises for operators and types that it does not expect."""


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
        MissingPackageError: The quantiser is not installed.
    """
    if find_spec("ai_edge_quantizer") is None:
        raise MissingPackageError("quantising needs ai-edge-quantizer", remedy="pip install ai-edge-quantizer")
    try:
        with _quiet():
            target.write_bytes(_quantised_bytes(source, [dict(sample) for sample in samples]))
    except _QUANTISER_ERRORS as error:
        raise UnsupportedModelError(
            f"the model cannot be quantised: {' '.join(str(error).split())[:300]}",
            remedy="quantise it with the tool of its framework and give the int8 file",
        ) from error


def _quantised_bytes(source: Path, samples: Samples) -> bytes:
    """The int8 file, with ranges from the smallest to the largest value that any sample gives a tensor.

    The quantiser's own default is a moving average of the samples' extremes, in which the first sample
    outweighs the rest and half of the extremes are cut off.
    """
    from ai_edge_quantizer import calibrator, quantizer, recipe, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    content, key, names = _with_signature(source)
    named = [{names[tensor]: value for tensor, value in sample.items()} for sample in samples]
    rules = recipe.static_wi8_ai8()
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(rules)
    calibration = calibrator.Calibrator(content, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
    calibration.calibrate({key: named}, manager)
    result = quantizer.Quantizer(content, rules).quantize(
        calibration.get_model_qsvs(), enable_progress_bar=False, enable_progress_report=False
    )
    return bytes(result.quantized_model)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep progress bars, log lines and warnings of the quantiser to itself."""
    with (
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def quantisation_error(float_model: Path, int8_model: Path, samples: Samples, *, calibrated: bool) -> QuantisationError:
    """Compare outputs on the same inputs; int8 outputs are taken at their real values.

    Raises:
        UnsupportedModelError: The quantised model does not run.
    """
    expected = run_tflite(float_model, samples)
    try:
        found = run_tflite(int8_model, samples)
    except RuntimeError as error:
        raise UnsupportedModelError(
            f"the quantised model does not run: {' '.join(str(error).split())[:300]}",
            remedy="quantise it with the tool of its framework and give the int8 file",
        ) from error
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


def _with_signature(source: Path) -> tuple[bytes, str, dict[str, str]]:
    """A file's content with a signature, which the quantiser needs and many files lack.

    Returns:
        The content, the signature's key, and its name for each input tensor.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    content = fold_float16(source)
    interpreter = Interpreter(model_content=content)
    for key, signature in interpreter._get_full_signature_list().items():  # noqa: SLF001 - the public one lacks tensors
        tensors = {detail["index"]: detail["name"] for detail in interpreter.get_tensor_details()}
        return content, key, {tensors[index]: name for name, index in signature["inputs"].items()}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    details = (interpreter.get_input_details(), interpreter.get_output_details())
    signature.inputs, signature.outputs = ([_tensor_map(schema, detail) for detail in part] for part in details)
    model.signatureDefs = [signature]
    return pack_model(model, len(content)), "serving_default", {detail["name"]: detail["name"] for detail in details[0]}


def _tensor_map(schema: Any, detail: Mapping[str, Any]) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = detail["name"].encode(), int(detail["index"])
    return entry


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
