"""A file in the one form that the quantiser and int8 compilers read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from edgebench.errors import InputError, MissingPackageError
from edgebench.models.tflite.file import read_contents
from edgebench.models.tflite.int8 import fixed_shapes, plain_form
from edgebench.models.tflite.int8.decoding import leave_decoding
from edgebench.models.tflite.int8.fusing import remove_dead, take_fake_quantisation
from edgebench.models.tflite.int8.inlining import inline_calls, remove_idle_calls
from edgebench.models.tflite.int8.ports import PortForm, port_forms
from edgebench.models.tflite.int8.rows import join_rows
from edgebench.models.tflite.int8.running import Sample
from edgebench.models.tflite.int8.scale import Range
from edgebench.models.tflite.int8.unrolling import has_loops, unroll_loops
from edgebench.models.tflite.int8.unsigned import unsigned_to_signed
from edgebench.models.tflite.signatures import keep_graph, keep_signature
from edgebench.models.tflite.tree import DAMAGE, GraphEditor, Table, pack_model, parse_tree

_MOST_DEEP = 8
"""Loops in loops that are unrolled."""


@dataclass(slots=True)
class PlainModel:
    """A file in plain form: one graph and what it runs, in the types that the quantiser reads.

    Attributes:
        editor: The main graph.
        content: The file.
        where: Its path, for messages.
        changed: Whether it differs from the file that was read.
        inputs: Inputs as the file has them.
        outputs: Outputs as the file has them.
        ranges: What the file says of the ranges of tensors, by name.
        notes: What is left to the application.
    """

    editor: GraphEditor
    content: bytes
    where: str
    changed: bool
    inputs: tuple[PortForm, ...]
    outputs: tuple[PortForm, ...]
    ranges: dict[str, Range] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def copy(self) -> Table:
        """The file as a separate tree."""
        return parse_tree(self.content, self.where)

    @property
    def computes_on_reals(self) -> bool:
        """Whether an operator computes on real numbers, other than conversions from and to int8."""
        return any(_computes_on_reals(self.editor, operator) for operator in self.editor.operators)

    @property
    def is_open(self) -> bool:
        """Whether LiteRT must run it to find its shapes and constants."""
        editor = self.editor
        return fixed_shapes.has_open_shapes(editor) or fixed_shapes.has_foldable(editor) or has_loops(editor)

    def is_resized(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether inputs will have other shapes, by name, than those in the file."""
        known = {self.editor.name(index): self.editor.shape(index) for index in self.editor.inputs}
        return any(shapes.get(name, shape) != shape for name, shape in known.items())


def read_plain(source: Path, signature: str | None = None) -> PlainModel:
    """Read a file into plain form.

    Args:
        source: A ``.tflite`` file.
        signature: Which of its graphs; by default, the main one.

    Raises:
        InputError: Damaged, cyclic, or there is no such signature.
        UnsupportedModelError: It stores numbers in a form that no int8 kernel takes.
        MissingPackageError: LiteRT is not installed.
    """
    if find_spec("ai_edge_litert") is None:
        raise MissingPackageError("quantising needs ai-edge-litert", remedy="pip install ai-edge-litert")
    contents = read_contents(source)
    tree = parse_tree(source.read_bytes(), str(source))
    try:
        keep_signature(tree, contents, signature)
        editor = GraphEditor(tree)
        inlined = inline_calls(editor)
        plain_form.check_order(editor, str(source))
        notes = leave_decoding(editor)
        inputs, outputs = port_forms(editor, editor.inputs), port_forms(editor, editor.outputs)
        changed = inlined | remove_idle_calls(editor) | _in_plain_types(editor)
        ranges = take_fake_quantisation(editor)
        plain_form.make_names_unique(editor)
        keep_graph(tree, 0)
        plain_form.remove_unused(tree)
        content = pack_model(tree, source.stat().st_size)
    except DAMAGE as error:
        raise does_not_fit(error, str(source)) from error
    return PlainModel(
        editor=editor,
        content=content,
        where=str(source),
        changed=changed
        or bool(notes)
        or bool(ranges)
        or contents.old_codes
        or len(tree.subgraphs) < len(contents.graphs),
        inputs=inputs,
        outputs=outputs,
        ranges=ranges,
        notes=notes,
    )


def _in_plain_types(editor: GraphEditor) -> bool:
    """Bring tensors into the types that the quantiser reads; whether anything changed."""
    steps = [
        plain_form.make_names_unique(editor),
        plain_form.mend_axes(editor),
        plain_form.halves_to_float32(editor),
        plain_form.unpack_small_weights(editor),
        plain_form.unfold_sparse_weights(editor),
        plain_form.integers_to_real_weights(editor),
        plain_form.bytes_to_int8(editor),
        plain_form.positions_to_integers(editor),
        plain_form.name_custom_operators(editor),
        unsigned_to_signed(editor),
    ]
    plain_form.make_names_unique(editor)
    return any(steps)


def fix_shapes(plain: PlainModel, sample: Sample) -> None:
    """Fix open shapes to those of an input, fold what depends on constants only, and write loops round by round.

    Raises:
        UnsupportedModelError: LiteRT cannot run the model.
    """
    editor = plain.editor
    try:
        fixed_shapes.fix(editor, plain.content, sample)
        for _ in range(_MOST_DEEP):
            if not unroll_loops(editor):
                break
            inline_calls(editor)
            _in_plain_types(editor)
            fixed_shapes.fix(editor, pack_model(editor.model, len(plain.content)), sample)
            join_rows(editor)
        remove_dead(editor)
        keep_graph(editor.model, 0)
        plain_form.remove_unused(editor.model)
        plain.content, plain.changed = pack_model(editor.model, len(plain.content)), True
    except DAMAGE as error:
        raise does_not_fit(error, plain.where) from error


def _computes_on_reals(editor: GraphEditor, operator: Table) -> bool:
    sides = {"DEQUANTIZE": operator.inputs, "QUANTIZE": operator.outputs}
    if any(editor.scales(index) is not None for index in sides.get(editor.kind(operator), [])[:1]):
        return any(map(editor.is_stored, operator.inputs))
    return any(map(editor.is_float, (*operator.inputs, *operator.outputs)))


def does_not_fit(error: Exception, where: str) -> InputError:
    """The error for a file whose tables contradict each other."""
    text = " ".join(str(error).split())[:200]
    return InputError(
        f"operators of the file are inconsistent: {text or type(error).__name__}",
        where=where,
        remedy="convert or copy the model again",
    )
