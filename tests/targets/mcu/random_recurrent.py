"""Random recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.targets.mcu.random_graphs import RandomGraph


def _weights(graph: RandomGraph, *shape: int) -> int:
    return graph.constant(graph.weights(shape), "INT8", scale=graph.near(0.005, 0.2, 4))


def _wide(graph: RandomGraph, count: int) -> int:
    values = graph.random.integers(-32767, 32768, count)
    return graph.constant(values, "INT16", scale=graph.near(3e-5), zero_point=0)


def _bias(graph: RandomGraph, count: int) -> int:
    return graph.constant(graph.random.integers(-20000, 20000, count), "INT32", scale=1e-5)


def lstm(graph: RandomGraph) -> None:
    """With and without an input gate of its own, peepholes, a projection, layer normalisation and clipping."""
    inputs, cells, batches, times = graph.number(1, 20), graph.number(1, 12), graph.number(1, 2), graph.number(1, 4)
    coupled, projected, normed, major = (graph.number(0, 2) == 0 for _ in range(4))
    peepholes = not projected and graph.number(0, 2) == 0
    outputs = graph.number(1, 9) if projected else cells
    front = (times, batches) if major else (batches, times)
    state: dict[str, Any] = {"scale": graph.near(1 / 128), "zero_point": graph.number(-30, 30)}
    hidden = {"scale": graph.near(0.01), "zero_point": graph.number(-20, 20)} if projected else state
    gates = [not (gate == 0 and coupled) for gate in range(4)]
    source = graph.input((*front, inputs), scale=graph.near(0.02), zero_point=graph.number(-128, 127))
    operands = [
        source,
        *(_weights(graph, cells, inputs) if there else -1 for there in gates),
        *(_weights(graph, cells, outputs) if there else -1 for there in gates),
        *(_wide(graph, cells) if there and peepholes else -1 for there in gates[:3]),
        *(_bias(graph, cells) if there else -1 for there in gates),
        _weights(graph, outputs, cells) if projected else -1,
        _bias(graph, outputs) if projected and graph.number(0, 1) else -1,
        graph.kept((batches, outputs), **state),
        graph.kept((batches, cells), "INT16", scale=2.0 ** -graph.number(9, 15)),
        *(_wide(graph, cells) if there and normed else -1 for there in gates),
    ]
    scales = [graph.near(3e-4) if normed else 2.0**-12 for _ in range(4)]
    inner = [*(graph.inside((), "INT16", scale=scale) for scale in scales), graph.inside((), **hidden)]
    graph.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        operands,
        [graph.output((*front, outputs), **state)],
        options_type="UnidirectionalSequenceLSTMOptions",
        version=3,
        intermediates=inner,
        fusedActivationFunction=4,
        cellClip=float(graph.random.choice([0, 0.5, 10])),
        projClip=float(graph.random.choice([0, 0.4])),
        timeMajor=major,
    )


def svdf(graph: RandomGraph) -> None:
    inputs, rank, units, memory = graph.number(1, 20), graph.number(1, 3), graph.number(1, 8), graph.number(1, 8)
    batches, filters = graph.number(1, 2), rank * units
    scales = [graph.near(0.02), graph.near(0.005)]
    state = graph.near(scales[0] * scales[1] * inputs * 60 / 256)
    time = graph.near(5e-5)
    operands = [
        graph.input((batches, inputs), scale=scales[0], zero_point=graph.number(-128, 127)),
        graph.constant(graph.weights((filters, inputs)), "INT8", scale=scales[1]),
        graph.constant(graph.random.integers(-32767, 32768, (filters, memory)), "INT16", scale=time, zero_point=0),
        graph.constant(graph.random.integers(-20000, 20000, units), "INT32", scale=float(np.float32(state * time)))
        if graph.number(0, 1)
        else -1,
        graph.kept((batches, filters * memory), "INT16", scale=state),
    ]
    scale = graph.near(state * time * rank * 2e6)
    output = graph.output((batches, units), scale=scale, zero_point=graph.number(-128, 127))
    graph.operator(
        "SVDF", operands, [output], options_type="SVDFOptions", version=3, rank=rank, fusedActivationFunction=1
    )


KINDS: dict[str, Callable[[RandomGraph], None]] = {made.__name__: made for made in (lstm, svdf)}
