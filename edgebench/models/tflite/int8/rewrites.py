"""Replaces operators on real numbers that have no int8 kernel, or one that few devices have, with equivalent ones.

Each rule returns the operators that replace one, or None if it does not apply. They write the same tensors with the
same values, except for rounding of float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from edgebench.models.tflite.tree import GraphEditor, Table

_MOST_PIECES = 16
"""Maximum number of slices that may replace a GATHER."""
_MASKING = {"ADD", "MAXIMUM", "MINIMUM", "MUL", "PADV2", "SELECT", "SELECT_V2", "SUB"}
_ENORMOUS, _LARGE = 1e6, 1e4
_Rule = Callable[[GraphEditor, Table], list[Table] | None]


def rewrite(editor: GraphEditor) -> None:
    """Apply the rules to every operator on real numbers, in one pass."""
    _soften_masks(editor)
    operators: list[Table] = []
    rules: dict[str, _Rule] = {**_RULES, "DIV": partial(_division, editor.producers())}
    for operator in editor.operators:
        real = any(editor.is_float(index) for index in operator.outputs)
        rule = rules.get(editor.kind(operator)) if real else None
        found = rule(editor, operator) if rule is not None else None
        operators.extend([operator] if found is None else found)
    editor.operators = operators


def _soften_masks(editor: GraphEditor) -> None:
    """Reduce numbers like -1e9, which only mean that something does not count, to a size that spares the others."""
    softened: dict[int, int] = {}
    for operator in editor.operators:
        for place, index in enumerate(operator.inputs if editor.kind(operator) in _MASKING else ()):
            values = editor.values(index) if editor.is_float(index) else None
            if values is None or not (np.abs(values) >= _ENORMOUS).any() or np.isnan(values).any():
                continue
            if index not in softened:
                soft = np.where(np.abs(values) >= _ENORMOUS, np.sign(values) * _LARGE, values)
                softened[index] = editor.add_constant(editor.name(index), soft.astype(np.float32))
            operator.inputs[place] = softened[index]


def _reshape(editor: GraphEditor, operator: Table) -> list[Table]:
    """Matches anything that keeps the order of the values."""
    return [reshape(editor, operator.inputs[0], operator.outputs[0])]


def reshape(editor: GraphEditor, source: int, target: int) -> Table:
    """A RESHAPE between two tensors with the same number of values."""
    sizes = list(editor.shape(target))
    shape = editor.add_constant(f"{editor.name(target)}_shape", np.array(sizes, np.int32))
    return editor.operator("RESHAPE", [source, shape], [target], table="ReshapeOptions", newShape=sizes)


def _resize(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """To the size that an image has already."""
    source, target = operator.inputs[0], operator.outputs[0]
    return [reshape(editor, source, target)] if editor.shape(source) == editor.shape(target) else None


def _depth_to_space(editor: GraphEditor, operator: Table) -> list[Table]:
    """Swaps rows of blocks with columns: [NH, W, b, bC] to [NH, b, W, bC]."""
    block = operator.builtinOptions.blockSize
    batch, rows, columns, channels = editor.shape(operator.inputs[0])
    split = (batch * rows, columns, block, channels // block)
    return _swapped(editor, operator, split)


def _space_to_depth(editor: GraphEditor, operator: Table) -> list[Table]:
    block = operator.builtinOptions.blockSize
    batch, rows, columns, channels = editor.shape(operator.inputs[0])
    split = (batch * rows // block, block, columns // block, block * channels)
    return _swapped(editor, operator, split)


def _swapped(editor: GraphEditor, operator: Table, split: Sequence[int]) -> list[Table]:
    """The two axes in the middle of a shape exchanged."""
    (source, target), name = (operator.inputs[0], operator.outputs[0]), editor.name(operator.outputs[0])
    parts = editor.add_tensor(f"{name}_blocks", split)
    moved = editor.add_tensor(f"{name}_moved", [split[0], split[2], split[1], split[3]])
    order = editor.add_constant(f"{name}_order", np.array([0, 2, 1, 3], np.int32))
    return [
        reshape(editor, source, parts),
        editor.operator("TRANSPOSE", [parts, order], [moved], table="TransposeOptions"),
        reshape(editor, moved, target),
    ]


def _broadcast(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """Copies, which more devices have."""
    source, target = operator.inputs[0], operator.outputs[0]
    shape, old = editor.shape(target), editor.shape(source)
    old = (1,) * (len(shape) - len(old)) + old
    name = editor.name(target)
    copies = [new // size for new, size in zip(shape, old, strict=True)]
    aligned = editor.add_tensor(f"{name}_aligned", old)
    counts = editor.add_constant(f"{name}_copies", np.array(copies, np.int32))
    return [reshape(editor, source, aligned), editor.operator("TILE", [aligned, counts], [target])]


def _negation(editor: GraphEditor, operator: Table) -> list[Table]:
    """NEG of int8 negates the integers, whatever they represent."""
    return [_times(editor, operator.inputs[0], -1.0, operator.outputs[0])]


def _square(editor: GraphEditor, operator: Table) -> list[Table]:
    return [_binary(editor, "MUL", operator.inputs[0], operator.inputs[0], operator.outputs[0])]


def _sum_of_many(editor: GraphEditor, operator: Table) -> list[Table]:
    total, parts = operator.inputs[0], list[Table]()
    for index in operator.inputs[1:]:
        last = index == operator.inputs[-1] and len(parts) == len(operator.inputs) - 2
        target = operator.outputs[0] if last else editor.add_tensor(f"{editor.name(index)}_sum", editor.shape(index))
        parts.append(_binary(editor, "ADD", total, index, target))
        total = target
    return parts or [reshape(editor, total, operator.outputs[0])]


def _power(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """Powers of small whole exponents, and roots."""
    exponents, source, target = editor.values(operator.inputs[1]), operator.inputs[0], operator.outputs[0]
    if exponents is None or exponents.size != 1:
        return None
    exponent = float(exponents.ravel()[0])
    if exponent in {0.5, -0.5}:
        return [editor.operator("SQRT" if exponent > 0 else "RSQRT", [source], [target])]
    if exponent not in {2.0, 3.0, 4.0}:
        return None
    squared = target if exponent == 2 else editor.add_tensor(f"{editor.name(target)}_squared", editor.shape(source))
    parts = [_binary(editor, "MUL", source, source, squared)]
    if exponent > 2:
        parts.append(_binary(editor, "MUL", squared, squared if exponent == 4 else source, target))
    return parts


def _division(makers: Mapping[int, Table], editor: GraphEditor, operator: Table) -> list[Table] | None:
    """By constants: a multiplication. By a root: with RSQRT."""
    numerator, divisor = operator.inputs
    activation = operator.builtinOptions.fusedActivationFunction if operator.builtinOptions is not None else 0
    values = editor.values(divisor)
    if values is not None and np.all(values != 0):
        divisor = editor.add_constant(f"{editor.name(divisor)}_inverse", (1 / values).astype(np.float32))
        return [_binary(editor, "MUL", numerator, divisor, operator.outputs[0], activation)]
    maker = makers.get(divisor)
    if maker is None or editor.kind(maker) != "SQRT":
        return None
    root = editor.add_tensor(f"{editor.name(divisor)}_inverse", editor.shape(divisor))
    return [
        editor.operator("RSQRT", [maker.inputs[0]], [root]),
        _binary(editor, "MUL", numerator, root, operator.outputs[0], activation),
    ]


def _matrix_product(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """With a constant matrix: a FULLY_CONNECTED, whose weights have one scale per channel."""
    source, second = operator.inputs
    matrix, options = editor.values(second), operator.builtinOptions
    if matrix is None or options.adjX or any(size != 1 for size in matrix.shape[:-2]) or editor.is_stored(source):
        return None
    weights = matrix.reshape(matrix.shape[-2:])
    weights = weights if options.adjY else weights.T
    index = editor.add_constant(f"{editor.name(second)}_weights", np.ascontiguousarray(weights))
    inputs, target = [source, index, -1], operator.outputs[0]
    result = editor.operator("FULLY_CONNECTED", inputs, [target], table="FullyConnectedOptions", keepNumDims=True)
    if len(editor.shape(target)) == len(editor.shape(source)):
        return [result]
    flat = editor.add_tensor(f"{editor.name(target)}_flat", [*editor.shape(source)[:-1], len(weights)])
    result.outputs = [flat]
    return [result, reshape(editor, flat, target)]


def _sum(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """Over channels: a product with ones. Over other axes: a multiple of the mean.

    LiteRT's reference kernel of SUM takes int8 without its scale.
    """
    axes = _axes(editor, operator)
    if axes is None:
        return None
    shape = editor.shape(operator.inputs[0])
    if axes == [len(shape) - 1] and len(shape) > 1:
        return _weighted_sum(editor, operator, 1.0)
    count = int(np.prod([shape[axis] for axis in axes]))
    target = operator.outputs[0]
    means = editor.add_tensor(f"{editor.name(target)}_mean", editor.shape(target))
    editor.set_code(operator, "MEAN", 2)
    operator.outputs = [means]
    return [operator, _times(editor, means, float(count), target)]


def _mean(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """Over the channels of an image, which few accelerators have: a product with a constant."""
    shape = editor.shape(operator.inputs[0])
    if _axes(editor, operator) != [len(shape) - 1] or sum(size > 1 for size in shape[:-1]) < 2:
        return None
    return _weighted_sum(editor, operator, 1 / shape[-1])


def _axes(editor: GraphEditor, operator: Table) -> list[int] | None:
    axes, rank = editor.values(operator.inputs[1]), len(editor.shape(operator.inputs[0]))
    return None if axes is None else sorted({int(axis) % rank for axis in axes.ravel()})


def _weighted_sum(editor: GraphEditor, operator: Table, weight: float) -> list[Table]:
    """The sum over the last axis with one weight."""
    source, target = operator.inputs[0], operator.outputs[0]
    shape = editor.shape(source)
    ones = editor.add_constant(f"{editor.name(target)}_weights", np.full((1, shape[-1]), weight, np.float32))
    inputs, table = [source, ones, -1], "FullyConnectedOptions"
    if editor.shape(target) == (*shape[:-1], 1):
        return [editor.operator("FULLY_CONNECTED", inputs, [target], table=table, keepNumDims=True)]
    kept = editor.add_tensor(f"{editor.name(target)}_sum", (*shape[:-1], 1))
    product = editor.operator("FULLY_CONNECTED", inputs, [kept], table=table, keepNumDims=True)
    return [product, reshape(editor, kept, target)]


def _embedding(editor: GraphEditor, operator: Table) -> list[Table]:
    ids, table = operator.inputs
    return [editor.operator("GATHER", [table, ids], list(operator.outputs), table="GatherOptions", axis=0)]


def _gather(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """With constant indices: slices, joined."""
    source, options, target = operator.inputs[0], operator.builtinOptions, operator.outputs[0]
    indices = editor.values(operator.inputs[1])
    if indices is None or not indices.size or (options is not None and options.batchDims) or editor.is_stored(source):
        return None
    shape, name = editor.shape(source), editor.name(target)
    axis = (0 if options is None else options.axis) % len(shape)
    runs = _runs([int(index) for index in indices.ravel()])
    if len(runs) > _MOST_PIECES:
        return None
    pieces, parts = [], []
    for number, (start, count) in enumerate(runs):
        begin, size = [0] * len(shape), list(shape)
        begin[axis], size[axis] = start, count
        pieces.append(editor.add_tensor(f"{name}_piece{number}", size))
        ends = [
            editor.add_constant(f"{name}_{end}{number}", np.array(values, np.int32))
            for end, values in (("begin", begin), ("size", size))
        ]
        parts.append(editor.operator("SLICE", [source, *ends], [pieces[-1]], table="SliceOptions"))
    joined = pieces[0]
    if len(pieces) > 1:
        size = list(shape)
        size[axis] = indices.size
        joined = editor.add_tensor(f"{name}_joined", size)
        parts.append(editor.operator("CONCATENATION", pieces, [joined], table="ConcatenationOptions", axis=axis))
    return [*parts, reshape(editor, joined, target)]


def _runs(indices: Iterable[int]) -> list[tuple[int, int]]:
    """Start and length of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][0] + runs[-1][1] == index:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((index, 1))
    return runs


