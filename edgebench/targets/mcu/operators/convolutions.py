"""Convolutions, on CMSIS-NN's kernels."""

from __future__ import annotations

from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode
from edgebench.targets.mcu.operators.columns import grouped
from edgebench.targets.mcu.operators.common import (
    fused_activation,
    image_padding,
    listed,
)
from edgebench.targets.mcu.operators.weights import weighted

_HELIUM_CHANNELS = 124
"""Channels that CMSIS-NN's depthwise kernel with vectors works on at a time (``CH_IN_BLOCK_MVE``)."""


def _convolution_body(
    index: int,
    function: str,
    kind: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    settings: str,
    pointers: tuple[str, str],
    bias: str,
    scratch: int,
) -> str:
    source, kernel, output = shapes
    buffer = f"edgebench_arena + SCRATCH_{index}" if scratch else "NULL"
    return (
        f"  const cmsis_nn_context context = {{{buffer}, {scratch}}};\n"
        f"  const {kind} params = {{{settings}}};\n"
        f"  const cmsis_nn_per_channel_quant_params quant = "
        f"{{(int32_t *)multiplier_{index}, (int32_t *)shift_{index}}};\n"
        f"  const cmsis_nn_dims in = {{{listed(source)}}}, filter = {{{listed(kernel)}}}, "
        f"bias_dims = {{1, 1, 1, {output[3]}}}, out = {{{listed(output)}}};\n"
        f"  return {function}(&context, &params, &quant, &in, {pointers[0]}, &filter, kernel_{index}, &bias_dims, "
        f"{bias}, &out, {pointers[1]});\n"
    )


def _columns_bytes(context: CodeContext, column: int) -> int:
    """Scratch of a convolution, which takes columns of the image apart.

    CMSIS-NN makes two columns of 16-bit values at a time, or with vectors four of 8-bit values in whole vectors
    (``arm_convolve_s8_get_buffer_size``).
    """
    if context.newer:
        return context.newer.columns_bytes(column, helium=context.helium)
    return 4 * 8 * -(-column // 8) if context.helium else 2 * 2 * column


def conv(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A convolution over all channels."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    filters, height, width, channels = weights.shape
    if channels != source.shape[3]:
        if channels == 1 and filters % source.shape[3] == 0:
            return depthwise(context, operator, index)
        return grouped(context, operator, index)
    options = operator.options
    # A window of one has nothing to spread.
    dilation = (1, 1) if (height, width) == (1, 1) else (options["dilationHFactor"], options["dilationWFactor"])
    top, left = image_padding(operator, source.shape[1:3], (height, width), output.shape[1:3], dilation)
    low, high = fused_activation(operator, output)
    constants, bias = weighted(context, operator, index, filters)
    settings = (
        f"{-source.zero_point}, {output.zero_point}, {{{options['strideW']}, {options['strideH']}}}, "
        f"{{{left}, {top}}}, {{{dilation[1]}, {dilation[0]}}}, {{{low}, {high}}}"
    )
    pointwise = (height, width) == (1, 1) and not top and not left
    scratch = 0 if pointwise else _columns_bytes(context, channels * height * width)
    body = _convolution_body(
        index,
        "arm_convolve_wrapper_s8",
        "cmsis_nn_conv_params",
        (source.shape, (filters, height, width, channels), output.shape),
        settings,
        (context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0])),
        bias,
        scratch,
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=scratch)


def depthwise(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A convolution of each channel by itself; CONV_2D says so by weights of one channel."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    order = (3, 1, 2, 0) if operator.kind == "CONV_2D" else (0, 1, 2, 3)
    _, height, width, filters = (weights.shape[axis] for axis in order)
    options = operator.options
    dilation = (options["dilationHFactor"] or 1, options["dilationWFactor"] or 1)
    top, left = image_padding(operator, source.shape[1:3], (height, width), output.shape[1:3], dilation)
    low, high = fused_activation(operator, output)
    constants, bias = weighted(context, operator, index, filters, order=lambda kernel: kernel.transpose(order))
    multiplier = filters // source.shape[3]
    settings = (
        f"{-source.zero_point}, {output.zero_point}, {multiplier}, {{{options['strideW']}, {options['strideH']}}}, "
        f"{{{left}, {top}}}, {{{dilation[1]}, {dilation[0]}}}, {{{low}, {high}}}"
    )
    block = 4 * _HELIUM_CHANNELS if context.helium else 2 * source.shape[3]
    scratch = block * height * width if multiplier == 1 and dilation == (1, 1) else 0
    if context.newer and context.helium and source.shape[3] == 1:
        # Such a convolution becomes one over all channels, with its weights in another order.
        scratch = max(scratch, _columns_bytes(context, height * width) + filters * height * width)
    body = _convolution_body(
        index,
        "arm_depthwise_conv_wrapper_s8",
        "cmsis_nn_dw_conv_params",
        (source.shape, (1, height, width, filters), output.shape),
        settings,
        (context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0])),
        bias,
        scratch,
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=scratch)
