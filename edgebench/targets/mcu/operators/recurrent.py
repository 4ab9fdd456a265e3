"""Recurrent layers: long short-term memories, and filters over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import power_of_two, quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import listed, require_same_types, type_suffix

_INPUT, _PROJECTION, _PROJECTION_BIAS, _STATE, _CELL = 0, 16, 17, 18, 19
_WEIGHTS, _RECURRENT, _PEEPHOLES, _BIASES, _NORMS = 1, 5, 9, 12, 20
_GATES = ("input", "forget", "cell", "output")
_PEEPHOLE_GATES = {0: 0, 1: 1, 3: 2}
_INTERMEDIATES = 5
_HIDDEN = 4
_RELU = 1
_REMEDY = "export the layer with int8 weights and an int16 cell, as LiteRT's own converter does"


class _Cell:
    """One LSTM: its tensors by position, and what is written of it.

    Args:
        context: Gives tensors.
        operator: The operator.
        index: Its number.
    """

    def __init__(self, context: CodeContext, operator: QuantisedOperator, index: int) -> None:
        self._context, self._operator, self._index = context, operator, index
        self.constants = ""

    def tensor(self, position: int) -> QuantisedTensor | None:
        """An input, or None where it is left out."""
        if position >= len(self._operator.inputs) or self._operator.inputs[position] < 0:
            return None
        tensor = self._context.tensor(self._operator.inputs[position])
        return tensor if tensor.elements else None

    def needed(self, position: int) -> QuantisedTensor:
        """An input that must be there."""
        tensor = self.tensor(position)
        if tensor is None:
            raise ValueError(f"input {position} is missing")
        return tensor

    def values(self, position: int, dtype: str, shape: tuple[int, ...]) -> NDArray[np.generic]:
        """A constant input of a type and shape."""
        tensor = self.needed(position)
        if tensor.data is None or tensor.dtype != dtype:
            raise UnsupportedModelError(
                f"{self._operator.kind} has a kernel for constant {dtype} values, {tensor.name!r} holds others",
                remedy=_REMEDY,
            )
        if tensor.shape != shape:
            raise ValueError(f"{tensor.name!r} is {list(tensor.shape)}, not {list(shape)}")
        return tensor.data

    def define(self, name: str, kind: str, values: NDArray[np.generic]) -> str:
        """Write a constant; its name in C."""
        full = f"{name}_{self._index}"
        self.constants += array(kind, full, values, weights=True)
        return full


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    inputs: int
    cells: int
    outputs: int
    batches: int
    times: int
    batch_step: int
    time_step: int


def lstm(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """UNIDIRECTIONAL_SEQUENCE_LSTM with 8-bit values and a cell of 16 bits."""
    cell = _Cell(context, operator, index)
    output = context.tensor(operator.outputs[0])
    sizes = _sizes(cell, operator)
    cell_bits = _cell_bits(cell, operator)
    require_same_types(operator, cell.needed(_INPUT), cell.needed(_STATE), output)
    if (
        output.dtype != "int8"
        or len(operator.intermediates) != _INTERMEDIATES
        or operator.options.get("diagonalRecurrentTensors")
    ):
        raise UnsupportedModelError(
            f"{operator.kind} has a kernel for values of 8 bits, cells of 16 and whole recurrent weights",
            remedy=_REMEDY,
        )
    hidden = context.tensor(operator.intermediates[_HIDDEN])
    norms = cell.tensor(_NORMS + 1) is not None
    scales = [
        np.float32(context.tensor(operator.intermediates[number]).scale if norms else 2.0**-12) for number in range(4)
    ]
    gates = [_gate(cell, number, sizes, scales[number], cell_bits) for number in range(4)]
    factor = np.float32(2.0**-15 / float(np.float32(hidden.scale)) * 2.0**-15)
    settings = (
        *(sizes.inputs, sizes.cells, sizes.outputs, sizes.batches, sizes.times, sizes.batch_step, sizes.time_step),
        *(cell_bits, _clip(operator, "cellClip", cell.needed(_CELL), 32767)),
        *(*quantise_multiplier(float(factor)), -hidden.zero_point if cell.tensor(_PROJECTION) else hidden.zero_point),
    )
    body = (
        f"  static const eb_lstm_params params = {{{listed(settings)}, {_projection(cell, operator, sizes, hidden)}, "
        f"{', '.join(gates)}}};\n"
        f"  eb_lstm_s8({context.pointer(operator.inputs[_INPUT])}, {context.pointer(operator.outputs[0])}, "
        f"{context.pointer(operator.inputs[_STATE])}, {context.pointer(operator.inputs[_CELL])}, "
        f"(int16_t *)(edgebench_arena + SCRATCH_{index}), &params);\n  return 0;\n"
    )
    scratch = 2 * (sizes.inputs + sizes.outputs + 5 * sizes.cells + 6)
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=cell.constants, scratch_bytes=scratch)


def _sizes(cell: _Cell, operator: QuantisedOperator) -> _Sizes:
    source, state = cell.needed(_INPUT), cell.needed(_STATE)
    cells, inputs = cell.needed(_WEIGHTS + 3).shape
    outputs = cell.needed(_RECURRENT + 3).shape[1]
    major = bool(operator.options.get("timeMajor"))
    times, batches, _ = source.shape if major else (source.shape[1], source.shape[0], source.shape[2])
    if source.elements != times * batches * inputs or state.elements != batches * outputs:
        raise ValueError(f"{list(source.shape)} and {list(state.shape)} do not fit the weights")
    if cell.needed(_CELL).elements != batches * cells:
        raise ValueError(f"a cell of {cell.needed(_CELL).elements} values for {batches} x {cells}")
    batch_step, time_step = (1, batches) if major else (times, 1)
    return _Sizes(
        inputs=inputs,
        cells=cells,
        outputs=outputs,
        batches=batches,
        times=times,
        batch_step=batch_step,
        time_step=time_step,
    )


def _cell_bits(cell: _Cell, operator: QuantisedOperator) -> int:
    state = cell.needed(_CELL)
    power = power_of_two(state.scale)
    if state.dtype != "int16" or power is None or not 9 <= -power <= 15:
        raise UnsupportedModelError(
            f"{operator.kind} has a kernel for cells of 16 bits in steps of 2^-9 to 2^-15; {state.name!r} is "
            f"{state.dtype} in steps of {state.scale:g}",
            remedy=_REMEDY,
        )
    return -power


def _clip(operator: QuantisedOperator, option: str, tensor: QuantisedTensor, largest: int) -> int:
    limit = float(operator.options.get(option) or 0.0)
    return int(min(np.float32(limit) / np.float32(tensor.scale), np.float32(largest))) if limit > 0 else 0


def _gate(cell: _Cell, number: int, sizes: _Sizes, scale: np.float32, cell_bits: int) -> str:
    """One gate's settings; that of the input may be left out."""
    if number == 0 and cell.tensor(_WEIGHTS) is None:
        return "{0}"
    name, norms = _GATES[number], cell.tensor(_NORMS + 1) is not None
    weights = cell.values(_WEIGHTS + number, "int8", (sizes.cells, sizes.inputs))
    recurrent = cell.values(_RECURRENT + number, "int8", (sizes.cells, sizes.outputs))
    bias = cell.values(_BIASES + number, "int32", (sizes.cells,))
    source, state = cell.needed(_INPUT), cell.needed(_STATE)
    start = np.zeros(sizes.cells, np.int64) if norms else bias.astype(np.int64)
    biases = (_with_zero_point(start, weights, source), _with_zero_point(0 * start, recurrent, state))
    # LiteRT multiplies these scales in single precision.
    factors = [
        quantise_multiplier(float(np.float32(cell.needed(position + number).scale) * np.float32(tensor.scale) / scale))
        for position, tensor in ((_WEIGHTS, source), (_RECURRENT, state))
    ]
    parts = [
        cell.define(f"{name}_weights", "int8_t", weights),
        cell.define(f"{name}_recurrent", "int8_t", recurrent),
        cell.define(f"{name}_bias", "int32_t", biases[0]),
        cell.define(f"{name}_recurrent_bias", "int32_t", biases[1]),
        *(listed(factor) for factor in factors),
        _peephole(cell, number, sizes, scale, cell_bits),
        _norm(cell, number, bias) if norms else "NULL, NULL, 0, 0, 0",
    ]
    return "{" + ", ".join(parts) + "}"


