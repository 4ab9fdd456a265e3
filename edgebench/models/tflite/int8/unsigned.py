"""Converts networks of unsigned bytes, as TensorFlow 1 wrote them, to int8: each value and zero point is 128 lower."""

from __future__ import annotations

import numpy as np

from edgebench.models.tflite.int8.forms import FORMS, Weights
from edgebench.models.tflite.tree import GraphEditor, Table

_HALF = 128
_LARGEST = 127
_AT_EDGES = {"QUANTIZE", "DEQUANTIZE"}


def unsigned_to_signed(editor: GraphEditor) -> bool:
    """Make uint8 tensors int8.

    Activations and constants keep their values exactly. Weights of int8 kernels have no zero point: channels whose
    weights are up to 127 steps from zero keep them exactly, others get a scale that fits.

    Returns:
        Whether there were any. A graph with operators that have no int8 form is left unchanged.
    """
    unsigned = [
        index
        for index in range(len(editor.graph.tensors))
        if editor.dtype(index) == "uint8" and editor.scales(index) is not None
    ]
    touching = [operator for operator in editor.operators if not set(unsigned).isdisjoint(_tensors(operator))]
    if not unsigned or any(editor.kind(operator) not in _AT_EDGES | FORMS.keys() for operator in touching):
        return False
    for operator in touching:
        form = FORMS.get(editor.kind(operator))
        if form is not None and form.weights is not None and editor.dtype(operator.inputs[1]) == "uint8":
            _sign_weights(editor, operator, form.weights)
    for index in unsigned:
        scales = editor.scales(index)
        if scales is not None and editor.dtype(index) == "uint8":
            values = editor.values(index)
            if values is not None:
                editor.set_values(index, (values.astype(np.int16) - _HALF).astype(np.int8))
            editor.set_dtype(index, "int8")
            editor.set_scales(index, [float(scale) for scale in scales[0]], [int(p) - _HALF for p in scales[1]])
    _scale_before_joining(editor)
    return True


def _scale_before_joining(editor: GraphEditor) -> None:
    """Bring what is joined into one scale, which kernels for uint8 do themselves."""
    operators: list[Table] = []
    for operator in editor.operators:
        target = operator.outputs[0] if editor.kind(operator) == "CONCATENATION" else -1
        wanted = editor.scales(target) if target >= 0 and editor.dtype(target) == "int8" else None
        for place, index in enumerate(operator.inputs if wanted is not None else ()):
            scales = editor.scales(index)
            if wanted is None or scales is None or (scales[0][0] == wanted[0][0] and scales[1][0] == wanted[1][0]):
                continue
            scaled = editor.add_tensor(f"{editor.name(index)}_scaled", editor.shape(index), "int8")
            editor.set_scales(scaled, [float(wanted[0][0])], [int(wanted[1][0])])
            operators.append(editor.operator("QUANTIZE", [index], [scaled], version=2, table="QuantizeOptions"))
            operator.inputs[place] = scaled
        operators.append(operator)
    editor.operators = operators


def _sign_weights(editor: GraphEditor, operator: Table, places: Weights) -> None:
    """Weights with one scale and any zero point as int8 with one scale per channel, and the matching bias."""
    weights, bias, axis = operator.inputs[1], places.bias, places.axis
    values, scales = editor.values(weights), editor.scales(weights)
    if values is None or scales is None:
        return
    steps = values.astype(np.float64) - scales[1][0]
    others = tuple(number for number in range(steps.ndim) if number != axis)
    factors = np.maximum(1.0, np.abs(steps).max(axis=others) / _LARGEST)
    shape = [1] * steps.ndim
    shape[axis] = -1
    signed = np.rint(steps / factors.reshape(shape)).astype(np.int8)
    operator.inputs[1] = editor.add_constant(editor.name(weights), signed)
    editor.set_scales(operator.inputs[1], [float(f * scales[0][0]) for f in factors], [0] * len(factors), axis)
    index = operator.inputs[bias] if len(operator.inputs) > bias else -1
    offsets, bias_scales = editor.values(index), editor.scales(index)
    if offsets is None or bias_scales is None:
        return
    operator.inputs[bias] = editor.add_constant(editor.name(index), np.rint(offsets / factors).astype(np.int32))
    bias_scale = [float(f * bias_scales[0][0]) for f in factors]
    editor.set_scales(operator.inputs[bias], bias_scale, [0] * len(factors))


def _tensors(operator: Table) -> list[int]:
    return [*operator.inputs, *operator.outputs]
