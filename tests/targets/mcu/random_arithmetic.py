"""Random sums, products, functions, reductions and rows of 8-bit values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.targets.mcu.random_graphs import RandomGraph

_FUSED = {"ADD", "SUB", "MUL", "DIV"}
_FREE = ("ABS", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "NEG", "QUANTIZE", "RELU", "RELU6")
_BOUNDED = ("RELU_0_TO_1", "RELU_N1_TO_1", "TANH")
_OPTIONS = {
    "GELU": "GeluOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "SQUARED_DIFFERENCE": "",
    "PRELU": "",
}


def quantised(graph: RandomGraph, scale: float | None = None) -> dict[str, Any]:
    return {"scale": graph.scale() if scale is None else scale, "zero_point": graph.number(-128, 127)}


def repeated(graph: RandomGraph, rank: int, largest: int = 4) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Two shapes, and the one that they give together."""
    whole = graph.shape(graph.number(1, rank), largest)
    shapes = []
    for _ in range(2):
        shape = tuple(size if graph.number(0, 2) else 1 for size in whole)
        shapes.append(shape[graph.number(0, len(shape) - 1) if graph.number(0, 2) == 0 else 0 :])
    return shapes, tuple(np.broadcast_shapes(*shapes))


def binary(graph: RandomGraph) -> None:
    kind = str(graph.random.choice(["ADD", "SUB", "MUL", "DIV", "MINIMUM", "MAXIMUM", "PRELU", "SQUARED_DIFFERENCE"]))
    (first, second), whole = repeated(graph, 6 if kind in {"ADD", "SUB", "MUL"} else 4)
    first = whole if kind == "PRELU" else first
    settings = [quantised(graph) for _ in range(3)]
    if kind in {"MINIMUM", "MAXIMUM"}:
        settings = settings[:1] * 3
    values = graph.values(second)
    if kind == "DIV":
        values = np.where(values == settings[1]["zero_point"], values ^ 1, values)  # LiteRT refuses zeros
    constant = kind in {"DIV", "PRELU"} or graph.number(0, 2) == 0
    inputs = [
        graph.input(first, **settings[0]),
        graph.constant(values, "INT8", **settings[1]) if constant else graph.input(second, **settings[1]),
    ]
    if constant and kind not in {"DIV", "PRELU"} and graph.number(0, 1):
        inputs.reverse()
    fused = {"fusedActivationFunction": graph.number(0, 3)} if kind in _FUSED else {}
    name = {"options_type": _OPTIONS[kind]} if kind in _OPTIONS else {}
    name = {"options_type": "MaximumMinimumOptions"} if kind in {"MINIMUM", "MAXIMUM"} else name
    version = 1 if kind == "PRELU" else 2
    graph.operator(kind, inputs, [graph.output(whole, **settings[2])], version=version, **name, **fused)


def function(graph: RandomGraph) -> None:
    kind = str(graph.random.choice([*_FREE, *_BOUNDED, "LOGISTIC", "SQRT", "RSQRT"]))
    shape, source, output = graph.shape(graph.number(1, 5)), quantised(graph), quantised(graph)
    if kind in {"SQRT", "RSQRT"}:
        source["zero_point"] = -128  # roots below 0 are refused
    if kind == "LOGISTIC":
        output = {"scale": 1 / 256, "zero_point": -128}
    options: dict[str, Any] = {"alpha": float(graph.random.uniform(-0.5, 1.5))} if kind == "LEAKY_RELU" else {}
    options |= {"approximate": bool(graph.number(0, 1))} if kind == "GELU" else {}
    version = 2 if kind in {"LOGISTIC", "TANH", "LEAKY_RELU", "RELU", "RELU6", "QUANTIZE"} else 1
    graph.operator(
        kind,
        [graph.input(shape, **source)],
        [graph.output(shape, **output)],
        options_type=_OPTIONS.get(kind, ""),
        version=version,
        **options,
    )


def reduced(graph: RandomGraph, shape: tuple[int, ...]) -> tuple[list[int], bool, tuple[int, ...], int]:
    """Axes, whether they are kept, what is left, and how many values go into one."""
    rank = len(shape)
    axes = sorted(graph.random.choice(rank, graph.number(1, rank), replace=False).tolist())
    kept = bool(graph.number(0, 1))
    left = tuple(1 if axis in axes else size for axis, size in enumerate(shape) if kept or axis not in axes)
    count = int(np.prod([shape[axis] for axis in axes]))
    return [axis - rank if graph.number(0, 1) else axis for axis in axes], kept, left, count


