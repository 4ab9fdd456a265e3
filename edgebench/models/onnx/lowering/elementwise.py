"""Operators that compute each value separately, and arithmetic of two tensors with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from edgebench.models.onnx.lowering.context import (
    Handler,
    Handlers,
    Layout,
    Lowering,
    Node,
    NotConvertibleError,
    channels_last,
    identity,
)


def unary(context: Lowering, node: Node, kind: str, **options: Any) -> None:
    """An operator of TFLite that takes the value in any layout."""
    value = context.value(node.input(0))
    shape = context.graph.shape(value.tensor)
    context.give(node.output, context.emit(kind, [value.tensor], shape, **options), value.layout)


def forward(context: Lowering, node: Node) -> None:
    """Nothing is computed: ``Identity``, ``Dropout``, a ``Cast`` between floats."""
    if context.constant(node.input(0)) is None:
        context.values[node.output] = context.value(node.input(0))


def cast(context: Lowering, node: Node) -> None:
    """``Cast``: nothing between floats, otherwise TFLite's own."""
    before, after = context.dtype(node.input(0)), context.dtype(node.output)
    if before == after:
        forward(context, node)
        return
    value = context.value(node.input(0))
    after = "int32" if after == "int64" else after
    tensors = context.graph.tensors
    shape = context.graph.shape(value.tensor)
    if tensors[value.tensor].dtype == after:
        context.values[node.output] = value
        return
    context.give(node.output, context.emit("CAST", [value.tensor], shape, dtype=after), value.layout)


def binary(context: Lowering, node: Node, kind: str, **options: Any) -> None:
    """Arithmetic of two tensors, in the layout of the one whose axes would cost more to move."""
    context.give(node.output, *combined(context, kind, node.input(0), node.input(1), node.output, **options))


def combined(context: Lowering, kind: str, first: str, second: str, output: str, **options: Any) -> tuple[str, Layout]:
    """The tensor and layout of two ONNX values combined with broadcasting."""
    shape = context.shape(output)
    layout = common_layout(context, [first, second], len(shape))
    tensors = [spread(context, name, layout) for name in (first, second)]
    target = tuple(shape[axis] for axis in layout)
    dtype = context.graph.tensors[tensors[0]].dtype
    return context.emit(kind, tensors, target, dtype=dtype, **options), layout


def common_layout(context: Lowering, names: list[str], rank: int) -> Layout:
    """The layout of the largest computed value of full rank."""
    best, size = identity(rank), -1
    for name in names:
        if context.constant(name) is not None or len(context.shape(name)) != rank:
            continue
        count = int(np.prod(context.shape(name)))
        if count > size:
            best, size = context.value(name).layout, count
    return best


def spread(context: Lowering, name: str, layout: Layout) -> str:
    """The tensor of a value that broadcasts against others of a layout: axes of size 1 are prepended."""
    rank, shape = len(layout), context.shape(name)
    missing = rank - len(shape)
    array = context.constant(name)
    if array is not None:
        from edgebench.models.onnx.lowering.context import as_tflite

        if array.size == 1:
            # One number broadcasts whatever its rank, and needs no axes that a kernel would have to loop over.
            return context.graph.constant(name, as_tflite(array.reshape(())))
        wide = array.reshape((1,) * missing + array.shape)
        return context.graph.constant(name, as_tflite(np.transpose(wide, layout)))
    if not missing:
        return context.in_layout(name, layout)
    wide_shape = (1,) * missing + shape
    tensor = context.reshaped(context.plain(name), wide_shape)
    return context.moved(tensor, layout)


def clip(context: Lowering, node: Node) -> None:
    """``Clip`` in all its spellings: RELU, RELU6, RELU_N1_TO_1 if it is one, otherwise MINIMUM and MAXIMUM."""
    computed = [node.input(place) and context.constant(node.input(place)) is None for place in (1, 2)]
    if any(computed):
        _clipped_by_values(context, node)
        return
    low, high = (_limit(context, node, name, position) for name, position in (("min", 1), ("max", 2)))
    clipped(context, node, low, high)


