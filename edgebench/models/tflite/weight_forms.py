"""The weights of a float TFLite file in other forms; activations and the graph stay what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.int8.constants import weight_scales
from edgebench.models.tflite.tree import DAMAGE, GraphEditor, Table, pack_model, parse_tree

_AXIS_OF_OUTPUTS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Operators whose second input is weights, and the axis that counts their outputs."""
_LARGEST_HALF = float(np.finfo(np.float16).max)
_HIGHEST = 127
_HYBRID = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 9}
"""Versions of operators on real numbers whose weights are int8, one scale per channel."""
Array = NDArray[Any]


def half_weights(content: bytes, where: str) -> bytes:
    """Weights in float16, each followed by a DEQUANTIZE to float32, which runtimes do once when they load.

    Raises:
        UnsupportedModelError: There are no weights in float32, or one is too large for float16.
    """
    editor, found = _opened(content, where)
    widened: dict[int, int] = {}
    added = []
    for operator, values in found:
        index = operator.inputs[1]
        if index not in widened:
            if np.abs(values).max(initial=0) > _LARGEST_HALF:
                raise UnsupportedModelError(
                    f"weights of {editor.name(index)!r} are too large for float16", remedy="leave out float16"
                )
            half = editor.add_constant(f"{editor.name(index)}.half", values.astype(np.float16))
            widened[index] = editor.add_tensor(f"{editor.name(index)}.float32", values.shape)
            added.append(editor.operator("DEQUANTIZE", [half], [widened[index]], version=3))
        operator.inputs[1] = widened[index]
    editor.operators = [*added, *editor.operators]
    return _packed(editor, len(content))


def int8_weights(content: bytes, where: str) -> bytes:
    """Weights in int8 with one scale per channel; kernels quantise activations anew in every inference.

    Raises:
        UnsupportedModelError: There are no weights in float32.
    """
    editor, found = _opened(content, where)
    written: dict[tuple[int, str], int] = {}
    for operator, values in found:
        index, kind = operator.inputs[1], editor.kind(operator)
        if (index, kind) not in written:
            axis = _AXIS_OF_OUTPUTS[kind]
            others = tuple(other for other in range(values.ndim) if other != axis)
            scales = weight_scales(np.abs(values).max(axis=others, initial=0.0).astype(np.float64), None, 1.0)
            shape = [1] * values.ndim
            shape[axis] = -1
            levels = np.clip(np.rint(values / scales.reshape(shape)), -_HIGHEST, _HIGHEST).astype(np.int8)
            made = editor.add_constant(f"{editor.name(index)}.{kind.lower()}.int8", levels)
            editor.set_scales(made, [float(scale) for scale in scales], [0] * len(scales), axis)
            written[index, kind] = made
        operator.inputs[1] = written[index, kind]
        editor.set_code(operator, kind, max(editor.version(operator), _HYBRID[kind]))
        if kind == "FULLY_CONNECTED":
            operator.builtinOptions.asymmetricQuantizeInputs = True
    return _packed(editor, len(content))


def with_weights(content: bytes, where: str, change: Callable[[Array], Array | None]) -> tuple[bytes, list[str]]:
    """Other values in the weights of convolutions and dense layers.

    Args:
        content: The file.
        where: Its path, for messages.
        change: From weights, outputs first and inputs last, to others of this shape, or None to leave them.

    Returns:
        The file, and the names of weights that stay: those of depthwise convolutions, and those left.

    Raises:
        UnsupportedModelError: There are no weights in float32.
    """
    editor, found = _opened(content, where)
    left: list[str] = []
    changed: dict[int, int] = {}
    for operator, values in found:
        index = operator.inputs[1]
        if index not in changed:
            other = None if editor.kind(operator) == "DEPTHWISE_CONV_2D" else change(values)
            if other is None:
                left.append(editor.name(index))
                continue
            changed[index] = editor.add_constant(editor.name(index), other.astype(np.float32))
        operator.inputs[1] = changed[index]
    return _packed(editor, len(content)), left


def _opened(content: bytes, where: str) -> tuple[GraphEditor, list[tuple[Table, Array]]]:
    """The main graph, and its operators with weights in float32."""
    from edgebench.models.tflite.int8.plain_form import halves_to_float32, unfold_sparse_weights

    editor = GraphEditor(parse_tree(content, where))
    try:
        halves_to_float32(editor)
        unfold_sparse_weights(editor)
        found = list(_weighted(editor))
    except DAMAGE as error:
        raise UnsupportedModelError(f"its weights cannot be read: {error or type(error).__name__}") from error
    if not found:
        raise UnsupportedModelError(
            "no convolution or dense layer has weights in float32", remedy="leave out the passes that change weights"
        )
    return editor, found


def _weighted(editor: GraphEditor) -> Iterator[tuple[Table, Array]]:
    for operator in editor.operators:
        if editor.kind(operator) in _AXIS_OF_OUTPUTS and len(operator.inputs) > 1:
            index = operator.inputs[1]
            values = editor.values(index) if editor.is_float(index) else None
            if values is not None and values.size:
                yield operator, values


def _packed(editor: GraphEditor, size: int) -> bytes:
    from edgebench.models.tflite.int8.plain_form import remove_unused

    remove_unused(editor.model)
    return pack_model(editor.model, size)
