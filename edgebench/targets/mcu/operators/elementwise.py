"""Functions of one value, and of two."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import fused_activation, listed
from edgebench.targets.mcu.reference_tables import reference_table

MAX_AXES = 4
_TWO_SCALES = {"ADD", "SUB"}


def binary(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """ADD, SUB, MUL, MINIMUM, MAXIMUM: of equal shapes in one loop, else with the smaller one repeated."""
    first, second = (context.tensor(i) for i in operator.inputs)
    output = context.tensor(operator.outputs[0])
    scaling = _scaling(operator.kind, first, second, output)
    low, high = (-128, 127)
    if operator.kind not in {"MINIMUM", "MAXIMUM"}:
        low, high = fused_activation(operator, output)
    pointers, constants = [], ""
    for position, tensor in enumerate((first, second)):
        if tensor.data is None:
            pointers.append(context.pointer(operator.inputs[position]))
        else:
            pointers.append(f"constant_{index}_{position}")
            constants += array("int8_t", pointers[-1], tensor.data, weights=True)
    body = (
        f"  static const eb_binary_params params = {{{-first.zero_point}, {listed(scaling[0])}, {-second.zero_point}, "
        f"{listed(scaling[1])}, {output.zero_point}, {listed(scaling[2])}, {low}, {high}}};\n"
    )
    name, target = f"eb_{operator.kind.lower()}_s8", context.pointer(operator.outputs[0])
    if first.elements == second.elements == output.elements:
        body += f"  {name}({pointers[0]}, {pointers[1]}, {target}, {output.elements}, &params);\n  return 0;\n"
    else:
        sizes, steps = _broadcast(operator, first.shape, second.shape, output.shape)
        body += (
            f"  static const int32_t sizes[4] = {{{listed(sizes)}}}, first[4] = {{{listed(steps[0])}}}, "
            f"second[4] = {{{listed(steps[1])}}};\n"
            f"  {name.removesuffix('_s8')}_repeated_s8({pointers[0]}, first, {pointers[1]}, second, {target}, sizes, "
            "&params);\n  return 0;\n"
        )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def _scaling(
    kind: str, first: QuantisedTensor, second: QuantisedTensor, output: QuantisedTensor
) -> list[tuple[int, int]]:
    """Multiplier and shift of both inputs and of the output."""
    scales = [float(np.float32(tensor.scale)) for tensor in (first, second, output)]
    if kind in _TWO_SCALES:
        twice = 2 * max(scales[:2])
        pairs = [quantise_multiplier(scale / twice) for scale in scales[:2]]
        return [*pairs, quantise_multiplier(twice / ((1 << 20) * scales[2]))]
    if kind == "MUL":
        return [(0, 0), (0, 0), quantise_multiplier(math.prod(scales[:2]) / scales[2])]
    if len({(tensor.scale, tensor.zero_point) for tensor in (first, second, output)}) > 1:
        raise UnsupportedModelError(f"{kind} compares tensors of one scale; {output.name!r} has several")
    return [(0, 0)] * 3


def _broadcast(
    operator: QuantisedOperator, first: tuple[int, ...], second: tuple[int, ...], output: tuple[int, ...]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Four sizes of the output, and how far each input moves along each of them."""
    if len(output) > MAX_AXES:
        raise UnsupportedModelError(
            f"{operator.kind} of {list(first)} and {list(second)}: shapes of up to {MAX_AXES} axes can be repeated"
        )
    padded = [(1,) * (MAX_AXES - len(shape)) + shape for shape in (first, second, output)]
    steps = []
    for shape in padded[:2]:
        step, line = 1, []
        for size in reversed(shape):
            line.append(0 if size == 1 else step)
            step *= size
        steps.append(tuple(reversed(line)))
    return padded[2], steps


def softmax(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Over the last axis."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    beta = float(operator.options.get("beta", 1.0))
    # TFLite's table: exp(-scale * beta * d) for each distance d, in single precision.
    distances = np.arange(256, dtype=np.float32)
    factor = np.float32(-np.float32(source.scale) * np.float32(beta))
    table = np.exp((factor * distances).astype(np.float32)).astype(np.float32)
    values = ", ".join(f"{float(value)!r}f" for value in table)
    width = source.shape[-1]
    body = (
        f"  eb_softmax_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{source.elements // width}, {width}, exponentials_{index}, {float(np.float32(output.scale))!r}f, "
        f"{output.zero_point});\n  return 0;\n"
    )
    constants = f"static const float exponentials_{index}[256] = {{{values}}};\n"
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def table(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A function of one value: its 256 results, as LiteRT's reference kernel gives them."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    values = reference_table(operator.kind, source, output, operator.options)
    body = (
        f"  eb_table_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{output.elements}, table_{index});\n  return 0;\n"
    )
    constants = array("int8_t", f"table_{index}", values)
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)