def _clipped_by_values(context: Lowering, node: Node) -> None:
    """Limits that are single values, at least one of them computed from the inputs."""
    value = context.value(node.input(0))
    tensor, shape = value.tensor, context.graph.shape(value.tensor)
    for kind, name in (("MAXIMUM", node.input(1)), ("MINIMUM", node.input(2))):
        if name:
            limit = context.reshaped(context.plain(name), (1,) * max(1, len(shape)))
            tensor = context.emit(kind, [tensor, limit], shape)
    context.give(node.output, tensor, value.layout)


def clipped(context: Lowering, node: Node, low: float | None, high: float | None) -> None:
    """A value between two limits; None for no limit."""
    known = {(0.0, None): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}.get((low, high))  # type: ignore[arg-type]
    if known is not None:
        unary(context, node, known)
        return
    value = context.value(node.input(0))
    tensor, shape = value.tensor, context.graph.shape(value.tensor)
    if low == 0.0:
        tensor, low = context.emit("RELU", [tensor], shape), None
    for kind, limit in (("MAXIMUM", low), ("MINIMUM", high)):
        if limit is not None:
            tensor = context.emit(kind, [tensor, context.floats("limit", limit)], shape)
    context.give(node.output, tensor, value.layout)


def _limit(context: Lowering, node: Node, name: str, position: int) -> float | None:
    given = node.get(name)
    if given is None and node.input(position):
        given = float(context.required_constant(node.input(position), f"limit {name}").reshape(-1)[0])
    if given is None or not np.isfinite(given) or abs(given) >= 3.4e38:
        return None
    return float(given)


def leaky_relu(context: Lowering, node: Node) -> None:
    """``LeakyRelu``."""
    unary(context, node, "LEAKY_RELU", alpha=float(node.get("alpha", 0.01)))


def prelu(context: Lowering, node: Node) -> None:
    """``PRelu``: its slopes broadcast from the right, usually one per channel."""
    slope = context.required_constant(node.input(1), "slope").astype(np.float32)
    value = context.value(node.input(0))
    rank = len(value.layout)
    wide = slope.reshape((1,) * (rank - slope.ndim) + slope.shape)
    if slope.size == 1:
        unary(context, node, "LEAKY_RELU", alpha=float(slope.reshape(-1)[0]))
        return
    layout = channels_last(rank)
    source = context.in_layout(node.input(0), layout)
    alpha = np.transpose(wide, layout)
    shape = context.graph.shape(source)
    # TFLite takes a slope for every position after the batch.
    alpha = np.broadcast_to(alpha, (1, *alpha.shape[1:]))[0]
    context.give(node.output, context.emit("PRELU", [source, context.floats("slope", alpha)], shape), layout)


def hard_sigmoid(context: Lowering, node: Node) -> None:
    """``HardSigmoid``: a line between 0 and 1; RELU6 / 6 if its slope allows that."""
    alpha, beta = float(node.get("alpha", 0.2)), float(node.get("beta", 0.5))
    value = context.value(node.input(0))
    context.give(node.output, hard_line(context, value.tensor, alpha, beta), value.layout)


def hard_line(context: Lowering, tensor: str, alpha: float, beta: float) -> str:
    """min(max(alpha x + beta, 0), 1)."""
    shape = context.graph.shape(tensor)
    scaled = tensor
    if not np.isclose(6 * alpha, 1):
        scaled = context.arithmetic("MUL", scaled, context.floats("slope", 6 * alpha))
    moved = context.arithmetic("ADD", scaled, context.floats("shift", 6 * beta))
    cut = context.emit("RELU6", [moved], shape)
    return context.arithmetic("MUL", cut, context.floats("sixth", 1 / 6))


def softplus(context: Lowering, node: Node) -> None:
    """``Softplus`` as -log(sigmoid(-x))."""
    value = context.value(node.input(0))
    shape = context.graph.shape(value.tensor)
    negative = context.emit("NEG", [value.tensor], shape)
    sigmoid = context.emit("LOGISTIC", [negative], shape)
    logarithm = context.emit("LOG", [sigmoid], shape)
    context.give(node.output, context.emit("NEG", [logarithm], shape), value.layout)