def reduction(graph: RandomGraph) -> None:
    kind = str(graph.random.choice(["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"]))
    shape = graph.shape(graph.number(1, 5), 4)
    axes, kept, left, count = reduced(graph, shape)
    source = quantised(graph)
    output = source
    if kind in {"SUM", "MEAN", "REDUCE_PROD"}:
        output = quantised(graph, graph.near(source["scale"] * (count**0.7 if kind == "SUM" else 1)))
    if kind == "REDUCE_PROD":
        output["scale"] = float(np.float32(np.clip((source["scale"] * 60.0) ** count / 100, 1e-30, 1e30)))
    inputs = [graph.input(shape, **source), graph.constant(axes)]
    outputs = [graph.output(left, **output)]
    graph.operator(kind, inputs, outputs, options_type="ReducerOptions", keepDims=kept)


def row(graph: RandomGraph) -> None:
    kind = str(graph.random.choice(["SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"]))
    shape = (*graph.shape(graph.number(0, 4), 4), graph.number(1, 60))
    scale, point = {"SOFTMAX": (1 / 256, -128), "LOG_SOFTMAX": (1 / 16, 127), "L2_NORMALIZATION": (1 / 128, 0)}[kind]
    outputs = [graph.output(shape, scale=scale, zero_point=point)]
    options: dict[str, Any] = {"beta": float(graph.random.choice([0.5, 1.0]))} if kind == "SOFTMAX" else {}
    options |= {"options_type": _OPTIONS[kind]} if kind in _OPTIONS else {}
    graph.operator(kind, [graph.input(shape, **quantised(graph))], outputs, version=1, **options)


def matrices(graph: RandomGraph) -> None:
    """BATCH_MATMUL of two computed matrices, or of one and a constant."""
    batch, (rows, depth, columns) = graph.shape(graph.number(0, 2), 3), graph.shape(3, 9)
    flipped = bool(graph.number(0, 1)), bool(graph.number(0, 1))
    batches = [tuple(size if graph.number(0, 2) else 1 for size in batch) for _ in range(2)]
    shapes = [
        batches[0] + ((depth, rows) if flipped[0] else (rows, depth)),
        batches[1] + ((columns, depth) if flipped[1] else (depth, columns)),
    ]
    settings = [quantised(graph), quantised(graph)]
    scale = settings[0]["scale"] * settings[1]["scale"]
    inputs = [graph.input(shape, **setting) for shape, setting in zip(shapes, settings, strict=True)]
    if graph.number(0, 2) == 0:
        graph.inputs.remove(inputs[1])
        inputs[1] = graph.constant(graph.values(shapes[1]), "INT8", **settings[1])
    whole = (*np.broadcast_shapes(*batches), rows, columns)
    output = graph.output(whole, **quantised(graph, graph.near(scale * 2.0 ** graph.number(2, 11))))
    graph.operator(
        "BATCH_MATMUL", inputs, [output], options_type="BatchMatMulOptions", adjX=flipped[0], adjY=flipped[1]
    )


def dense(graph: RandomGraph) -> None:
    """Weights per tensor, per channel, computed, or with a zero point; sums that lie halfway between results."""
    before, features, units = graph.shape(graph.number(1, 3), 3), graph.number(1, 40), graph.number(1, 12)
    keep = bool(graph.number(0, 1))
    shape = (*before, units) if keep else (int(np.prod(before)), units)
    source = quantised(graph)
    scale, kind = graph.scale(), str(graph.random.choice(["tensor", "channel", "computed", "shifted"]))
    inputs = [graph.input((*before, features), **source)]
    if kind == "computed":
        inputs.append(graph.input((units, features), scale=scale, zero_point=0))
    else:
        # LiteRT compares the scale of the bias with the first of these.
        scales = [scale, *(graph.near(scale) for _ in range(units - 1))] if kind == "channel" else scale
        point = graph.number(-20, 20) if kind == "shifted" else 0
        inputs.append(graph.constant(graph.weights((units, features)), "INT8", scale=scales, zero_point=point))
    if graph.number(0, 1):
        values = graph.random.integers(-3000, 3000, units)
        inputs.append(graph.constant(values, "INT32", scale=float(np.float32(source["scale"] * scale))))
    product = source["scale"] * scale
    exact = float(np.float32(product * 2.0 ** graph.number(4, 12)))
    output = graph.output(
        shape, **quantised(graph, exact if graph.number(0, 1) else graph.near(product * features * 60))
    )
    graph.operator(
        "FULLY_CONNECTED",
        inputs,
        [output],
        keepNumDims=keep,
        fusedActivationFunction=int(graph.random.choice([0, 1, 3])),
        version=5,
    )


KINDS: dict[str, Callable[[RandomGraph], None]] = {
    made.__name__: made for made in (binary, function, reduction, row, matrices, dense)
}
