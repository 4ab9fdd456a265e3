"""Inputs and outputs of a file, and what converting them to int8 leaves to the application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.models.tflite.tree import GraphEditor, parse_tree

_HALF = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PortForm:
    """How an input or output represents its values.

    Attributes:
        name: Of its tensor.
        dtype: Type name.
        scale: For integers that represent real numbers, the value of a step and the integer of 0.
    """

    name: str
    dtype: str
    scale: tuple[float, int] | None = None


def port_forms(editor: GraphEditor, indices: Sequence[int]) -> tuple[PortForm, ...]:
    """Forms of the inputs or outputs of a graph."""
    found = []
    for index in indices:
        scales = editor.scales(index)
        scale = (float(scales[0][0]), int(scales[1][0])) if scales is not None and len(scales[0]) == 1 else None
        found.append(PortForm(name=editor.name(index), dtype=editor.dtype(index), scale=scale))
    return tuple(found)


def ports_of(content: bytes) -> tuple[tuple[PortForm, ...], tuple[PortForm, ...]]:
    """Forms of the inputs and of the outputs of a file's main graph."""
    editor = GraphEditor(parse_tree(content, "the converted file"))
    return port_forms(editor, editor.inputs), port_forms(editor, editor.outputs)


def left_to_application(given: Sequence[PortForm], found: Sequence[PortForm], *, are_inputs: bool) -> list[str]:
    """What must be done with inputs or outputs that have another type in the converted file."""
    notes = []
    for before, after in zip(given, found, strict=True):
        if before.dtype == after.dtype or after.scale is None:
            continue
        what = "input" if are_inputs else "output"
        step, zero_point = after.scale
        shifted = f"(int8 {'-' if zero_point > 0 else '+'} {abs(zero_point)})" if zero_point else "int8"
        how = f"real value = {shifted} x {step:.6g}"
        if before.scale is not None and before.dtype == "uint8" and zero_point == before.scale[1] - _HALF:
            how = f"int8 = uint8 - {_HALF}" if are_inputs else f"uint8 = int8 + {_HALF}"
        notes.append(
            f"{what} {before.name!r} is {after.dtype} instead of {before.dtype}: the conversion, {how}, is left to the "
            "application"
        )
    return notes
