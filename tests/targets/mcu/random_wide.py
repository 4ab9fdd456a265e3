"""Random operators on values of 16 bits, with weights of 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.targets.mcu.random_arithmetic import reduced, repeated
from tests.targets.mcu.random_graphs import RandomGraph

_INT32 = 2


def _scale(graph: RandomGraph) -> float:
    return 2.0 ** -graph.number(8, 15) if graph.number(0, 2) == 0 else graph.near(3e-4, 0.1, 5)


def binary(graph: RandomGraph) -> None:
    kind = str(graph.random.choice(["ADD", "SUB", "MUL", "DIV", "MINIMUM", "MAXIMUM", "PRELU"]))
    (first, second), whole = repeated(graph, 5 if kind in {"ADD", "SUB", "MUL"} else 4)
    first = whole if kind == "PRELU" else first
    scales = [_scale(graph) for _ in range(3)]
    narrow = kind == "PRELU"
    if kind in {"MINIMUM", "MAXIMUM"}:
        scales = scales[:1] * 3
    elif kind == "MUL":
        scales[2] = graph.near(scales[0] * scales[1] * 2.0 ** graph.number(8, 14))
    elif kind == "DIV":
        scales[2] = graph.near(scales[0] / scales[1] / 2.0 ** graph.number(4, 12))
    elif kind == "PRELU":
        scales[1:] = [0.01, graph.near(scales[0])]
    dtype = "INT8" if narrow else "INT16"
    values = graph.values(second, dtype)
    values = np.where(values == 0, 3, values) if kind == "DIV" else values  # LiteRT refuses zeros
    constant = kind in {"DIV", "PRELU"} or graph.number(0, 2) == 0
    inputs = [
        graph.input(first, "INT16", scale=scales[0]),
        graph.constant(values, dtype, scale=scales[1], zero_point=0)
        if constant
        else graph.input(second, dtype, scale=scales[1]),
    ]
    options: dict[str, Any] = {"options_type": ""} if kind == "PRELU" else {}
    options |= {"options_type": "MaximumMinimumOptions"} if kind in {"MINIMUM", "MAXIMUM"} else {}
    options |= {"fusedActivationFunction": graph.number(0, 3)} if kind in {"ADD", "SUB", "MUL", "DIV"} else {}
    options |= {"potScaleInt16": False} if kind in {"ADD", "SUB"} else {}
    version = 1 if kind == "PRELU" else 2
    graph.operator(kind, inputs, [graph.output(whole, "INT16", scale=scales[2])], version=version, **options)


def shifted(graph: RandomGraph) -> None:
    """Sums and differences whose scales are powers of two."""
    shape, power, kind = graph.shape(3, 4), graph.number(9, 14), str(graph.random.choice(["ADD", "SUB"]))
    scales = [2.0**-power, 2.0 ** -(power + graph.number(0, 3))]
    if graph.number(0, 1):
        scales.reverse()
    inputs = [graph.input(shape, "INT16", scale=scale) for scale in scales]
    outputs = [graph.output(shape, "INT16", scale=2.0**-power)]
    graph.operator(kind, inputs, outputs, fusedActivationFunction=graph.number(0, 3))


def function(graph: RandomGraph) -> None:
    kinds = ("ABS", "EXP", "GELU", "LEAKY_RELU", "LOG", "NEG", "RELU", "RELU6", "RSQRT", "LOGISTIC", "TANH")
    kind = str(graph.random.choice(kinds))
    shape, scale = graph.shape(graph.number(1, 4)), _scale(graph)
    output = 2.0**-15 if kind in {"LOGISTIC", "TANH"} else _scale(graph)
    source = graph.input(shape, "INT16", scale=2.0 ** -graph.number(10, 13) if graph.number(0, 1) else scale)
    if kind == "RSQRT":  # roots below 0 are refused
        steps = {"scale": graph.tensors[source].scale}
        size = graph.inside(shape, "INT16", **steps)
        graph.operator("ABS", [source], [size], options_type="")
        source = size
    name = {"GELU": "GeluOptions", "LEAKY_RELU": "LeakyReluOptions"}.get(kind, "")
    options: dict[str, Any] = {"alpha": float(graph.random.uniform(-0.5, 1.5))} if kind == "LEAKY_RELU" else {}
    options |= {"approximate": bool(graph.number(0, 1))} if kind == "GELU" else {}
    version = {"NEG": 1, "LOGISTIC": 3, "TANH": 3}.get(kind, 2)
    outputs = [graph.output(shape, "INT16", scale=output)]
    graph.operator(kind, [source], outputs, options_type=name, version=version, **options)


def softmax(graph: RandomGraph) -> None:
    """From 16 bits and from 8."""
    shape = (*graph.shape(graph.number(0, 3), 4), graph.number(1, 60))
    if graph.number(0, 1):
        source, output = graph.input(shape, scale=graph.scale()), {"scale": 2.0**-16, "zero_point": -32768}
    else:
        source, output = graph.input(shape, "INT16", scale=_scale(graph)), {"scale": 2.0**-15}
    graph.operator("SOFTMAX", [source], [graph.output(shape, "INT16", **output)], version=3, beta=1.0)


def reduction(graph: RandomGraph) -> None:
    kind = str(graph.random.choice(["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN"]))
    shape = graph.shape(graph.number(1, 4), 4)
    axes, kept, left, count = reduced(graph, shape)
    scale = _scale(graph)
    output = graph.near(scale * (count**0.7 if kind == "SUM" else 1)) if kind in {"SUM", "MEAN"} else scale
    inputs = [graph.input(shape, "INT16", scale=scale), graph.constant(axes)]
    outputs = [graph.output(left, "INT16", scale=output)]
    graph.operator(kind, inputs, outputs, options_type="ReducerOptions", keepDims=kept)


def requantised(graph: RandomGraph) -> None:
    pairs = (("INT8", "INT16"), ("INT16", "INT8"), ("INT16", "INT16"), ("INT16", "INT32"), ("UINT8", "INT8"))
    first, second = pairs[graph.number(0, len(pairs) - 1)]
    shape = graph.shape(graph.number(1, 4))
    settings = [
        {
            "scale": graph.scale() if "8" in dtype else _scale(graph),
            "zero_point": graph.number(0, 255)
            if dtype == "UINT8"
            else graph.number(-128, 127)
            if dtype == "INT8"
            else 0,
        }
        for dtype in (first, second)
    ]
    inputs, outputs = [graph.input(shape, first, **settings[0])], [graph.output(shape, second, **settings[1])]
    graph.operator("QUANTIZE", inputs, outputs, options_type="")


def _image(graph: RandomGraph, window: tuple[int, int], channels: int) -> tuple[tuple[int, ...], tuple[int, ...], Any]:
    """Shape of an image, of what a window makes of it, and options."""
    size = (graph.number(3, 8), graph.number(3, 8))
    stride, padding = graph.number(1, 2), graph.number(0, 1)
    made = [
        -(-length // stride) if padding == 0 else (length - extent) // stride + 1
        for length, extent in zip(size, window, strict=True)
    ]
    batch = graph.number(1, 2)
    options = {"padding": padding, "strideH": stride, "strideW": stride, "fusedActivationFunction": graph.number(0, 3)}
    return (batch, *size, channels), (batch, *made), options


def convolution(graph: RandomGraph) -> None:
    """Of all channels, of groups and of each channel; sums of 64 and of 32 bits; scales per tensor and per channel."""
    kind = str(graph.random.choice(["CONV_2D", "DEPTHWISE_CONV_2D"]))
    window, channels = (graph.number(1, 3), graph.number(1, 3)), graph.number(1, 6)
    groups = graph.number(1, 2) if kind == "CONV_2D" else 1
    shape, made, options = _image(graph, window, channels * groups)
    filters = graph.number(1, 5) * groups if kind == "CONV_2D" else channels * graph.number(1, 3)
    kernel = (filters, *window, channels) if kind == "CONV_2D" else (1, *window, filters)
    scale, weight = _scale(graph), graph.near(0.01)
    scales = [graph.near(weight) for _ in range(filters)] if graph.number(0, 1) else weight
    narrow = kind == "CONV_2D" and graph.number(0, 2) == 0
    bias = graph.constant(
        graph.random.integers(-(10**6), 10**6, filters),
        "INT32" if narrow else "INT64",
        scale=float(np.float32(scale * weight)),
    )
    options |= {"quantizedBiasType": _INT32} if narrow else {}
    options |= {"depthMultiplier": filters // channels} if kind == "DEPTHWISE_CONV_2D" else {}
    options |= {"options_type": "Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions"}
    axis = {} if kind == "CONV_2D" else {"axis": 3}
    weights = graph.constant(graph.weights(kernel), "INT8", scale=scales, zero_point=0, **axis)
    output = graph.output((*made, filters), "INT16", scale=graph.near(scale * weight * 200))
    graph.operator(
        kind,
        [graph.input(shape, "INT16", scale=scale), weights, bias],
        [output],
        version=5,
        dilationHFactor=1,
        dilationWFactor=1,
        **options,
    )


def pool(graph: RandomGraph) -> None:
    kind, scale = str(graph.random.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"])), _scale(graph)
    window, channels = (graph.number(1, 3), graph.number(1, 3)), graph.number(1, 5)
    shape, made, options = _image(graph, window, channels)
    options |= {"filterHeight": window[0], "filterWidth": window[1]}
    inputs = [graph.input(shape, "INT16", scale=scale)]
    outputs = [graph.output((*made, channels), "INT16", scale=scale)]
    graph.operator(kind, inputs, outputs, options_type="Pool2DOptions", **options)


def dense(graph: RandomGraph) -> None:
    rows, units = graph.number(1, 3), graph.number(1, 9)
    features = graph.number(300, 700) if graph.number(0, 4) == 0 else graph.number(1, 40)
    scale, weight = _scale(graph), graph.scale()
    narrow, bias = graph.number(0, 2) == 0, graph.number(0, 2) > 0
    inputs = [
        graph.input((rows, features), "INT16", scale=scale),
        graph.constant(graph.weights((units, features)), "INT8", scale=weight, zero_point=0),
    ]
    if bias:
        values = graph.random.integers(-(10**6), 10**6, units)
        product = float(np.float32(scale * weight))
        inputs.append(graph.constant(values, "INT32" if narrow else "INT64", scale=product))
    exact = float(np.float32(scale * weight * 2.0 ** graph.number(4, 13)))
    output = graph.output((rows, units), "INT16", scale=exact if graph.number(0, 1) else graph.near(exact))
    options = {"quantizedBiasType": _INT32} if narrow and bias else {}
    graph.operator(
        "FULLY_CONNECTED", inputs, [output], version=9, fusedActivationFunction=graph.number(0, 3), **options
    )


def matrices(graph: RandomGraph) -> None:
    batch, (rows, depth, columns) = graph.shape(graph.number(0, 2), 3), graph.shape(3, 8)
    flipped = bool(graph.number(0, 1)), bool(graph.number(0, 1))
    scales = [_scale(graph), _scale(graph)]
    left = batch + ((depth, rows) if flipped[0] else (rows, depth))
    right = batch + ((columns, depth) if flipped[1] else (depth, columns))
    inputs = [graph.input(left, "INT16", scale=scales[0])]
    if graph.number(0, 2) == 0:
        inputs.append(graph.constant(graph.values(right), "INT8", scale=scales[1], zero_point=0))
    else:
        inputs.append(graph.input(right, "INT16", scale=scales[1]))
    scale = graph.near(scales[0] * scales[1] * 2.0 ** graph.number(6, 15))
    output = graph.output((*batch, rows, columns), "INT16", scale=scale)
    graph.operator(
        "BATCH_MATMUL",
        inputs,
        [output],
        options_type="BatchMatMulOptions",
        version=3,
        adjX=flipped[0],
        adjY=flipped[1],
    )


KINDS: dict[str, Callable[[RandomGraph], None]] = {
    made.__name__: made
    for made in (*(binary, shifted, function, softmax, reduction, requantised, convolution, pool, dense, matrices),)
}
