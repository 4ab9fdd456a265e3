"""Random convolutions of groups of channels, and transposed ones."""

from __future__ import annotations

from collections.abc import Callable

from tests.targets.mcu.random_graphs import RandomGraph

_SCALE = 0.02


def _weights(graph: RandomGraph, shape: tuple[int, ...], *, biased: bool, wide: bool = False) -> list[int]:
    """Weights with a scale for each filter, and a bias."""
    scales = graph.random.uniform(0.001, 0.01, shape[0])
    values = graph.random.integers(-127, 128, shape)
    made = [graph.constant(values, "INT8", scale=scales.tolist(), zero_point=0)]
    if biased:
        bias = graph.random.integers(-3000, 3000, shape[0])
        kind = "INT64" if wide else "INT32"
        made.append(graph.constant(bias, kind, scale=(scales * _SCALE).tolist(), zero_point=0))
    return made


def _input(graph: RandomGraph, shape: tuple[int, ...]) -> int:
    return graph.input(shape, scale=_SCALE, zero_point=graph.number(-128, 127))


def _output(graph: RandomGraph, shape: tuple[int, ...]) -> int:
    return graph.output(shape, scale=float(graph.random.uniform(0.01, 0.1)), zero_point=graph.number(-20, 20))


def grouped(graph: RandomGraph) -> None:
    groups, channels, filters = graph.number(2, 4), graph.number(1, 5), graph.number(1, 5)
    images, height, width = graph.number(1, 2), graph.number(3, 8), graph.number(3, 8)
    window, stride = (graph.number(1, 3), graph.number(1, 3)), (graph.number(1, 2), graph.number(1, 2))
    spread = (graph.number(1, 2), graph.number(1, 2)) if stride == (1, 1) else (1, 1)
    covered = [(size - 1) * step + 1 for size, step in zip(window, spread, strict=True)]
    same = graph.number(0, 1) or any(size > length for size, length in zip(covered, (height, width), strict=True))
    made = [
        -(-length // step) if same else (length - size) // step + 1
        for length, size, step in zip((height, width), covered, stride, strict=True)
    ]
    source = _input(graph, (images, height, width, groups * channels))
    weights = _weights(graph, (groups * filters, *window, channels), biased=True)
    graph.operator(
        "CONV_2D",
        [source, *weights],
        [_output(graph, (images, *made, groups * filters))],
        options_type="Conv2DOptions",
        padding=0 if same else 1,
        strideH=stride[0],
        strideW=stride[1],
        dilationHFactor=spread[0],
        dilationWFactor=spread[1],
        fusedActivationFunction=int(graph.random.choice([0, 1, 3])),
        version=3,
    )


def transposed(graph: RandomGraph) -> None:
    channels, filters, images = graph.number(1, 9), graph.number(1, 7), graph.number(1, 2)
    size, window = (graph.number(1, 5), graph.number(1, 5)), (graph.number(1, 5), graph.number(1, 5))
    stride = (graph.number(1, 3), graph.number(1, 3))
    same, wide = bool(graph.number(0, 1)), graph.number(0, 2) == 0
    made = tuple(
        length * step - (graph.number(0, step - 1) if same else 0) + (0 if same else max(0, around - step))
        for length, around, step in zip(size, window, stride, strict=True)
    )
    weights, *bias = _weights(graph, (filters, *window, channels), biased=bool(graph.number(0, 1)), wide=wide)
    image, output = (images, *size, channels), (images, *made, filters)
    if wide:
        ends = graph.input(image, "INT16", scale=_SCALE), graph.output(output, "INT16", scale=0.3)
    else:
        ends = _input(graph, image), _output(graph, output)
    graph.operator(
        "TRANSPOSE_CONV",
        [graph.constant(output), weights, ends[0], *bias],
        [ends[1]],
        padding=0 if same else 1,
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=graph.number(0, 1),
        version=4,
    )


KINDS: dict[str, Callable[[RandomGraph], None]] = {function.__name__: function for function in (grouped, transposed)}
