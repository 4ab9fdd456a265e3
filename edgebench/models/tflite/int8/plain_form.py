"""Converts old and unusual files to the one form that the quantiser and compilers read.

Half floats become float32, weights packed below 8 bits int8, weights stored as integers for operators on real numbers
real numbers. Only exact changes are made.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.tree import GraphEditor, Table

_HALVES = {"float16", "bfloat16"}
_PACKED_BITS = {"int4": 4, "uint4": 4, "int2": 2}
_SMALL_INTEGERS = {"int8", "uint8", "int16"}


def check_order(editor: GraphEditor, where: str) -> None:
    """Check that every tensor exists before it is read, and is written once.

    Raises:
        InputError: The graph has a cycle or lacks a constant.
    """
    writes = Counter(index for operator in editor.operators for index in operator.outputs)
    twice = next((index for index, count in writes.items() if count > 1), None)
    if twice is not None:
        raise InputError(f"two operators write {editor.name(twice)!r}", where=where)
    known = set(editor.inputs)
    for operator in editor.operators:
        for index in operator.inputs:
            if index < 0 or index in known or editor.is_stored(index):
                continue
            if index in writes:
                raise InputError(
                    f"{editor.label(operator)} reads {editor.name(index)!r} before it is computed: the graph has a "
                    "cycle or its operators are out of order",
                    where=where,
                )
            if not editor.tensor(index).isVariable and 0 not in editor.shape(index):
                raise InputError(
                    f"{editor.label(operator)} reads {editor.name(index)!r}, which has no values and which nothing "
                    "computes",
                    where=where,
                    remedy="export the model again, with its weights",
                )
        known.update(operator.outputs)
    missing = next((index for index in editor.outputs if index not in known and not editor.is_stored(index)), None)
    if missing is not None:
        raise InputError(f"nothing computes the output {editor.name(missing)!r}", where=where)


def make_names_unique(editor: GraphEditor) -> bool:
    """Give tensors that share a name or have none their own name; inputs and outputs keep theirs."""
    taken: set[str] = set()
    changed = False
    ports = [*editor.inputs, *editor.outputs]
    for index in dict.fromkeys([*ports, *range(len(editor.graph.tensors))]):
        # Runtimes read names up to the first zero byte.
        base = editor.name(index).partition("\0")[0] or f"tensor_{index}"
        name, number = base, 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        if name.encode() != bytes(editor.tensor(index).name or b""):
            editor.tensor(index).name = name.encode()
            changed = True
    return changed


def halves_to_float32(editor: GraphEditor) -> bool:
    """Make float16 and bfloat16 tensors float32, and remove operators that then do nothing."""
    halves = [index for index in range(len(editor.graph.tensors)) if editor.dtype(index) in _HALVES]
    for index in halves:
        _widen(editor, index)
    same: dict[int, int] = {}
    kept = []
    for operator in editor.operators:
        source = operator.inputs[0] if operator.inputs else -1
        does_nothing = editor.kind(operator) in {"DEQUANTIZE", "CAST"} and editor.is_float(source)
        if does_nothing and editor.is_float(operator.outputs[0]):
            same[operator.outputs[0]] = same.get(source, source)
        else:
            kept.append(operator)
    editor.operators = kept
    editor.replace(same)
    return bool(halves or same)


def _widen(editor: GraphEditor, index: int) -> None:
    """Make a half float tensor float32."""
    is_brain = editor.dtype(index) == "bfloat16"
    if not editor.is_stored(index):
        editor.set_dtype(index, "float32")
        return
    tensor = editor.tensor(index)
    raw = np.frombuffer(bytes(editor.model.buffers[tensor.buffer].data), "<u2")
    values = (raw.astype("<u4") << 16).view("<f4") if is_brain else raw.view("<f2").astype(np.float32)
    # Sparse values keep their shape, which is not that of what is stored.
    shape, signature = tensor.shape, tensor.shapeSignature
    editor.set_values(index, values)
    tensor.shape, tensor.shapeSignature = shape, signature


def unpack_small_weights(editor: GraphEditor) -> bool:
    """Store weights of 4 and 2 bits as int8, which is exact: the same integers with the same scales.

    Raises:
        UnsupportedModelError: Computed values have so few bits, or scales are per block.
    """
    changed = False
    for index in range(len(editor.graph.tensors)):
        tensor, bits = editor.tensor(index), _PACKED_BITS.get(editor.dtype(index))
        if tensor.quantization is not None and tensor.quantization.details is not None:
            raise UnsupportedModelError(
                f"weights {editor.name(index)!r} have a scale for each block of values, which int8 kernels do not take",
                remedy="quantise the weights with one scale per channel",
            )
        if bits is None:
            continue
        if not editor.is_stored(index):
            raise UnsupportedModelError(
                f"{editor.name(index)!r} is computed with {bits} bits, but kernels take int8",
                remedy="use 4 and 2 bits only for weights",
            )
        packed = np.frombuffer(bytes(editor.model.buffers[tensor.buffer].data), np.uint8)
        signed = not editor.dtype(index).startswith("u")
        shape = editor.shape(index)
        count = int(np.prod(shape, dtype=np.int64))
        editor.set_values(index, _unpacked(packed, bits, signed=signed)[:count].reshape(shape))
        changed = True
    return changed


def _unpacked(packed: NDArray[np.uint8], bits: int, *, signed: bool) -> NDArray[np.int8]:
    """Values of a few bits, the lowest bits of each byte first."""
    fields = np.stack([packed >> shift & (1 << bits) - 1 for shift in range(0, 8, bits)], axis=1).ravel()
    values = fields.astype(np.int8)
    return values - ((values >> (bits - 1)) << bits).astype(np.int8) if signed else values


def unfold_sparse_weights(editor: GraphEditor) -> bool:
    """Put a DENSIFY, which is folded later, before each operator that reads a constant without its zeros."""
    changed = False
    operators = []
    for operator in editor.operators:
        for place, index in enumerate(operator.inputs):
            if index < 0 or editor.tensor(index).sparsity is None or editor.kind(operator) == "DENSIFY":
                continue
            dense = editor.add_tensor(editor.name(index), editor.shape(index), editor.dtype(index))
            editor.tensor(dense).quantization = editor.tensor(index).quantization
            operators.append(editor.operator("DENSIFY", [index], [dense], table="DensifyOptions"))
            operator.inputs[place] = dense
            changed = True
        operators.append(operator)
    editor.operators = operators
    return changed


def integers_to_real_weights(editor: GraphEditor) -> bool:
    """Convert weights that are stored as integers for operators on real numbers to the numbers that they represent."""
    real: dict[int, int] = {}
    changed = False
    for operator in editor.operators:
        if editor.kind(operator) == "DEQUANTIZE" or not any(editor.is_float(index) for index in operator.outputs):
            continue
        for place, index in enumerate(operator.inputs):
            if index < 0 or editor.dtype(index) not in _SMALL_INTEGERS or not editor.is_stored(index):
                continue
            if editor.scales(index) is None:
                continue
            if index not in real:
                real[index] = editor.add_constant(editor.name(index), real_values(editor, index))
            operator.inputs[place] = real[index]
            changed = True
    return changed


def real_values(editor: GraphEditor, index: int) -> NDArray[np.float32]:
    """The numbers that a quantised constant represents."""
    values, scales = editor.values(index), editor.scales(index)
    if values is None or scales is None:
        raise ValueError(f"{editor.name(index)!r} is not a quantised constant")
    scale, points, axis = scales
    if len(scale) > 1:
        shape = [1] * values.ndim
        shape[axis] = len(scale)
        scale, points = scale.reshape(shape), points.reshape(shape)
    real: NDArray[np.float32] = ((values.astype(np.float64) - points) * scale).astype(np.float32)
    return real


def bytes_to_int8(editor: GraphEditor) -> bool:
    """Read 8-bit integers that are cast to real numbers, as in images, as int8 with a scale of 1."""
    changed = False
    for index in editor.inputs:
        readers = [operator for operator in editor.operators if index in operator.inputs]
        casts = all(editor.kind(reader) == "CAST" and editor.is_float(reader.outputs[0]) for reader in readers)
        if editor.dtype(index) in {"int8", "uint8"} and editor.scales(index) is None and readers and casts:
            editor.set_scales(index, [1.0], [0])
            for reader in readers:
                editor.set_code(reader, "DEQUANTIZE", 2)
                editor.set_options(reader, "")
            changed = True
    return changed


def positions_to_integers(editor: GraphEditor) -> bool:
    """Read real numbers that are only cast to integers, such as positions in a table of words, as integers."""
    changed = False
    for index in editor.inputs:
        readers = [operator for operator in editor.operators if index in operator.inputs]
        kinds = {editor.dtype(reader.outputs[0]) for reader in readers if editor.kind(reader) == "CAST"}
        casts = all(editor.kind(reader) == "CAST" for reader in readers)
        if editor.is_float(index) and casts and kinds in ({"int32"}, {"int64"}) and index not in editor.outputs:
            editor.set_dtype(index, kinds.pop())
            editor.operators = [operator for operator in editor.operators if operator not in readers]
            editor.replace({reader.outputs[0]: index for reader in readers})
            changed = True
    return changed


def name_custom_operators(editor: GraphEditor) -> bool:
    """Replace custom operators with the equivalents that TensorFlow Lite now has."""
    changed = False
    for operator in editor.operators:
        options = operator.customOptions
        if editor.label(operator) != "Convolution2DTransposeBias" or options is None or len(operator.inputs) != 3:
            continue
        # MediaPipe's: the options are a C struct, whose padding is 1 for SAME and 2 for VALID.
        padding, columns, rows = (int(value) for value in np.frombuffer(bytes(options), "<i4", 3))
        if padding not in {1, 2} or columns < 1 or rows < 1:
            continue
        target = operator.outputs[0]
        shape = editor.add_constant(f"{editor.name(target)}_shape", np.array(editor.shape(target), np.int32))
        source, weights, bias = operator.inputs
        editor.set_code(operator, "TRANSPOSE_CONV", 3)
        operator.inputs, operator.customOptions = [shape, weights, source, bias], None
        editor.set_options(operator, "TransposeConvOptions", padding=padding - 1, strideW=columns, strideH=rows)
        changed = True
    return changed


def mend_axes(editor: GraphEditor) -> bool:
    """Correct the axis of scales to one that the tensor has, if there is only one scale or one axis."""
    changed = False
    for index in range(len(editor.graph.tensors)):
        scales, rank = editor.scales(index), len(editor.shape(index))
        if scales is not None and scales[2] >= max(rank, 1) and (len(scales[0]) == 1 or rank <= 1):
            editor.tensor(index).quantization.quantizedDimension = 0
            changed = True
    return changed


def remove_unused(model: Table) -> None:
    """Remove tensors that nothing reads or writes, and buffers and codes that nothing uses."""
    for number in range(len(model.subgraphs)):
        editor = GraphEditor(model, number)
        ports = [*editor.inputs, *editor.outputs]
        indices = [
            index
            for operator in editor.operators
            for index in (*operator.inputs, *operator.outputs, *operator.intermediates)
        ]
        signatures = [entry for entry in model.signatureDefs or [] if entry.subgraphIndex == number]
        maps = [entry for signature in signatures for entry in (*(signature.inputs or []), *(signature.outputs or []))]
        used = sorted({*ports, *(index for index in indices if index >= 0), *(entry.tensorIndex for entry in maps)})
        places = {old: new for new, old in enumerate(used)}
        editor.graph.tensors = [editor.tensor(index) for index in used]
        for operator in editor.operators:
            for field in ("inputs", "outputs", "intermediates"):
                setattr(operator, field, [places.get(index, -1) for index in getattr(operator, field)])
        editor.graph.inputs = [places[index] for index in editor.inputs]
        editor.graph.outputs = [places[index] for index in editor.outputs]
        for entry in maps:
            entry.tensorIndex = places[entry.tensorIndex]
    _remove_unused_buffers(model)


def _remove_unused_buffers(model: Table) -> None:
    """The first buffer is the empty one shared by all computed tensors; metadata has buffers too."""
    holders = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    metadata = list(model.metadata or [])
    used = sorted({0, *(tensor.buffer for tensor in holders), *(entry.buffer for entry in metadata)})
    places = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[index] for index in used]
    for holder in (*holders, *metadata):
        holder.buffer = places[holder.buffer]
    model.metadataBuffer = None
    operators = [operator for graph in model.subgraphs for operator in graph.operators or []]
    codes = sorted({operator.opcodeIndex for operator in operators})
    model.operatorCodes = [model.operatorCodes[index] for index in codes]
    for operator in operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)
