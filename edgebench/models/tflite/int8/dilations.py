"""Dilated convolutions, which TensorFlow writes as a convolution of pixels that are a block apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebench.models.tflite.tree import GraphEditor, Table

_VALID = 1
_KINDS = {"CONV_2D", "DEPTHWISE_CONV_2D"}


def name_dilations(editor: GraphEditor) -> None:
    """Write SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND as the dilated convolution that they are.

    What is cropped at the end is not padded at the beginning; the remaining padding becomes a separate PAD.
    """
    producers, readers = editor.producers(), editor.readers()
    kept: list[Table] = []
    gone: set[int] = set()
    for operator in editor.operators:
        found = _found(editor, operator, producers) if editor.kind(operator) == "BATCH_TO_SPACE_ND" else None
        if found is None or any(readers[index] > 1 for index in (operator.inputs[0], found[1].inputs[0])):
            kept.append(operator)
            continue
        split, convolution, pads = found
        gone |= {id(split), id(convolution)}
        kept += _dilated(editor, split, convolution, operator.outputs[0], pads)
    editor.operators = [operator for operator in kept if id(operator) not in gone]


def _found(
    editor: GraphEditor, operator: Table, producers: Mapping[int, Table]
) -> tuple[Table, Table, list[list[int]]] | None:
    """The two operators before, and the rows and columns to pad with; None if it is something else."""
    convolution = producers.get(operator.inputs[0])
    split = None if convolution is None or not convolution.inputs else producers.get(convolution.inputs[0])
    if convolution is None or split is None or editor.kind(convolution) not in _KINDS:
        return None
    if editor.kind(split) != "SPACE_TO_BATCH_ND" or convolution.builtinOptions is None:
        return None
    constants = [editor.values(index) for index in (*split.inputs[1:3], *operator.inputs[1:3])]
    options = convolution.builtinOptions
    plain = options.padding == _VALID and (options.strideH, options.strideW) == (1, 1)
    plain = plain and (options.dilationHFactor, options.dilationWFactor) == (1, 1)
    if any(values is None for values in constants) or not plain:
        return None
    blocks, pads, back, crops = (np.asarray(values).tolist() for values in constants)
    after = [[pad - crop for pad, crop in zip(*pair, strict=True)] for pair in zip(pads, crops, strict=True)]
    if blocks != back or len(blocks) != 2 or any(size < 0 for pair in after for size in pair):
        return None
    return split, convolution, after


def _dilated(editor: GraphEditor, split: Table, convolution: Table, target: int, pads: list[list[int]]) -> list[Table]:
    blocks = editor.values(split.inputs[1])
    rows, columns = (1, 1) if blocks is None else (int(size) for size in blocks.ravel())
    source, parts = split.inputs[0], []
    if any(size for pair in pads for size in pair):
        batch, height, width, channels = editor.shape(source)
        shape = (batch, height + sum(pads[0]), width + sum(pads[1]), channels)
        padded = editor.add_tensor(f"{editor.name(target)}_padded", shape)
        sizes = editor.add_constant(f"{editor.name(target)}_padding", np.array([[0, 0], *pads, [0, 0]], np.int32))
        parts.append(editor.operator("PAD", [source, sizes], [padded], version=2, table="PadOptions"))
        source = padded
    kind, options = editor.kind(convolution), vars(convolution.builtinOptions)
    table = type(convolution.builtinOptions).__name__.removesuffix("T")
    dilated = {**options, "dilationHFactor": rows, "dilationWFactor": columns}
    inputs = [source, *convolution.inputs[1:]]
    return [*parts, editor.operator(kind, inputs, [target], version=2, table=table, **dilated)]
