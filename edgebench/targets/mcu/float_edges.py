"""Models whose inputs and outputs are real numbers around an int8 inside: the C model takes and returns the int8."""

from __future__ import annotations

from dataclasses import replace

from edgebench.models.tflite.quantised_graph import QuantisedGraph


def without_float_edges(graph: QuantisedGraph) -> tuple[QuantisedGraph, bool]:
    """Leave out QUANTIZE after a float input and DEQUANTIZE before a float output.

    Returns:
        The graph between them, and whether anything was left out. What a board's sensor code has to do instead is
        one multiplication per value, with the scale and zero point from ``model.h``.
    """
    entries = {
        operator.inputs[0]: operator.outputs[0]
        for operator in graph.operators
        if operator.kind == "QUANTIZE"
        and operator.inputs
        and operator.outputs
        and operator.inputs[0] in graph.inputs
        and graph.tensors[operator.inputs[0]].dtype == "float32"
    }
    exits = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if operator.kind == "DEQUANTIZE" and operator.inputs and set(operator.outputs[:1]) & set(graph.outputs)
    }
    readers = [index for operator in graph.operators for index in operator.inputs]
    entries = {source: target for source, target in entries.items() if readers.count(source) == 1}
    kept = tuple(
        operator
        for operator in graph.operators
        if not (operator.kind == "QUANTIZE" and set(operator.inputs[:1]) & set(entries))
        and not (operator.kind == "DEQUANTIZE" and set(operator.outputs[:1]) & set(exits))
    )
    if len(kept) == len(graph.operators):
        return graph, False
    return (
        replace(
            graph,
            operators=kept,
            inputs=tuple(entries.get(index, index) for index in graph.inputs),
            outputs=tuple(exits.get(index, index) for index in graph.outputs),
        ),
        True,
    )
