"""Functions of 16-bit values: straight lines, and curves of a few hundred points with lines between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import power_of_two, quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import fused_activation, listed
from edgebench.targets.mcu.reference_tables import reference_values

LINES = {"ABS", "LEAKY_RELU", "RELU", "RELU6"}
CURVES = {"EXP", "GELU", "LOG", "RSQRT"}
SIGMOIDS = {"LOGISTIC", "TANH"}
_POINTS, _STEP = 512, 128
_IDENTITY = (1 << 30, 1)


def wide_function(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A function of one 16-bit value."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    kind = operator.kind
    # LiteRT knows best which scales its kernel takes.
    reference_values(kind, source, output, operator.options, np.zeros(1, np.int16))
    place = f"{context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, {output.elements}"
    constants = ""
    if kind == "NEG":
        body = f"  eb_negate_s16({place});\n"
    elif kind in LINES:
        body = f"  static const eb_slopes_params params = {{{_lines(operator, source, output)}}};\n"
        body += f"  eb_slopes_s16({place}, &params);\n"
    elif kind in SIGMOIDS:
        constants = array("uint16_t", f"curve_{index}", sigmoid_curve())
        body = f"  eb_{kind.lower()}_s16({place}, curve_{index}, {listed(_sigmoid_scaling(kind, source))});\n"
    elif kind in CURVES:
        constants = array("int16_t", f"curve_{index}", _curve(operator, source, output))
        body = f"  eb_curve_s16({place}, curve_{index});\n"
    else:
        raise UnsupportedModelError(f"{kind} has no kernel for values of 16 bits")
    return LayerCode(name=output.name, kind=kind, body=body + "  return 0;\n", constants=constants)


def _lines(operator: QuantisedOperator, source: QuantisedTensor, output: QuantisedTensor) -> str:
    """Slopes from 0 on and below it, and bounds. TFLite divides these scales in single precision."""
    scales = np.float32(source.scale), np.float32(output.scale)
    above = quantise_multiplier(float(scales[0] / scales[1]))
    below, sign, low, high = above, 1, -32768, 32767
    if operator.kind == "LEAKY_RELU":
        alpha = np.float32(operator.options.get("alpha", 0.0))
        below = quantise_multiplier(float(scales[0] * alpha / scales[1]))
    elif operator.kind == "ABS":
        sign = -1
    else:
        fused = replace(operator, options={"fusedActivationFunction": 1 if operator.kind == "RELU" else 3})
        low, high = fused_activation(fused, output)
    return listed((*above, *below, sign, low, high))


def _sigmoid_scaling(kind: str, source: QuantisedTensor) -> tuple[int, int]:
    """Multiplier and shift to the right, from the input's steps to those of the curve."""
    power = power_of_two(source.scale)
    shift = None if power is None else 12 + power
    if shift == 0 or (kind == "TANH" and shift == 1):
        return 3 << shift, 0
    multiplier, shift = float(np.float32(source.scale)) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    return int(multiplier), shift


@cache
def sigmoid_curve() -> NDArray[np.uint16]:
    """The logistic function of 0, 1/24, ..., 255/24 in steps of 2^-16, as LiteRT's hyperbolic tangent shows it."""
    # With this scale an input of 64 is one point of the curve.
    scale = np.float32(1 / 3072)
    while float(scale) < 1 / 3072:
        scale = np.nextafter(scale, np.float32(1))
    source, output = (
        QuantisedTensor(name="", dtype="int16", shape=(), scales=(float(step),), zero_points=(0,))
        for step in (scale, 2.0**-15)
    )
    points = reference_values("TANH", source, output, {}, np.arange(0, 255 * 64, 64, dtype=np.int16))
    return np.append(points.astype(np.int32) + 32768, 65535).astype(np.uint16)


def _curve(operator: QuantisedOperator, source: QuantisedTensor, output: QuantisedTensor) -> NDArray[np.int16]:
    """The points between which LiteRT draws lines, from its answers at the points and in the last line."""
    first = 0 if operator.kind == "RSQRT" else -32768  # roots below 0 are refused
    places = np.append(np.arange(first, 32768, _STEP), np.arange(32768 - _STEP, 32768)).astype(np.int16)
    answers = reference_values(operator.kind, source, output, operator.options, places).astype(np.int64)
    points, line = answers[:-_STEP], answers[-_STEP:]
    offsets = np.arange(_STEP)
    guess = (line[-1] - line[0]) * _STEP // (_STEP - 1)
    for slope in range(int(guess) - 3, int(guess) + 4):
        if np.array_equal(line[0] + ((slope * offsets + _STEP // 2) >> 7), line):
            whole = np.append(np.full(_POINTS - len(points), points[0]), np.append(points, line[0] + slope))
            return whole.astype(np.int16)
    raise ValueError(f"{operator.kind} is no curve of {_POINTS} lines")


def tabulated(
    function: Callable[[float], float], input_scale: float, input_zero: int, output_scale: float
) -> NDArray[np.int16]:
    """Points of a function, such that lines between them are off by the same above and below (``LUTPopulate``)."""
    low, high = (input_scale * (end - input_zero) for end in (-32768, 32767))
    step = (high - low) / _POINTS
    factor = 65536 / (output_scale * 32767 + output_scale * 32768)

    def rounded(value: float) -> float:
        return math.copysign(math.floor(abs(value) + 0.5), value)

    points = []
    for number in range(_POINTS):
        start, middle, end = (function(low + (number + part) * step) for part in (0, 0.5, 1))
        between = rounded((end * factor + rounded(start * factor)) / 2)
        off = rounded((between - rounded(middle * factor)) / 2)
        points.append(int(min(max(rounded(start * factor) - off, -32768), 32767)))
    points.append(int(min(max(rounded(function(high) * factor), -32768), 32767)))
    return np.array(points, np.int16)