def _root_of_pool(editor: GraphEditor, operator: Table) -> list[Table] | None:
    """The root of the mean of squares."""
    options, (source, target) = operator.builtinOptions, (operator.inputs[0], operator.outputs[0])
    if options is None or options.fusedActivationFunction:
        return None
    squares = editor.add_tensor(f"{editor.name(target)}_squares", editor.shape(source))
    means = editor.add_tensor(f"{editor.name(target)}_means", editor.shape(target))
    pool = editor.operator("AVERAGE_POOL_2D", [squares], [means], table="Pool2DOptions", **vars(options))
    return [_binary(editor, "MUL", source, source, squares), pool, editor.operator("SQRT", [means], [target])]


def _times(editor: GraphEditor, source: int, factor: float, target: int) -> Table:
    constant = editor.add_constant(f"{editor.name(target)}_factor", np.array([factor], np.float32))
    return _binary(editor, "MUL", source, constant, target)


def _binary(editor: GraphEditor, kind: str, left: int, right: int, target: int, activation: int = 0) -> Table:
    table = f"{kind.capitalize()}Options"
    return editor.operator(kind, [left, right], [target], table=table, fusedActivationFunction=activation)


_RULES: Mapping[str, _Rule] = {
    "ADD_N": _sum_of_many,
    "BATCH_MATMUL": _matrix_product,
    "BROADCAST_TO": _broadcast,
    "DEPTH_TO_SPACE": _depth_to_space,
    "EMBEDDING_LOOKUP": _embedding,
    "EXPAND_DIMS": _reshape,
    "GATHER": _gather,
    "L2_POOL_2D": _root_of_pool,
    "MEAN": _mean,
    "NEG": _negation,
    "POW": _power,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SQUARE": _square,
    "SQUEEZE": _reshape,
    "SUM": _sum,
}
