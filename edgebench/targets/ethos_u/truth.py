"""Inputs that are true or false, which Vela compares with zero on the NPU even where the NPU has no comparison."""

from __future__ import annotations

from pathlib import Path

from edgebench.models.tflite.tree import GraphEditor, pack_model, read_tree

_SUFFIX = "_truth"


def write_without_truth(source: Path, target: Path) -> Path | None:
    """Write a file that takes int8 where the original takes booleans, and casts it on the CPU.

    Returns:
        The file, or None where there are no such inputs.

    Raises:
        InputError: Damaged.
    """
    model = read_tree(source)
    editor = GraphEditor(model)
    casts = []
    for index in editor.inputs:
        if editor.dtype(index) != "bool":
            continue
        truth = editor.add_tensor(f"{editor.name(index)}{_SUFFIX}", editor.shape(index), "bool")
        for operator in editor.operators:
            operator.inputs = [truth if read == index else read for read in operator.inputs]
        editor.set_dtype(index, "int8")
        types = {"inDataType": editor.schema.TensorType.INT8, "outDataType": editor.schema.TensorType.BOOL}
        casts.append(editor.operator("CAST", [index], [truth], table="CastOptions", **types))
    if not casts:
        return None
    editor.operators = [*casts, *editor.operators]
    target.write_bytes(pack_model(model, source.stat().st_size))
    return target


def is_added(name: str) -> bool:
    """Whether an operation is one of the casts."""
    return name.endswith(_SUFFIX)
