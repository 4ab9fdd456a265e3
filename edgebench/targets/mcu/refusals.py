"""Messages about operators that have no kernel, with remedies."""

from __future__ import annotations

from collections.abc import Iterable

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedOperator, QuantisedTensor
from edgebench.targets.mcu.ports import C_TYPES

QUANTISE = "quantise the whole model to int8 (edgebench export MODEL --to int8-tflite), activations included"
_WHOLE_NUMBERS = (
    "these are whole numbers, not quantised values: make them constants, or compute them in the application and pass "
    "them to the model as an input"
)
_REAL_NUMBERS = (
    "whole numbers become real ones here, which has no int8 form in LiteRT: end the model before this layer, and "
    "compute what follows in the application"
)
_FUNCTIONS = {"CEIL", "COS", "FLOOR", "POW", "ROUND", "SIGN", "SIN", "SQUARE", "ATAN2"}
_LOOPS = {"CALL", "IF", "WHILE"}
_RECURRENT = {
    *("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN"),
    *("UNIDIRECTIONAL_SEQUENCE_GRU", "UNIDIRECTIONAL_SEQUENCE_RNN"),
}
_ENDINGS = {"CUSTOM", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "TOPK_V2", "UNIQUE", "WHERE"}
_BEGINNINGS = {
    *("EMBEDDING_LOOKUP", "EMBEDDING_LOOKUP_SPARSE", "FFT", "HASHTABLE_LOOKUP", "IRFFT2D", "LSH_PROJECTION"),
    *("MFCC", "RFFT2D", "SKIP_GRAM"),
}


def no_kernel(graph: QuantisedGraph, operator: QuantisedOperator) -> UnsupportedModelError:
    """The error of an operator that has no kernel at all; of DEQUANTIZE, that of the operators after it."""
    left = [other for other in graph.operators if set(operator.outputs) & set(other.inputs)]
    if operator.kind == "DEQUANTIZE" and left:
        return UnsupportedModelError(
            f"{left[0].kind} (layer {_layer(graph, left[0])!r}) is still in real numbers; microcontrollers need int8",
            where=graph.name,
            operators=tuple(sorted({other.kind for other in left})),
            remedy=QUANTISE,
        )
    return UnsupportedModelError(
        f"there is no kernel for {operator.label} (layer {_layer(graph, operator)!r})",
        where=graph.name,
        operators=(operator.label,),
        remedy=_remedy(operator.kind),
    )


def _remedy(kind: str) -> str:
    if kind in _FUNCTIONS:
        return (
            "it has no int8 form in LiteRT: write it with operators that have one before the model is quantised "
            "(a square as MUL, a power of a half as SQRT), or compute it in the application"
        )
    if kind in _LOOPS:
        return "export the model with its loops unrolled and its conditions decided (Keras: unroll=True)"
    if kind in _RECURRENT:
        return "export the layer as UNIDIRECTIONAL_SEQUENCE_LSTM in int8, or unrolled (Keras: unroll=True)"
    if kind in _ENDINGS:
        return "end the model at the tensors that this layer reads, and compute what follows in the application"
    if kind in _BEGINNINGS:
        return "begin the model at the tensors that this layer returns, and compute them in the application"
    return (
        "replace the layer before the model is converted, or end the model before it and compute the rest in the "
        "application"
    )


def wrong_type(
    graph: QuantisedGraph, operator: QuantisedOperator, tensor: QuantisedTensor, types: Iterable[str]
) -> UnsupportedModelError:
    """The error of an operator whose types its kernel does not take."""
    what = tensor.dtype if tensor.scales or tensor.dtype not in {"int8", "int16"} else f"{tensor.dtype} without a scale"
    if len(tensor.scales) > 1:
        what = f"{tensor.dtype} with a scale for each channel"
    layer = _layer(graph, operator)
    place = repr(tensor.name) if tensor.name == layer else f"{tensor.name!r}, layer {layer!r}"
    return UnsupportedModelError(
        f"{operator.kind} computes on {what} ({place}), but microcontrollers need {' or '.join(sorted(types))}",
        where=graph.name,
        operators=(operator.kind,),
        remedy=_type_remedy(operator, tensor),
    )


def _type_remedy(operator: QuantisedOperator, tensor: QuantisedTensor) -> str:
    if tensor.dtype in {"bool", "int32", "int64"}:
        return _WHOLE_NUMBERS
    return _REAL_NUMBERS if operator.kind == "CAST" and tensor.dtype == "float32" else QUANTISE


def in_layer(error: UnsupportedModelError, graph: QuantisedGraph, operator: QuantisedOperator) -> UnsupportedModelError:
    """An error of an operator's writer, with its operator and its layer."""
    return UnsupportedModelError(
        error.what,
        operators=error.operators or (operator.kind,),
        where=error.where or f"{operator.kind} {_layer(graph, operator)!r}",
        remedy=error.remedy or _remedy(operator.kind),
    )


def odd_edge(graph: QuantisedGraph, tensor: QuantisedTensor) -> UnsupportedModelError:
    """The error of an input or output that C has no type for."""
    return UnsupportedModelError(
        f"{tensor.name!r} is {tensor.dtype}; inputs and outputs of a C model are {', '.join(C_TYPES)}",
        where=graph.name,
        remedy=QUANTISE,
    )


def _layer(graph: QuantisedGraph, operator: QuantisedOperator) -> str:
    return graph.tensors[operator.outputs[0]].name if operator.outputs else "without output"
