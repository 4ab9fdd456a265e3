"""Random comparisons, choices, extremes, casts and resized images."""

from __future__ import annotations

from collections.abc import Callable

from tests.targets.mcu.random_graphs import RandomGraph

_COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")


def _operands(graph: RandomGraph, count: int) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """A shape, and shapes that are repeated to give it."""
    whole = graph.shape(graph.number(1, 4), 4)
    shapes = [whole] * count
    if graph.number(0, 1):
        place = graph.number(0, count - 1)
        repeated = tuple(1 if graph.number(0, 1) else size for size in whole)
        shapes[place] = repeated[graph.number(0, len(whole) - 1) :]
    return whole, shapes


def compare(graph: RandomGraph) -> None:
    """Of scales that differ, so that values meet which stand for nearly the same."""
    whole, shapes = _operands(graph, 2)
    kind = str(graph.random.choice(_COMPARISONS))
    dtype = graph.dtype("INT32", "INT64", "INT16", *(["BOOL"] if kind in {"EQUAL", "NOT_EQUAL"} else []))
    inputs = []
    for shape in shapes:
        scale = float(graph.random.choice([0.0005, 0.003, 0.05, 0.051, 0.7]))
        changes = {"scale": scale, "zero_point": graph.number(-5, 5)} if dtype == "INT8" else {}
        changes = {"scale": scale, "zero_point": 0} if dtype == "INT16" else changes
        if graph.number(0, 2) == 0 and len(inputs) < 1:
            values = graph.random.integers(0, 2, shape)
            inputs.append(graph.constant(values, dtype, **changes))
        else:
            inputs.append(graph.input(shape, dtype, **changes))
    graph.operator(kind, inputs, [graph.output(whole, "BOOL")])


def integers(graph: RandomGraph) -> None:
    """Sums wrap around, quotients are rounded down or, of DIV, towards 0; constants are never 0."""
    whole, shapes = _operands(graph, 2)
    kind = str(graph.random.choice(["ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM", "FLOOR_DIV", "FLOOR_MOD", "DIV"]))
    dtype = "INT32" if kind in {"FLOOR_DIV", "DIV"} or graph.number(0, 1) else "INT64"
    divisors = graph.random.integers(1, 9, shapes[1]) * graph.random.choice([-1, 1], shapes[1])
    second = (
        graph.constant(divisors, dtype) if kind.startswith("FLOOR") or kind == "DIV" else graph.input(shapes[1], dtype)
    )
    inputs = [graph.input(shapes[0], dtype), second]
    options = {"MINIMUM": "MaximumMinimumOptions", "MAXIMUM": "MaximumMinimumOptions"}
    options |= {name: f"{name.title()}Options" for name in ("ADD", "SUB", "MUL", "DIV")}
    named = {"options_type": options.get(kind, f"{kind.title().replace('_', '')}Options")}
    fused = graph.number(0, 3) if kind in {"ADD", "SUB", "MUL", "DIV"} else 0
    more = {"fusedActivationFunction": fused} if fused else {}
    graph.operator(kind, inputs, [graph.output(whole, dtype)], version=1, **named, **more)


def logical(graph: RandomGraph) -> None:
    whole, shapes = _operands(graph, 2)
    inputs = [graph.input(shape, "BOOL") for shape in shapes]
    kind = str(graph.random.choice(["LOGICAL_AND", "LOGICAL_OR"]))
    graph.operator(kind, inputs, [graph.output(whole, "BOOL")], version=1)
    graph.operator("LOGICAL_NOT", inputs[:1], [graph.output(shapes[0], "BOOL")], version=1)


def select(graph: RandomGraph) -> None:
    whole, shapes = _operands(graph, 3)
    dtype = graph.dtype("INT32", "INT16", "INT64")
    if graph.number(0, 2) == 0:
        shapes = [whole[:1] if graph.number(0, 1) else whole, whole, whole]
        kind = "SELECT"
    else:
        kind = "SELECT_V2"
    inputs = [graph.input(shapes[0], "BOOL"), *(graph.input(shape, dtype) for shape in shapes[1:])]
    options = f"Select{'V2' * (kind == 'SELECT_V2')}Options"
    graph.operator(kind, inputs, [graph.output(whole, dtype)], options_type=options, version=1)


def extreme(graph: RandomGraph) -> None:
    shape = graph.shape(graph.number(1, 4), 5)
    axis = graph.number(0, len(shape) - 1)
    made, dtype = shape[:axis] + shape[axis + 1 :], graph.dtype("INT32")
    result = str(graph.random.choice(["INT32", "INT64"]))
    values = graph.input(shape, dtype)
    inputs = [values, graph.constant(axis - len(shape) if graph.number(0, 1) else axis)]
    kind = str(graph.random.choice(["ARG_MAX", "ARG_MIN"]))
    graph.operator(kind, inputs, [graph.output(made, result)], outputType=2 if result == "INT32" else 4)


def cast(graph: RandomGraph) -> None:
    types = ("INT8", "INT32", "INT64", "BOOL", "INT16")
    shape, source, made = graph.shape(2), *(str(graph.random.choice(types)) for _ in range(2))
    graph.operator("CAST", [graph.input(shape, source)], [graph.output(shape, made)], version=1)


def resize(graph: RandomGraph) -> None:
    images, height, width, depth = graph.shape(4, 6)
    size = [graph.number(1, 13), graph.number(1, 13)]
    if graph.number(0, 1):
        size = [height * graph.number(1, 3), width * graph.number(1, 3)]
    corners, centres = ((False, False), (True, False), (False, True))[graph.number(0, 2)]
    for kind, version in (("RESIZE_NEAREST_NEIGHBOR", 3), ("RESIZE_BILINEAR", 3)):
        dtype = graph.dtype("INT16")
        inputs = [graph.input((images, height, width, depth), dtype), graph.constant(size)]
        output = graph.output((images, *size, depth), dtype)
        graph.operator(kind, inputs, [output], version=version, alignCorners=corners, halfPixelCenters=centres)


KINDS: dict[str, Callable[[RandomGraph], None]] = {
    function.__name__: function for function in (compare, integers, logical, select, extreme, cast, resize)
}
