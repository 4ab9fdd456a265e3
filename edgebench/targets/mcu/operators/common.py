"""What the writers of several operators need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import activation_range
from edgebench.targets.mcu.layer_code import CodeContext

_ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_SAME = 0


def fused_activation(operator: QuantisedOperator, output: QuantisedTensor) -> tuple[int, int]:
    """Lowest and highest value that the fused activation lets through."""
    code = operator.options.get("fusedActivationFunction", 0)
    if code not in _ACTIVATIONS:
        raise UnsupportedModelError(f"{operator.kind} has a fused activation without a kernel (code {code})")
    limits = np.iinfo(output.dtype)
    return activation_range(_ACTIVATIONS[code], output.scale, output.zero_point, (int(limits.min), int(limits.max)))


def rows_of(tensor: QuantisedTensor) -> tuple[int, int]:
    """Number of rows along the last axis, and their length; a single value is a row by itself."""
    width = tensor.shape[-1] if tensor.shape else 1
    return tensor.elements // width, width


def type_suffix(tensor: QuantisedTensor) -> str:
    """How kernels name the type of their values."""
    return f"s{8 * tensor.item_bytes}"


def require_same_types(operator: QuantisedOperator, *tensors: QuantisedTensor) -> None:
    """Check that tensors hold values of one type.

    Raises:
        UnsupportedModelError: They do not.
    """
    if len({tensor.dtype for tensor in tensors}) > 1:
        held = ", ".join(f"{tensor.name!r} {tensor.dtype}" for tensor in tensors)
        raise UnsupportedModelError(
            f"{operator.kind} has a kernel for values of one type; it is given {held}",
            remedy="quantise the whole model to int8 (edgebench export MODEL --to int8-tflite)",
        )


def image_padding(
    operator: QuantisedOperator,
    size: tuple[int, ...],
    kernel: tuple[int, int],
    output: tuple[int, ...],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """Rows above and columns left of the image, as TFLite computes them."""
    if operator.options["padding"] != _SAME:
        return 0, 0
    stride = (operator.options["strideH"], operator.options["strideW"])
    totals = [
        max(0, (out - 1) * step + (window - 1) * spread + 1 - length)
        for length, window, out, step, spread in zip(size, kernel, output, stride, dilation, strict=True)
    ]
    return totals[0] // 2, totals[1] // 2


def require_constant(context: CodeContext, operator: QuantisedOperator, position: int) -> NDArray[np.generic]:
    """Values of an input that must not be computed.

    Raises:
        UnsupportedModelError: It is computed.
    """
    data = context.tensor(operator.inputs[position]).data
    if data is None:
        raise UnsupportedModelError(f"{operator.kind} computes its input {position}; kernels need constants")
    return data


def each_image(call: str, context: CodeContext, operator: QuantisedOperator) -> str:
    """Statements that call a kernel for one image after the other, as some kernels take one alone.

    Args:
        call: A C expression of the kernel's status, with ``{source}`` and ``{output}`` for where an image lies.
        context: Tells where tensors lie.
        operator: Reads and writes a batch of images.
    """
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    places = context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0])
    images = source.shape[0]
    if images == 1:
        return f"  return {call.format(source=places[0], output=places[1])};\n"
    moved = call.format(
        source=f"{places[0]} + image * {source.elements // images}",
        output=f"{places[1]} + image * {output.elements // images}",
    )
    return (
        f"  for (int image = 0; image < {images}; image++) {{\n    const int status = {moved};\n"
        "    if (status != 0) return status;\n  }\n  return 0;\n"
    )


def listed(values: tuple[int, ...]) -> str:
    """Numbers as C writes a list of them."""
    return ", ".join(map(str, values))