def _with_zero_point(
    bias: NDArray[np.int64], weights: NDArray[np.generic], values: QuantisedTensor
) -> NDArray[np.int32]:
    sums: NDArray[np.int64] = weights.astype(np.int64).sum(axis=1)
    return np.asarray(bias - values.zero_point * sums, np.int32)


def _peephole(cell: _Cell, number: int, sizes: _Sizes, scale: np.float32, cell_bits: int) -> str:
    position = _PEEPHOLES + _PEEPHOLE_GATES.get(number, 0)
    weights = cell.tensor(position) if number in _PEEPHOLE_GATES else None
    if weights is None:
        return "NULL, 0, 0"
    if sizes.cells != sizes.outputs:
        raise UnsupportedModelError("peepholes beside a projection have no kernel", remedy=_REMEDY)
    name = cell.define(f"{_GATES[number]}_peephole", "int16_t", cell.values(position, "int16", (sizes.cells,)))
    factor = np.float32(2.0**-cell_bits * float(np.float32(weights.scale)) / float(scale))
    return f"{name}, {listed(quantise_multiplier(float(factor)))}"


def _norm(cell: _Cell, number: int, bias: NDArray[np.generic]) -> str:
    weights = cell.needed(_NORMS + number)
    values = cell.values(_NORMS + number, "int16", bias.shape)
    scale = np.float32(weights.scale)
    names = (
        cell.define(f"{_GATES[number]}_norm", "int16_t", values),
        cell.define(f"{_GATES[number]}_norm_bias", "int32_t", bias),
    )
    guard = max(1, int(np.float32(10000) * scale))
    return f"{', '.join(names)}, {listed(quantise_multiplier(float(scale)))}, {guard}"


