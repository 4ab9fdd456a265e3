"""One small network for each operator with an int8 form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.models.tflite.float_graphs import FloatGraph

Build = Callable[[FloatGraph, int], int]
IMAGE, ROWS = (1, 8, 8, 4), (1, 6, 16)


def unary(kind: str, options: str = "", **fields: object) -> Build:
    return lambda graph, x: graph.add(kind, [x], graph.table.tensors[x].shape, options, **fields)


def binary(kind: str, options: str = "", **fields: object) -> Build:
    """With another branch of the network."""

    def build(graph: FloatGraph, x: int) -> int:
        other = graph.conv(x, 4, kernel=1)
        return graph.add(kind, [x, other], IMAGE, options, **fields)

    return build


def with_constant(kind: str, values: object, options: str = "", **fields: object) -> Build:
    return lambda graph, x: graph.add(
        kind, [x, graph.constant(np.asarray(values, np.float32))], graph.table.tensors[x].shape, options, **fields
    )


def positive(build: Build) -> Build:
    """An operator after values from 0.1 upwards."""

    def built(graph: FloatGraph, x: int) -> int:
        absolute = graph.add("ABS", [x], IMAGE)
        raised = graph.add("ADD", [absolute, graph.constant(np.float32(0.5))], IMAGE, "AddOptions")
        return build(graph, raised)

    return built


def reduced(kind: str, axes: tuple[int, ...], shape: tuple[int, ...]) -> Build:
    return lambda graph, x: graph.add(kind, [x, graph.indices(axes)], shape, "ReducerOptions", keepDims=True)


def moved(kind: str, shape: tuple[int, ...], *numbers: object, options: str = "", **fields: object) -> Build:
    """An operator with integer constants after its data."""
    return lambda graph, x: graph.add(
        kind, [x, *(graph.constant(np.array(value, np.int32)) for value in numbers)], shape, options, **fields
    )


def compared(kind: str) -> Build:
    """The larger of two branches, chosen by a comparison."""

    def build(graph: FloatGraph, x: int) -> int:
        other = graph.conv(x, 4, kernel=1)
        chosen = graph.add(kind, [x, other], IMAGE, dtype="bool")
        return graph.add("SELECT_V2", [chosen, x, other], IMAGE)

    return build


def compared_at_large(graph: FloatGraph, x: int) -> int:
    """Values of several hundred."""
    left, right = (
        graph.add("MUL", [v, graph.constant(np.float32(300))], IMAGE, "MulOptions") for v in (x, graph.conv(x, 4))
    )
    chosen = graph.add("GREATER", [left, right], IMAGE, dtype="bool")
    return graph.add("SELECT_V2", [chosen, left, right], IMAGE)


def masked(graph: FloatGraph, x: int) -> int:
    above = graph.add("GREATER", [x, graph.constant(np.float32(0.25))], IMAGE, dtype="bool")
    mask = graph.add("CAST", [above], IMAGE, "CastOptions", inDataType=6, outDataType=0)
    return graph.add("MUL", [x, mask], IMAGE, "MulOptions")


def split(graph: FloatGraph, x: int) -> int:
    parts = [graph.tensor(f"part{number}", (1, 8, 8, 2)) for number in range(2)]
    graph.operator("SPLIT", [graph.constant(np.int32(3)), x], parts, "SplitOptions", numSplits=2)
    return graph.add("MUL", parts, (1, 8, 8, 2), "MulOptions")


def split_unevenly(graph: FloatGraph, x: int) -> int:
    parts = [graph.tensor(f"part{size}", (1, 8, 8, size)) for size in (1, 3)]
    inputs = [x, graph.indices(1, 3), graph.constant(np.int32(3))]
    graph.operator("SPLIT_V", inputs, parts, "SplitVOptions", numSplits=2)
    return graph.add("ADD", parts, (1, 8, 8, 3), "AddOptions")


def unpacked(graph: FloatGraph, x: int) -> int:
    parts = [graph.tensor(f"part{number}", (1, 8, 8)) for number in range(4)]
    graph.operator("UNPACK", [x], parts, "UnpackOptions", num=4, axis=3)
    return graph.add("PACK", [parts[2], parts[0]], (1, 2, 8, 8), "PackOptions", valuesCount=2, axis=1)


def joined(graph: FloatGraph, x: int) -> int:
    narrow = graph.add("LOGISTIC", [x], IMAGE)
    wide = graph.add("MUL", [x, graph.constant(np.float32(20))], IMAGE, "MulOptions")
    both = graph.add("CONCATENATION", [narrow, wide, x], (1, 8, 8, 12), "ConcatenationOptions", axis=3)
    return graph.add("ADD", [both, graph.weights(12, size=1.0)], (1, 8, 8, 12), "AddOptions")


def matrix_product(graph: FloatGraph, x: int) -> int:
    left, right = graph.dense(x, 16), graph.dense(x, 16)
    scores = graph.add("BATCH_MATMUL", [left, right], (1, 6, 6), "BatchMatMulOptions", adjY=True)
    shares = graph.add("SOFTMAX", [scores], (1, 6, 6), "SoftmaxOptions", beta=1.0)
    return graph.add("BATCH_MATMUL", [shares, x], ROWS, "BatchMatMulOptions")


def masked_attention(graph: FloatGraph, x: int) -> int:
    """A mask that is computed and one that is constant, in numbers so large that all else would vanish beside them."""
    above = graph.add("GREATER", [graph.dense(x, 6), graph.constant(np.float32(1.0))], (1, 6, 6), dtype="bool")
    out = graph.add("CAST", [above], (1, 6, 6), "CastOptions", inDataType=6, outDataType=0)
    hidden = graph.add("MUL", [out, graph.constant(np.float32(-1e9))], (1, 6, 6), "MulOptions")
    scores = graph.add("BATCH_MATMUL", [graph.dense(x, 16), x], (1, 6, 6), "BatchMatMulOptions", adjY=True)
    first = graph.add("ADD", [scores, hidden], (1, 6, 6), "AddOptions")
    causal = graph.constant(np.triu(np.full((6, 6), -3e38, np.float32), 1))
    second = graph.add("ADD", [scores, causal], (1, 6, 6), "AddOptions")
    shares = [graph.add("SOFTMAX", [term], (1, 6, 6), "SoftmaxOptions", beta=1.0) for term in (first, second)]
    return graph.add("ADD", shares, (1, 6, 6), "AddOptions")


def transposed_conv(graph: FloatGraph, x: int) -> int:
    inputs = [graph.indices(1, 16, 16, 6), graph.weights(6, 3, 3, 4), x, graph.weights(6, size=0.1)]
    fields = {"strideH": 2, "strideW": 2}
    return graph.add("TRANSPOSE_CONV", inputs, (1, 16, 16, 6), "TransposeConvOptions", version=3, **fields)


def depthwise(graph: FloatGraph, x: int) -> int:
    inputs = [x, graph.weights(1, 3, 3, 8, size=0.5), graph.weights(8, size=0.1)]
    fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "depthMultiplier": 2}
    return graph.add("DEPTHWISE_CONV_2D", inputs, (1, 8, 8, 8), "DepthwiseConv2DOptions", **fields)


def layer_norm(graph: FloatGraph, x: int) -> int:
    mean = graph.add("MEAN", [x, graph.indices(2)], (1, 6, 1), "ReducerOptions", keepDims=True)
    square = graph.add("SQUARED_DIFFERENCE", [x, mean], ROWS, "SquaredDifferenceOptions")
    variance = graph.add("MEAN", [square, graph.indices(2)], (1, 6, 1), "ReducerOptions", keepDims=True)
    safe = graph.add("ADD", [variance, graph.constant(np.float32(1e-3))], (1, 6, 1), "AddOptions")
    centred = graph.add("SUB", [x, mean], ROWS, "SubOptions")
    root = graph.add("RSQRT", [safe], (1, 6, 1))
    return graph.add("MUL", [centred, root], ROWS, "MulOptions")


def divided(graph: FloatGraph, x: int) -> int:
    squares = graph.add("SQUARE", [x], ROWS, "SquareOptions")
    sums = graph.add("SUM", [squares, graph.indices(2)], (1, 6, 1), "ReducerOptions", keepDims=True)
    norm = graph.add("SQRT", [sums], (1, 6, 1))
    return graph.add("DIV", [x, norm], ROWS, "DivOptions")


def one_hot(graph: FloatGraph, x: int) -> int:
    best = graph.add("ARG_MAX", [x, graph.constant(np.int32(2))], (1, 6), "ArgMaxOptions", "int32", outputType=2)
    numbers = [graph.constant(np.int32(16)), graph.constant(np.float32(1)), graph.constant(np.float32(0))]
    hot = graph.add("ONE_HOT", [best, *numbers], ROWS, "OneHotOptions", axis=-1)
    return graph.add("MUL", [x, hot], ROWS, "MulOptions")


def embedding(graph: FloatGraph, x: int) -> int:
    best = graph.add("ARG_MAX", [x, graph.constant(np.int32(2))], (1, 6), "ArgMaxOptions", "int32", outputType=2)
    rows = graph.add("GATHER", [graph.weights(16, 16), best], ROWS, "GatherOptions", axis=0)
    return graph.add("ADD", [x, rows], ROWS, "AddOptions")


def faked(graph: FloatGraph, x: int) -> int:
    after = graph.conv(x, 4)
    fields = {"min": -1.0, "max": 1.0, "numBits": 8}
    return graph.add("FAKE_QUANT", [after], IMAGE, "FakeQuantOptions", **fields)


def lstm(graph: FloatGraph, x: int) -> int:
    weights = [graph.weights(12, 16) for _ in range(4)] + [graph.weights(12, 12) for _ in range(4)]
    biases = [graph.weights(12, size=0.1) for _ in range(4)]
    states = [graph.tensor(name, (1, 12), variable=True) for name in ("output_state", "cell_state")]
    inputs = [x, *weights, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    options = "UnidirectionalSequenceLSTMOptions"
    return graph.add("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, (1, 6, 12), options, fusedActivationFunction=4)


def padded_for_a_pool(graph: FloatGraph, x: int) -> int:
    smallest = graph.constant(np.float32(-3e38))
    padded = graph.add("PADV2", [x, graph.indices(PAIRS), smallest], (1, 11, 11, 4), "PadV2Options")
    pool = {"filterHeight": 4, "filterWidth": 4, "strideH": 1, "strideW": 1, "padding": 1}
    return graph.add("MAX_POOL_2D", [padded], (1, 8, 8, 4), "Pool2DOptions", **pool)


def holes(kernel: int, pads: list[list[int]], crops: list[list[int]]) -> Build:
    """A convolution of pixels two apart, as TensorFlow writes it."""

    def build(graph: FloatGraph, x: int) -> int:
        sizes = [8 + sum(pair) for pair in pads]
        apart = [4, *(size // 2 for size in sizes), 4]
        split = graph.add("SPACE_TO_BATCH_ND", [x, graph.indices(2, 2), graph.indices(pads)], apart)
        inner = [4, *(size // 2 - kernel + 1 for size in sizes), 6]
        inputs = [split, graph.weights(6, kernel, kernel, 4), graph.weights(6, size=0.1)]
        fields = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 1}
        convolved = graph.add("CONV_2D", inputs, inner, "Conv2DOptions", fusedActivationFunction=1, **fields)
        shape = [1, *(2 * size - sum(pair) for size, pair in zip(inner[1:3], crops, strict=True)), 6]
        return graph.add("BATCH_TO_SPACE_ND", [convolved, graph.indices(2, 2), graph.indices(crops)], shape)

    return build


POOL = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2, "padding": 1}
PAIRS = [[0, 0], [1, 2], [2, 1], [0, 0]]
ON_IMAGES: dict[str, Build] = {
    "ABS": unary("ABS"),
    "ADD": binary("ADD", "AddOptions", fusedActivationFunction=1),
    "AVERAGE_POOL_2D": moved("AVERAGE_POOL_2D", (1, 4, 4, 4), options="Pool2DOptions", **POOL),
    "CONCATENATION": joined,
    "CONV_2D": lambda graph, x: graph.conv(x, 8, stride=2, activation=3),
    "DEPTHWISE_CONV_2D": depthwise,
    "DEPTH_TO_SPACE": moved("DEPTH_TO_SPACE", (1, 16, 16, 1), options="DepthToSpaceOptions", blockSize=2),
    "ELU": unary("ELU"),
    "EQUAL": compared("EQUAL"),
    "EXP": unary("EXP", "ExpOptions"),
    "EXPAND_DIMS": moved("EXPAND_DIMS", (1, 1, 8, 8, 4), 1, options="ExpandDimsOptions"),
    "FAKE_QUANT": faked,
    "GATHER": moved("GATHER", (1, 8, 8, 3), [3, 0, 1], options="GatherOptions", axis=3),
    "GELU": unary("GELU", "GeluOptions"),
    "GREATER": compared("GREATER"),
    "HARD_SWISH": unary("HARD_SWISH"),
    "L2_NORMALIZATION": unary("L2_NORMALIZATION", "L2NormOptions"),
    "LEAKY_RELU": unary("LEAKY_RELU", "LeakyReluOptions", alpha=0.1),
    "LESS": compared("LESS_EQUAL"),
    "LOG": positive(unary("LOG")),
    "LOGISTIC": unary("LOGISTIC"),
    "LOG_SOFTMAX": unary("LOG_SOFTMAX", "LogSoftmaxOptions"),
    "MAXIMUM": binary("MAXIMUM", "MaximumMinimumOptions"),
    "MAX_POOL_2D": moved("MAX_POOL_2D", (1, 4, 4, 4), options="Pool2DOptions", **POOL),
    "MEAN": reduced("MEAN", (1, 2), (1, 1, 1, 4)),
    "MINIMUM": binary("MINIMUM", "MaximumMinimumOptions"),
    "MIRROR_PAD": moved("MIRROR_PAD", (1, 11, 11, 4), PAIRS, options="MirrorPadOptions"),
    "MUL": binary("MUL", "MulOptions"),
    "NEG": unary("NEG", "NegOptions"),
    "PAD": moved("PAD", (1, 11, 11, 4), PAIRS, options="PadOptions"),
    "POW": with_constant("POW", 3, "PowOptions"),
    "PRELU": with_constant("PRELU", [[[0.1, 0.3, 0.2, -0.1]]]),
    "REDUCE_MAX": reduced("REDUCE_MAX", (1, 2), (1, 1, 1, 4)),
    "REDUCE_MIN": reduced("REDUCE_MIN", (1, 2), (1, 1, 1, 4)),
    "RELU": unary("RELU"),
    "RELU6": unary("RELU6"),
    "RELU_0_TO_1": unary("RELU_0_TO_1"),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1"),
    "RESHAPE": moved("RESHAPE", (1, 256), [1, 256], options="ReshapeOptions"),
    "RESIZE_BILINEAR": moved("RESIZE_BILINEAR", (1, 16, 16, 4), [16, 16], options="ResizeBilinearOptions"),
    "RESIZE_NEAREST_NEIGHBOR": moved(
        "RESIZE_NEAREST_NEIGHBOR", (1, 16, 16, 4), [16, 16], options="ResizeNearestNeighborOptions"
    ),
    "REVERSE_V2": moved("REVERSE_V2", IMAGE, [1], options="ReverseV2Options"),
    "RSQRT": positive(unary("RSQRT")),
    "SLICE": moved("SLICE", (1, 4, 5, 4), [0, 2, 1, 0], [1, 4, 5, 4], options="SliceOptions"),
    "SPACE_TO_DEPTH": moved("SPACE_TO_DEPTH", (1, 4, 4, 16), options="SpaceToDepthOptions", blockSize=2),
    "SPLIT": split,
    "SPLIT_V": split_unevenly,
    "SQRT": positive(unary("SQRT")),
    "SQUARE": unary("SQUARE", "SquareOptions"),
    "SQUARED_DIFFERENCE": binary("SQUARED_DIFFERENCE", "SquaredDifferenceOptions"),
    "SQUEEZE": moved("SQUEEZE", (8, 8, 4), options="SqueezeOptions", squeezeDims=[0]),
    "STRIDED_SLICE": moved(
        "STRIDED_SLICE", (1, 4, 4, 4), [0, 0, 1, 0], [1, 8, 8, 4], [1, 2, 2, 1], options="StridedSliceOptions"
    ),
    "SUB": binary("SUB", "SubOptions"),
    "SUM": reduced("SUM", (1, 2), (1, 1, 1, 4)),
    "SUM of channels": reduced("SUM", (3,), (1, 8, 8, 1)),
    "MEAN of channels": reduced("MEAN", (3,), (1, 8, 8, 1)),
    "TANH": unary("TANH"),
    "TILE": moved("TILE", (1, 8, 16, 4), [1, 1, 2, 1]),
    "TRANSPOSE": moved("TRANSPOSE", (1, 4, 8, 8), [0, 3, 1, 2], options="TransposeOptions"),
    "TRANSPOSE_CONV": transposed_conv,
    "UNPACK": unpacked,
    "a comparison of large values": compared_at_large,
    "a clip": lambda graph, x: with_constant("MINIMUM", 0.7)(graph, with_constant("MAXIMUM", -0.4)(graph, x)),
    "a division by a constant": with_constant("DIV", [3.0, 0.5, 2.0, 1.5], "DivOptions"),
    "a division by what is computed": positive(
        lambda graph, x: graph.add("DIV", [graph.conv(x, 4), x], IMAGE, "DivOptions")
    ),
    "a mask": masked,
    "holes": holes(3, [[2, 2], [2, 2]], [[0, 0], [0, 0]]),
    "holes and nothing around": holes(3, [[0, 0], [0, 0]], [[0, 0], [0, 0]]),
    "holes, padded too much": holes(3, [[2, 4], [2, 2]], [[0, 2], [0, 0]]),
    "a padding of very small values": padded_for_a_pool,
    "a relu after a transposed convolution": lambda graph, x: graph.add(
        "RELU", [transposed_conv(graph, x)], (1, 16, 16, 6)
    ),
    "a relu that others pass by": lambda graph, x: graph.add(
        "ADD", [x, graph.add("RELU", [x], IMAGE)], IMAGE, "AddOptions"
    ),
}
ON_ROWS: dict[str, Build] = {
    "ARG_MAX": embedding,
    "BATCH_MATMUL": matrix_product,
    "BATCH_MATMUL by a constant": lambda graph, x: graph.add(
        "BATCH_MATMUL", [x, graph.weights(16, 5)], (1, 6, 5), "BatchMatMulOptions"
    ),
    "BROADCAST_TO": lambda graph, x: graph.add(
        "BROADCAST_TO", [reduced("REDUCE_MAX", (1,), (1, 1, 16))(graph, x), graph.indices(1, 6, 16)], ROWS, version=2
    ),
    "FULLY_CONNECTED": lambda graph, x: graph.dense(x, 5),
    "ONE_HOT": one_hot,
    "SOFTMAX": unary("SOFTMAX", "SoftmaxOptions", beta=1.0),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
    "a division by a norm": divided,
    "a mask in attention": masked_attention,
    "a layer norm": layer_norm,
}


def network(name: str) -> FloatGraph:
    """The operator of a case after one layer, with another one after it where that takes its output."""
    graph = FloatGraph()
    image = name in ON_IMAGES
    x = graph.tensor("x", IMAGE if image else ROWS)
    first = graph.conv(x, 4) if image else graph.dense(x, 16)
    y = (ON_IMAGES if image else ON_ROWS)[name](graph, first)
    return graph.ports([x], [y])
