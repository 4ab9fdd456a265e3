"""How each TFLite operator becomes a call of a kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError
from edgebench.models.quantised_graph import QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.fixed_point import activation_range, quantise_multiplier
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array

_ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_SAME = 0


def _activation(operator: QuantisedOperator, output: QuantisedTensor) -> tuple[int, int]:
    code = operator.options.get("fusedActivationFunction", 0)
    if code not in _ACTIVATIONS:
        raise UnsupportedModelError(f"{operator.kind} has a fused activation without a kernel (code {code})")
    return activation_range(_ACTIVATIONS[code], output.scale, output.zero_point)


def _padding(
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


def _require_constant(context: CodeContext, operator: QuantisedOperator, position: int) -> NDArray[np.generic]:
    data = context.tensor(operator.inputs[position]).data
    if data is None:
        raise UnsupportedModelError(f"{operator.kind} computes its input {position}; kernels need constants")
    return data


def _multipliers(
    source: QuantisedTensor, weights: QuantisedTensor, output: QuantisedTensor, channels: int
) -> tuple[list[int], list[int]]:
    """Per-channel multipliers. TFLite multiplies the float32 scales as doubles."""
    if any(weights.zero_points):
        raise UnsupportedModelError(f"weights {weights.name!r} have a zero point other than 0")
    scales = weights.scales if len(weights.scales) == channels else weights.scales * channels
    pairs = [
        quantise_multiplier(
            float(np.float32(source.scale)) * float(np.float32(scale)) / float(np.float32(output.scale))
        )
        for scale in scales
    ]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _weighted(
    context: CodeContext, operator: QuantisedOperator, index: int, channels: int, *, per_tensor: bool = False
) -> tuple[str, str]:
    """Definitions of kernel, bias, multipliers and shifts, and the C expression for the bias."""
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    kernel = _require_constant(context, operator, 1)
    if kernel.dtype != np.int8:
        raise UnsupportedModelError(f"weights {weights.name!r} are {weights.dtype}, kernels take int8")
    constants = array("int8_t", f"kernel_{index}", kernel, weights=True)
    bias = "NULL"
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        values = _require_constant(context, operator, 2)
        constants += array("int32_t", f"bias_{index}", values.astype(np.int32), weights=True)
        bias = f"bias_{index}"
    if not per_tensor:
        multipliers, shifts = _multipliers(source, weights, output, channels)
        constants += array("int32_t", f"multiplier_{index}", np.array(multipliers), weights=True)
        constants += array("int32_t", f"shift_{index}", np.array(shifts), weights=True)
    return constants, bias


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
        f"  const cmsis_nn_dims in = {{{_list(source)}}}, filter = {{{_list(kernel)}}}, "
        f"bias_dims = {{1, 1, 1, {output[3]}}}, out = {{{_list(output)}}};\n"
        f"  return {function}(&context, &params, &quant, &in, {pointers[0]}, &filter, kernel_{index}, &bias_dims, "
        f"{bias}, &out, {pointers[1]});\n"
    )


def _list(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _conv(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    filters, height, width, channels = weights.shape
    if channels != source.shape[3]:
        raise UnsupportedModelError(f"{output.name!r} is a grouped convolution, which has no kernel")
    options = operator.options
    dilation = (options["dilationHFactor"], options["dilationWFactor"])
    top, left = _padding(operator, source.shape[1:3], (height, width), output.shape[1:3], dilation)
    low, high = _activation(operator, output)
    constants, bias = _weighted(context, operator, index, filters)
    settings = (
        f"{-source.zero_point}, {output.zero_point}, {{{options['strideW']}, {options['strideH']}}}, "
        f"{{{left}, {top}}}, {{{dilation[1]}, {dilation[0]}}}, {{{low}, {high}}}"
    )
    pointwise = (height, width) == (1, 1) and not top and not left
    # CMSIS-NN turns two columns of the image into 16-bit values at a time.
    scratch = 0 if pointwise else 4 * channels * height * width
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


def _depthwise(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    _, height, width, filters = weights.shape
    options = operator.options
    dilation = (options["dilationHFactor"] or 1, options["dilationWFactor"] or 1)
    top, left = _padding(operator, source.shape[1:3], (height, width), output.shape[1:3], dilation)
    low, high = _activation(operator, output)
    constants, bias = _weighted(context, operator, index, filters)
    multiplier = filters // source.shape[3]
    settings = (
        f"{-source.zero_point}, {output.zero_point}, {multiplier}, {{{options['strideW']}, {options['strideH']}}}, "
        f"{{{left}, {top}}}, {{{dilation[1]}, {dilation[0]}}}, {{{low}, {high}}}"
    )
    scratch = 2 * source.shape[3] * height * width if multiplier == 1 and dilation == (1, 1) else 0
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


def _fully_connected(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    source, weights = context.tensor(operator.inputs[0]), context.tensor(operator.inputs[1])
    output = context.tensor(operator.outputs[0])
    units, features = weights.shape
    rows = source.elements // features
    low, high = _activation(operator, output)
    pointers = (context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0]))
    if len(weights.scales) > 1:
        return _dense_per_channel(context, operator, index, (low, high))
    constants, bias = _weighted(context, operator, index, units, per_tensor=True)
    # Unlike a convolution's, TFLite multiplies these two scales in single precision.
    product = float(np.float32(source.scale) * np.float32(weights.scale))
    multiplier, shift = quantise_multiplier(product / float(np.float32(output.scale)))
    body = (
        "  const cmsis_nn_context context = {NULL, 0};\n"
        f"  const cmsis_nn_fc_params params = {{{-source.zero_point}, 0, {output.zero_point}, {{{low}, {high}}}}};\n"
        f"  const cmsis_nn_per_tensor_quant_params quant = {{{multiplier}, {shift}}};\n"
        f"  const cmsis_nn_dims in = {{{rows}, 1, 1, {features}}}, filter = {{{features}, 1, 1, {units}}}, "
        f"bias_dims = {{1, 1, 1, {units}}}, out = {{{rows}, 1, 1, {units}}};\n"
        f"  return arm_fully_connected_s8(&context, &params, &quant, &in, {pointers[0]}, &filter, kernel_{index}, "
        f"&bias_dims, {bias}, &out, {pointers[1]});\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def _dense_per_channel(
    context: CodeContext, operator: QuantisedOperator, index: int, limits: tuple[int, int]
) -> LayerCode:
    """One scale an output, which CMSIS-NN's fully connected kernel does not take."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    units, features = context.tensor(operator.inputs[1]).shape
    rows = source.elements // features
    constants, bias = _weighted(context, operator, index, units)
    scratch = 2 * features
    body = (
        f"  static const eb_dense_params params = {{{features}, {units}, {-source.zero_point}, {output.zero_point}, "
        f"multiplier_{index}, shift_{index}, {limits[0]}, {limits[1]}}};\n"
        f"  for (int row = 0; row < {rows}; row++)\n"
        f"    eb_dense_s8({context.pointer(operator.inputs[0])} + row * {features}, kernel_{index}, {bias}, "
        f"{context.pointer(operator.outputs[0])} + row * {units}, (int16_t *)(edgebench_arena + SCRATCH_{index}), "
        "&params);\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants, scratch_bytes=scratch)


def _pool(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    options = operator.options
    kernel = (options["filterHeight"], options["filterWidth"])
    top, left = _padding(operator, source.shape[1:3], kernel, output.shape[1:3])
    low, high = _activation(operator, output)
    mean = operator.kind == "AVERAGE_POOL_2D"
    scratch = 4 * source.shape[3] if mean else 0
    buffer = f"edgebench_arena + SCRATCH_{index}" if scratch else "NULL"
    body = (
        f"  const cmsis_nn_context context = {{{buffer}, {scratch}}};\n"
        f"  const cmsis_nn_pool_params params = {{{{{options['strideW']}, {options['strideH']}}}, {{{left}, {top}}}, "
        f"{{{low}, {high}}}}};\n"
        f"  const cmsis_nn_dims in = {{{_list(source.shape)}}}, filter = {{1, {kernel[0]}, {kernel[1]}, 1}}, "
        f"out = {{{_list(output.shape)}}};\n"
        f"  return {'arm_avgpool_s8' if mean else 'arm_max_pool_s8'}(&context, &params, &in, "
        f"{context.pointer(operator.inputs[0])}, &filter, &out, {context.pointer(operator.outputs[0])});\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, scratch_bytes=scratch)


def _add(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    first, second = (context.tensor(i) for i in operator.inputs)
    output = context.tensor(operator.outputs[0])
    _require_equal_shapes(operator, first, second)
    twice = 2 * max(float(np.float32(first.scale)), float(np.float32(second.scale)))
    pairs = [quantise_multiplier(float(np.float32(tensor.scale)) / twice) for tensor in (first, second)]
    pairs.append(quantise_multiplier(twice / ((1 << 20) * float(np.float32(output.scale)))))
    return _binary(context, operator, "eb_add_s8", pairs)


def _mul(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    first, second = (context.tensor(i) for i in operator.inputs)
    output = context.tensor(operator.outputs[0])
    _require_equal_shapes(operator, first, second)
    scales = (float(np.float32(tensor.scale)) for tensor in (first, second))
    pairs = [(0, 0), (0, 0), quantise_multiplier(math.prod(scales) / float(np.float32(output.scale)))]
    return _binary(context, operator, "eb_mul_s8", pairs)


def _require_equal_shapes(operator: QuantisedOperator, first: QuantisedTensor, second: QuantisedTensor) -> None:
    if first.shape != second.shape or first.data is not None or second.data is not None:
        raise UnsupportedModelError(
            f"{operator.kind} of {first.shape} and {second.shape}: the kernel takes two computed tensors of one shape"
        )


def _binary(
    context: CodeContext, operator: QuantisedOperator, function: str, pairs: list[tuple[int, int]]
) -> LayerCode:
    first, second = (context.tensor(i) for i in operator.inputs)
    output = context.tensor(operator.outputs[0])
    low, high = _activation(operator, output)
    body = (
        f"  static const eb_binary_params params = {{{-first.zero_point}, {_list(pairs[0])}, {-second.zero_point}, "
        f"{_list(pairs[1])}, {output.zero_point}, {_list(pairs[2])}, {low}, {high}}};\n"
        f"  {function}({context.pointer(operator.inputs[0])}, {context.pointer(operator.inputs[1])}, "
        f"{context.pointer(operator.outputs[0])}, {output.elements}, &params);\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def _softmax(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
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


def _reshape(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    output = context.tensor(operator.outputs[0])
    body = (
        f"  memmove({context.pointer(operator.outputs[0])}, {context.pointer(operator.inputs[0])}, "
        f"{output.elements});\n"
        "  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def _pad(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    sizes = _require_constant(context, operator, 1)
    if len(source.shape) != 4 or sizes[0].any() or sizes[3].any():
        raise UnsupportedModelError("PAD of rows and columns of an image has a kernel, other padding has none")
    (top, bottom), (left, right) = (tuple(int(v) for v in pair) for pair in sizes[1:3])
    body = (
        f"  eb_pad_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{_list(source.shape[1:])}, {top}, {bottom}, {left}, {right}, {output.zero_point});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def _mean(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    axes = sorted(int(axis) % len(source.shape) for axis in np.ravel(_require_constant(context, operator, 1)))
    if len(source.shape) != 4 or axes != [1, 2]:
        raise UnsupportedModelError("MEAN over rows and columns of an image has a kernel, other means have none")
    count = source.shape[1] * source.shape[2]
    ratio = float(np.float32(source.scale)) / float(np.float32(output.scale))
    multiplier, shift = quantise_multiplier(ratio)
    # LiteRT divides by the number of pixels inside the multiplier, with all the bits it can spare.
    spare = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << spare) // count, shift - spare
    body = (
        f"  eb_mean_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, {count}, "
        f"{source.shape[3]}, {-source.zero_point}, {output.zero_point}, {multiplier}, {shift});\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body)


def _concatenation(context: CodeContext, operator: QuantisedOperator, _: int) -> LayerCode:
    output = context.tensor(operator.outputs[0])
    axis = operator.options["axis"] % len(output.shape)
    stride, column, lines = math.prod(output.shape[axis:]), 0, []
    for source_index in operator.inputs:
        source = context.tensor(source_index)
        if (source.scale, source.zero_point) != (output.scale, output.zero_point):
            raise UnsupportedModelError("CONCATENATION joins tensors of one scale; these have several")
        size = math.prod(source.shape[axis:])
        rows = source.elements // size
        lines.append(
            f"  eb_copy_rows({context.pointer(source_index)}, {context.pointer(operator.outputs[0])} + {column}, "
            f"{rows}, {size}, {stride});\n"
        )
        column += size
    return LayerCode(name=output.name, kind=operator.kind, body="".join(lines) + "  return 0;\n")


def _table(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """A function of one value: its 256 results, as LiteRT's reference kernel gives them."""
    from edgebench.targets.mcu.reference_tables import reference_table

    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    table = reference_table(operator.kind, source, output)
    body = (
        f"  eb_table_s8({context.pointer(operator.inputs[0])}, {context.pointer(operator.outputs[0])}, "
        f"{output.elements}, table_{index});\n  return 0;\n"
    )
    constants = array("int8_t", f"table_{index}", table)
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


WRITERS: Mapping[str, Callable[[CodeContext, QuantisedOperator, int], LayerCode]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _table,
    "LOGISTIC": _table,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "MUL": _mul,
    "PAD": _pad,
    "QUANTIZE": _table,
    "RELU": _table,
    "RELU6": _table,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "TANH": _table,
}
