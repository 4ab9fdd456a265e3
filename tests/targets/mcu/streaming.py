"""A network that keeps its last inputs, as wake-word networks do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.targets.mcu.small_graphs import Graph, Operator, Tensor, write_graph

KEPT_BYTES = 2 * 3 + 2 * 3


def write_streaming(path: Path) -> Path:
    """Two frames of three values are kept and joined with a new one; one variable begins as zeros, one as numbers.

    The second variable is given back before it is assigned anew, and read once more afterwards.
    """
    numbers = np.arange(6, dtype=np.int8).reshape(1, 2, 3)
    handle = Tensor(shape=(), dtype="RESOURCE", scale=None)
    whole, kept, new = Tensor(shape=(1, 3, 3)), Tensor(shape=(1, 2, 3)), Tensor(shape=(1, 1, 3))
    slices = [
        Tensor(shape=(3,), dtype="INT32", scale=None, data=np.array(values, np.int32))
        for values in ((0, 1, 0), (1, 3, 3), (1, 1, 1))
    ]
    tensors = [new, handle, handle, kept, kept, whole, kept, *slices, kept, kept]
    operators = [
        Operator(
            kind="CALL_ONCE",
            inputs=(),
            outputs=(),
            options_type="CallOnceOptions",
            options={"initSubgraphIndex": 1},
            version=1,
        ),
        _handle(1, "zeros"),
        _handle(2, "numbers"),
        Operator(kind="READ_VARIABLE", inputs=(1,), outputs=(3,), version=1),
        Operator(kind="READ_VARIABLE", inputs=(2,), outputs=(4,), version=1),
        Operator(
            kind="CONCATENATION", inputs=(3, 0), outputs=(5,), options_type="ConcatenationOptions", options={"axis": 1}
        ),
        Operator(kind="STRIDED_SLICE", inputs=(5, 7, 8, 9), outputs=(6,), options_type="StridedSliceOptions"),
        Operator(kind="ASSIGN_VARIABLE", inputs=(1, 6), outputs=(), version=1),
        Operator(kind="ASSIGN_VARIABLE", inputs=(2, 6), outputs=(), version=1),
        Operator(kind="ADD", inputs=(4, 6), outputs=(10,), options_type="AddOptions"),
        Operator(kind="READ_VARIABLE", inputs=(2,), outputs=(11,), version=1),
    ]
    once = Graph(
        tensors=[
            handle,
            Tensor(shape=(1, 2, 3), data=np.zeros((1, 2, 3), np.int8)),
            handle,
            Tensor(shape=(1, 2, 3), data=numbers),
        ],
        operators=[
            _handle(0, "zeros"),
            Operator(kind="ASSIGN_VARIABLE", inputs=(0, 1), outputs=(), version=1),
            _handle(2, "numbers"),
            Operator(kind="ASSIGN_VARIABLE", inputs=(2, 3), outputs=(), version=1),
        ],
    )
    return write_graph(path, tensors, operators, [0], [5, 10, 11], once)


def _handle(index: int, name: str) -> Operator:
    options = {"sharedName": name.encode()}
    return Operator(
        kind="VAR_HANDLE", inputs=(), outputs=(index,), options_type="VarHandleOptions", options=options, version=1
    )
