"""Layers with a memory, LSTM and SVDF: the ranges of the memory, and their int8 forms.

The int8 LSTM of TensorFlow Lite multiplies int8 with int8, stores gates in 16 bits and the cell in 16 bits with a power
of two as step; its output, which is also its state, is int8. Its SVDF stores its memory in 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.models.tflite.int8.constants import quantised_bias, weight_scales
from edgebench.models.tflite.int8.running import Runner
from edgebench.models.tflite.int8.scale import HIGHEST, Scale
from edgebench.models.tflite.tree import GraphEditor, Table

LSTM, SVDF = "UNIDIRECTIONAL_SEQUENCE_LSTM", "SVDF"
FIRST_INT8_VERSION = 3
"""Of both operators."""
_HIGHEST_16 = 2**15 - 1
_LARGEST_CELL = 64.0
"""Above this, kernels refuse the step of the cell."""
_GATES = 4
_OTHER_INPUTS = (9, 10, 11, 16, 17, 20, 21, 22, 23)
"""Inputs of an LSTM with peepholes, projection or normalised gates, which int8 compilers do not support."""
_STATE, _CELL = 18, 19

_Array = NDArray[np.float64]


def has_int8_form(editor: GraphEditor, operator: Table) -> bool:
    """Whether an operator is a layer with a memory that has an int8 form."""
    kind, inputs = editor.kind(operator), operator.inputs
    if kind == SVDF:
        return len(inputs) == 5 and all(editor.is_stored(index) for index in inputs[1:3])
    if kind != LSTM or len(inputs) <= _CELL:
        return False
    plain = all(index < 0 for place, index in enumerate(inputs) if place in _OTHER_INPUTS)
    return plain and all(editor.is_stored(index) for index in (*inputs[1:9], *inputs[12:16]))


@dataclass(slots=True)
class Memory:
    """What is in the memory of a layer.

    Attributes:
        largest: Magnitude of the largest value so far.
        state: Output of the last step of an LSTM.
        cell: Its cell.
    """

    largest: float = 0.0
    state: _Array | None = None
    cell: _Array | None = None


def watch(editor: GraphEditor, operator: Table, runner: Runner, memory: Memory) -> None:
    """Include the values in the memory of a layer during a run."""
    if editor.kind(operator) == SVDF:
        remembered = runner.value(operator.inputs[4])
        if remembered is not None and remembered.size:
            memory.largest = max(memory.largest, float(np.abs(remembered).max()))
        return
    values = runner.value(operator.inputs[0])
    if values is not None:
        steps = values if operator.builtinOptions.timeMajor else values.swapaxes(0, 1)
        _run_lstm(editor, operator, steps.astype(np.float64), memory)


def _run_lstm(editor: GraphEditor, operator: Table, steps: _Array, memory: Memory) -> None:
    """The cell, of which the tensors of a file show only the last value."""
    parts = [editor.values(index) for index in (*operator.inputs[1:9], *operator.inputs[12:16])]
    arrays = [np.zeros(0) if part is None else part.astype(np.float64) for part in parts]
    weights, recurrent, bias = (np.concatenate(arrays[start : start + _GATES]) for start in range(0, 12, _GATES))
    units = arrays[0].shape[0]
    state = np.zeros((steps.shape[1], units)) if memory.state is None else memory.state
    cell = np.zeros_like(state) if memory.cell is None else memory.cell
    clip = operator.builtinOptions.cellClip
    for step in steps:
        gates = (step @ weights.T + state @ recurrent.T + bias).reshape(-1, _GATES, units)
        enter, forget, leave = (_logistic(gates[:, number]) for number in (0, 1, 3))
        cell = forget * cell + enter * np.tanh(gates[:, 2])
        cell = np.clip(cell, -clip, clip) if clip > 0 else cell
        state = leave * np.tanh(cell)
        memory.largest = max(memory.largest, float(np.abs(cell).max(initial=0.0)))
    memory.state, memory.cell = state, cell


def _logistic(values: _Array) -> _Array:
    result: _Array = 0.5 * (1 + np.tanh(values / 2))
    return result


def quantise(editor: GraphEditor, operator: Table, source: Scale, target: Scale, memory: Memory) -> None:
    """Give a layer integer weights and memory; its input and output already have their scales."""
    if editor.kind(operator) == SVDF:
        _quantise_svdf(editor, operator, memory)
        return
    steps = [_quantise_matrix(editor, operator, place) for place in range(1, 9)]
    for gate in range(_GATES):
        bias = editor.values(operator.inputs[12 + gate])
        if bias is not None:
            scale = np.array([source.step * steps[gate]])
            number = quantised_bias(editor, operator.inputs[12 + gate], bias.astype(np.float64), scale)
            operator.inputs[12 + gate] = number
    editor.set_dtype(operator.inputs[_STATE], "int8")
    editor.set_scales(operator.inputs[_STATE], [target.step], [target.zero_point])
    largest = min(max(memory.largest, 2.0**-8), _LARGEST_CELL)
    editor.set_dtype(operator.inputs[_CELL], "int16")
    editor.set_scales(operator.inputs[_CELL], [2.0 ** np.ceil(np.log2(largest)) / 2**15], [0])
    # The first four belong to normalised gates; the kernel requires them, and the scale of the last.
    names = [f"{editor.name(operator.outputs[0])}_gate{number}" for number in range(_GATES)]
    operator.intermediates = [editor.add_tensor(name, [0]) for name in names]
    hidden = editor.add_tensor(f"{editor.name(operator.outputs[0])}_hidden", [0], "int8")
    editor.set_scales(hidden, [target.step], [target.zero_point])
    operator.intermediates.append(hidden)
    operator.builtinOptions.asymmetricQuantizeInputs = False


def _quantise_svdf(editor: GraphEditor, operator: Table, memory: Memory) -> None:
    """Scales of the memory and of the weights over time are those of 16 bits."""
    _, feature, time, bias, state = operator.inputs
    step = float(np.float32(max(memory.largest, 1e-6) / _HIGHEST_16))
    _quantise_matrix(editor, operator, 1)
    values = editor.values(time)
    weights = np.zeros(0) if values is None else values.astype(np.float64)
    time_step = float(np.float32(max(np.abs(weights).max(initial=0.0), 1e-6) / _HIGHEST_16))
    operator.inputs[2] = editor.add_constant(editor.name(time), np.rint(weights / time_step).astype(np.int16))
    editor.set_scales(operator.inputs[2], [time_step], [0])
    offsets = editor.values(bias) if bias >= 0 else None
    if offsets is None:
        offsets, bias = np.zeros(editor.shape(operator.outputs[0])[-1]), feature
    operator.inputs[3] = quantised_bias(editor, bias, offsets.astype(np.float64), np.array([step * time_step]))
    editor.set_dtype(state, "int16")
    editor.set_scales(state, [step], [0])


def _quantise_matrix(editor: GraphEditor, operator: Table, place: int) -> float:
    """Store a matrix with one scale; returns its step."""
    values = editor.values(operator.inputs[place])
    numbers = np.zeros(0) if values is None else values.astype(np.float64)
    step = float(weight_scales(np.abs(numbers).max(keepdims=False, initial=0.0).reshape(1), None, 1.0)[0])
    levels = np.clip(np.rint(numbers / step), -HIGHEST, HIGHEST).astype(np.int8)
    operator.inputs[place] = editor.add_constant(editor.name(operator.inputs[place]), levels)
    editor.set_scales(operator.inputs[place], [step], [0])
    return step
