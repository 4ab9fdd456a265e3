"""Means and maxima over parts of an image."""

from __future__ import annotations

import math

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.fixed_point import quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.common import (
    each_image,
    fused_activation,
    image_padding,
    listed,
    require_constant,
)


def pool(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """Means or maxima of windows."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    options = operator.options
    kernel = (options["filterHeight"], options["filterWidth"])
    top, left = image_padding(operator, source.shape[1:3], kernel, output.shape[1:3])
    low, high = fused_activation(operator, output)
    mean = operator.kind == "AVERAGE_POOL_2D"
    scratch = 4 * source.shape[3] if mean else 0
    buffer = f"edgebench_arena + SCRATCH_{index}" if scratch else "NULL"
    body = (
        f"  const cmsis_nn_context context = {{{buffer}, {scratch}}};\n"
        f"  const cmsis_nn_pool_params params = {{{{{options['strideW']}, {options['strideH']}}}, {{{left}, {top}}}, "
        f"{{{low}, {high}}}}};\n"
        f"  const cmsis_nn_dims in = {{1, {listed(source.shape[1:])}}}, filter = {{1, {kernel[0]}, {kernel[1]}, 1}}, "
        f"out = {{1, {listed(output.shape[1:])}}};\n"
        + each_image(
            f"{'arm_avgpool_s8' if mean else 'arm_max_pool_s8'}(&context, &params, &in, {{source}}, &filter, &out, "
            "{output})",
            context,
            operator,
        )
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, scratch_bytes=scratch)


def mean(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    """The mean over neighbouring axes, such as rows and columns."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    shape = source.shape
    axes = sorted({int(axis) % len(shape) for axis in np.ravel(require_constant(context, operator, 1))})
    # Sizes of 1 between the axes do not matter: what counts is that the rest is one block in memory.
    wide = [axis for axis in axes if shape[axis] > 1]
    between = range(wide[0], wide[-1]) if wide else range(0)
    if any(shape[axis] > 1 and axis not in axes for axis in between):
        raise UnsupportedModelError(f"MEAN over the axes {axes} of {list(shape)} has no kernel, only neighbouring axes")
    first, last = (wide[0], wide[-1] + 1) if wide else (0, 0)
    outer, count, inner = math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])
    ratio = float(np.float32(source.scale)) / float(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    # LiteRT divides by the number of pixels inside the multiplier, with all the bits it can spare.
    spare = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << spare) // count, shift - spare
    body = (
        f"  eb_mean_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, {outer}, "
        f"{count}, {inner}, {-source.zero_point}, {output.zero_point}, {multiplier}, {shift});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)