def _projection(cell: _Cell, operator: QuantisedOperator, sizes: _Sizes, hidden: QuantisedTensor) -> str:
    weights, state = cell.tensor(_PROJECTION), cell.needed(_STATE)
    if weights is None:
        if sizes.cells != sizes.outputs:
            raise ValueError(f"{sizes.cells} cells give {sizes.outputs} values without a projection")
        return "NULL, NULL, 0, 0, 0, 0"
    values = cell.values(_PROJECTION, "int8", (sizes.outputs, sizes.cells))
    bias = np.zeros(sizes.outputs, np.int64)
    if cell.tensor(_PROJECTION_BIAS) is not None:
        bias = cell.values(_PROJECTION_BIAS, "int32", (sizes.outputs,)).astype(np.int64)
    bias = bias + hidden.zero_point * values.astype(np.int64).sum(axis=1)
    factor = np.float32(weights.scale) * np.float32(hidden.scale) / np.float32(state.scale)
    names = (
        cell.define("projection", "int8_t", values),
        cell.define("projection_bias", "int32_t", bias.astype(np.int32)),
    )
    clip = _clip(operator, "projClip", state, 127)
    return f"{', '.join(names)}, {listed((*quantise_multiplier(float(factor)), state.zero_point, clip))}"


def svdf(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """SVDF with a state of 8 or of 16 bits."""
    cell = _Cell(context, operator, index)
    source, output, state = cell.needed(0), context.tensor(operator.outputs[0]), cell.needed(4)
    require_same_types(operator, source, output)
    if output.dtype != "int8" or state.dtype not in {"int8", "int16"}:
        raise UnsupportedModelError(
            f"{operator.kind} has a kernel for values of 8 bits and a state of 8 or 16", remedy=_REMEDY
        )
    if operator.options.get("fusedActivationFunction") != _RELU:
        raise UnsupportedModelError(
            f"{operator.kind} has a kernel with the activation RELU, as LiteRT does",
            remedy="let the layer end with RELU, whose output cannot be below its zero point",
        )
    filters, inputs = cell.needed(1).shape
    memory, rank = cell.needed(2).shape[1], int(operator.options["rank"])
    batches = source.elements // inputs
    if batches * inputs != source.elements or rank < 1 or batches * filters != rank * output.elements:
        raise ValueError(f"{list(source.shape)} gives {list(output.shape)} with {filters} filters of rank {rank}")
    if state.elements != batches * filters * memory:
        raise ValueError(f"a state of {state.elements} values for {batches} x {filters} x {memory}")
    weights = cell.define("weights", "int8_t", cell.values(1, "int8", (filters, inputs)))
    times = cell.define("times", f"{state.dtype}_t", cell.values(2, state.dtype, (filters, memory)))
    bias = "NULL"
    if cell.tensor(3) is not None:
        bias = cell.define("bias", "int32_t", cell.values(3, "int32", (filters // rank,)))
    # LiteRT multiplies these scales in single precision.
    scales = [np.float32(tensor.scale) for tensor in (source, cell.needed(1), state, cell.needed(2), output)]
    factors = [float(scales[0] * scales[1] / scales[2]), float(scales[2] * scales[3] / scales[4])]
    zero = state.zero_point if state.dtype == "int8" else 0
    settings = (
        f"{listed((batches, inputs, filters, rank, memory))}, {weights}, {bias}, {-source.zero_point}, "
        f"{listed(quantise_multiplier(factors[0]))}, {zero}, {listed(quantise_multiplier(factors[1]))}, "
        f"{output.zero_point}"
    )
    body = (
        f"  static const eb_svdf_params params = {{{settings}}};\n"
        f"  eb_svdf_{type_suffix(state)}({context.pointer(operator.inputs[0])}, {times}, "
        f"{context.pointer(operator.outputs[0])}, {context.pointer(operator.inputs[4])}, "
        f"(int16_t *)(edgebench_arena + SCRATCH_{index}), &params);\n  return 0;\n"
    )
    return LayerCode(
        name=output.name, kind=operator.kind, body=body, constants=cell.constants, scratch_bytes=2 * inputs
    )