def power(context: Lowering, node: Node) -> None:
    """``Pow`` by a constant: squares and roots by their operators, the rest by a logarithm."""
    exponent = context.constant(node.input(1))
    if exponent is None or exponent.size != 1:
        raise NotConvertibleError("its exponent is not a single constant")
    value, by = context.value(node.input(0)), float(exponent.reshape(-1)[0])
    context.give(node.output, powered(context, value.tensor, by), value.layout)


def powered(context: Lowering, tensor: str, by: float) -> str:
    """A tensor to a power."""
    shape = context.graph.shape(tensor)
    if by < 0 and by not in {-0.25, -0.5, -0.75}:
        return context.arithmetic("DIV", context.floats("one", 1.0), powered(context, tensor, -by))
    quarters = abs(by) * 4
    if quarters != round(quarters) or quarters > 16:
        if not context.graph.is_never_negative(tensor):
            raise NotConvertibleError(
                f"TFLite's int8 kernels cannot raise values that may be negative to the power {by:g}"
            )
        logarithm = context.emit("LOG", [tensor], shape)
        return context.emit("EXP", [context.arithmetic("MUL", logarithm, context.floats("power", by))], shape)
    whole, rest = divmod(int(quarters), 4)
    factors = [tensor] * whole
    if rest >= 2:
        factors.append(context.emit("RSQRT" if by < 0 else "SQRT", [tensor], shape))
    if rest % 2:
        root = context.emit("SQRT", [tensor], shape)
        factors.append(context.emit("RSQRT" if by < 0 else "SQRT", [root], shape))
    result = factors[0] if factors else context.floats("ones", np.ones(shape))
    for factor in factors[1:]:
        result = context.arithmetic("MUL", result, factor)
    return result


def reciprocal(context: Lowering, node: Node) -> None:
    """``Reciprocal`` as a division."""
    value = context.value(node.input(0))
    one = context.floats("one", 1.0)
    context.give(node.output, context.arithmetic("DIV", one, value.tensor), value.layout)


def gelu(context: Lowering, node: Node) -> None:
    """``Gelu``, exact or by tanh."""
    unary(context, node, "GELU", approximate=node.get("approximate", "none") == "tanh")


def swish(context: Lowering, node: Node) -> None:
    """``Swish`` and SiLU: x times sigmoid(alpha x)."""
    value = context.value(node.input(0))
    shape, alpha = context.graph.shape(value.tensor), float(node.get("alpha", 1.0))
    tensor = value.tensor
    if alpha != 1:
        tensor = context.arithmetic("MUL", tensor, context.floats("alpha", alpha))
    sigmoid = context.emit("LOGISTIC", [tensor], shape)
    context.give(node.output, context.arithmetic("MUL", value.tensor, sigmoid), value.layout)


def mish(context: Lowering, node: Node) -> None:
    """``Mish``: x times tanh(softplus(x))."""
    value = context.value(node.input(0))
    softplus(context, node)
    inner = context.values[node.output].tensor
    shape = context.graph.shape(inner)
    bent = context.emit("TANH", [inner], shape)
    context.give(node.output, context.arithmetic("MUL", value.tensor, bent), value.layout)


def elu(context: Lowering, node: Node) -> None:
    """``Elu`` with any alpha."""
    alpha = float(node.get("alpha", 1.0))
    if alpha == 1:
        unary(context, node, "ELU")
        return
    value = context.value(node.input(0))
    _exponential_unit(context, node, value.tensor, 1.0, alpha)


def selu(context: Lowering, node: Node) -> None:
    """``Selu``: an exponential unit, scaled."""
    alpha, gamma = float(node.get("alpha", 1.67326319217681884765625)), float(node.get("gamma", 1.0507010221481323242))
    _exponential_unit(context, node, context.value(node.input(0)).tensor, gamma, gamma * alpha)


def _exponential_unit(context: Lowering, node: Node, tensor: str, above: float, below: float) -> None:
    """Above * max(x, 0) + below * (exp(min(x, 0)) - 1)."""
    shape, layout = context.graph.shape(tensor), context.value(node.input(0)).layout
    positive = context.emit("RELU", [tensor], shape)
    bent = context.emit("ELU", [context.emit("MINIMUM", [tensor, context.floats("zero", 0.0)], shape)], shape)
    parts = [
        context.arithmetic("MUL", part, context.floats("factor", factor)) if factor != 1 else part
        for part, factor in ((positive, above), (bent, below))
    ]
    context.give(node.output, context.emit("ADD", parts, shape, fusedActivationFunction=0), layout)


def several(context: Lowering, node: Node, kind: str) -> None:
    """``Sum``, ``Max``, ``Min``, ``Mean`` of any number of tensors, pairwise."""
    names = [name for name in node.inputs if name]
    options: dict[str, Any] = {"fusedActivationFunction": 0} if kind == "ADD" else {}
    if len(names) == 1:
        forward(context, node)
        return
    shape = context.shape(node.output)
    layout = common_layout(context, names, len(shape))
    target = tuple(shape[axis] for axis in layout)
    tensors = [spread(context, name, layout) for name in names]
    total = tensors[0]
    for tensor in tensors[1:]:
        total = context.emit(kind, [total, tensor], target, **options)
    if node.kind == "Mean":
        total = context.arithmetic("MUL", total, context.floats("share", 1 / len(names)))
    context.give(node.output, total, layout)


def where(context: Lowering, node: Node) -> None:
    """``Where`` as SELECT_V2."""
    shape = context.shape(node.output)
    names = [node.input(position) for position in range(3)]
    layout = common_layout(context, names, len(shape))
    tensors = [spread(context, name, layout) for name in names]
    target = tuple(shape[axis] for axis in layout)
    dtype = context.graph.tensors[tensors[1]].dtype
    context.give(node.output, context.emit("SELECT_V2", tensors, target, dtype=dtype), layout)


def compare(context: Lowering, node: Node, kind: str) -> None:
    """A comparison of two tensors."""
    shape = context.shape(node.output)
    layout = common_layout(context, [node.input(0), node.input(1)], len(shape))
    tensors = [spread(context, node.input(position), layout) for position in range(2)]
    target = tuple(shape[axis] for axis in layout)
    context.give(node.output, context.emit(kind, tensors, target, dtype="bool"), layout)


def _unary(kind: str) -> Handler:
    return partial(unary, kind=kind)


def _of(function: Callable[..., None], kind: str, **options: Any) -> Handler:
    return partial(function, kind=kind, **options)


HANDLERS: Handlers = {
    "Identity": forward,
    "Dropout": forward,
    "Cast": cast,
    "CastLike": cast,
    **{
        name: _unary(kind)
        for name, kind in {
            "Relu": "RELU",
            "Sigmoid": "LOGISTIC",
            "Tanh": "TANH",
            "Abs": "ABS",
            "Neg": "NEG",
            "Exp": "EXP",
            "Log": "LOG",
            "Sqrt": "SQRT",
            "Floor": "FLOOR",
            "Ceil": "CEIL",
            "Round": "ROUND",
            "Sin": "SIN",
            "Cos": "COS",
            "HardSwish": "HARD_SWISH",
            "Not": "LOGICAL_NOT",
            "Erf": "ERF",
        }.items()
    },
    **{
        name: _of(binary, kind, fusedActivationFunction=0)
        for name, kind in {"Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV"}.items()
    },
    **{name: _of(binary, kind) for name, kind in {"And": "LOGICAL_AND", "Or": "LOGICAL_OR"}.items()},
    "Xor": _of(compare, "NOT_EQUAL"),
    "Max": _of(several, "MAXIMUM"),
    "Min": _of(several, "MINIMUM"),
    "Sum": _of(several, "ADD"),
    "Mean": _of(several, "ADD"),
    **{
        name: _of(compare, kind)
        for name, kind in {
            "Equal": "EQUAL",
            "Less": "LESS",
            "LessOrEqual": "LESS_EQUAL",
            "Greater": "GREATER",
            "GreaterOrEqual": "GREATER_EQUAL",
        }.items()
    },
    "Where": where,
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "HardSigmoid": hard_sigmoid,
    "Softplus": softplus,
    "Pow": power,
    "Reciprocal": reciprocal,
    "Gelu": gelu,
    "Swish": swish,
    "Mish": mish,
    "Elu": elu,
    "Selu": selu,
}
