"""What a network keeps from one run to the next: variables, and tensors that are marked as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedTensor, variable_name

_SET_UP = {"CALL_ONCE", "VAR_HANDLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A buffer that exists as long as the program.

    Attributes:
        symbol: Its name in C.
        name: Of the variable or tensor.
        initial: Its bytes before the first run, and after a reset.
    """

    symbol: str
    name: str
    initial: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """All that a network keeps.

    Attributes:
        buffers: One for each variable.
        places: Symbol of the buffer that a tensor is in, by the tensor's index; includes handles of variables.
    """

    buffers: tuple[State, ...] = ()
    places: Mapping[int, str] = field(default_factory=dict)


def find_states(graph: QuantisedGraph) -> tuple[QuantisedGraph, States]:
    """Give each variable a buffer.

    Returns:
        The graph without the operators that name variables and set them up, and the buffers. What is read from a
        variable is in its buffer, unless the variable is assigned again while the old values are still needed.

    Raises:
        UnsupportedModelError: A variable is never written or read, so that its size is unknown.
    """
    handles = {
        operator.outputs[0]: variable_name(operator.options)
        for operator in graph.operators
        if operator.kind == "VAR_HANDLE"
    }
    graph = replace(graph, operators=tuple(o for o in graph.operators if o.kind not in _SET_UP))
    tensors = _tensors_by_variable(graph, handles)
    buffers: list[State] = []
    symbols: dict[str, str] = {}
    for name, tensor in tensors.items():
        symbols[name] = f"edgebench_state_{len(buffers)}"
        initial = graph.initial[name].data if name in graph.initial else None
        content = bytes(tensor.size_bytes) if initial is None else initial.tobytes()
        if len(content) != tensor.size_bytes:
            raise UnsupportedModelError(f"variable {name!r} changes its size, but a memory plan needs one size")
        buffers.append(State(symbol=symbols[name], name=name, initial=content))
    places = {index: symbols[name] for index, name in handles.items() if name in symbols}
    places |= {index: places[handle] for index, handle in _read_in_place(graph, handles).items()}
    for index, tensor in enumerate(graph.tensors):
        if tensor.variable and tensor.elements:
            places[index] = f"edgebench_state_{len(buffers)}"
            buffers.append(State(symbol=places[index], name=tensor.name, initial=_nothing(tensor)))
    return graph, States(buffers=tuple(buffers), places=places)


def _tensors_by_variable(graph: QuantisedGraph, handles: Mapping[int, str]) -> dict[str, QuantisedTensor]:
    """A tensor of each variable's size."""
    found: dict[str, QuantisedTensor] = {}
    for operator in graph.operators:
        if operator.kind in {"READ_VARIABLE", "ASSIGN_VARIABLE"}:
            if operator.inputs[0] not in handles:
                raise UnsupportedModelError(f"{operator.kind} names its variable in a way that has no kernel")
            tensor = graph.tensors[(operator.outputs or operator.inputs[1:])[0]]
            known = found.setdefault(handles[operator.inputs[0]], tensor)
            if (known.dtype, known.size_bytes) != (tensor.dtype, tensor.size_bytes):
                raise UnsupportedModelError(f"variable {handles[operator.inputs[0]]!r} changes its type or size")
    return found


def _read_in_place(graph: QuantisedGraph, handles: Mapping[int, str]) -> dict[int, int]:
    """Tensors that may be in a variable's own buffer, and the handle by which they were read."""
    found = {}
    for step, operator in enumerate(graph.operators):
        if operator.kind != "READ_VARIABLE" or operator.outputs[0] in graph.outputs:
            continue
        index, name = operator.outputs[0], handles[operator.inputs[0]]
        later = range(step + 1, len(graph.operators))
        last = max((at for at in later if index in graph.operators[at].inputs), default=step)
        written = any(
            graph.operators[at].kind == "ASSIGN_VARIABLE" and handles[graph.operators[at].inputs[0]] == name
            for at in range(step, last)
        )
        if not written:
            found[index] = operator.inputs[0]
    return found


def _nothing(tensor: QuantisedTensor) -> bytes:
    """How LiteRT resets a variable tensor: to the integer that represents 0, if it has 8 bits."""
    point = tensor.zero_point if tensor.dtype == "int8" and tensor.zero_points else 0
    return bytes([point & 0xFF]) * tensor.size_bytes


def states_c(states: States) -> str:
    """The buffers, and the function that resets them."""
    if not states.buffers:
        return ""
    text, lines = "", ""
    for state in states.buffers:
        size = len(state.initial)
        text += f"static int8_t {state.symbol}[{size}] __attribute__((aligned(16)));\n"
        if len(set(state.initial)) == 1:
            lines += f"  memset({state.symbol}, {state.initial[0]}, {size});\n"
        else:
            values = ", ".join(map(str, np.frombuffer(state.initial, np.int8).tolist()))
            text += f"static const int8_t initial_{state.symbol}[{size}] = {{{values}}};\n"
            lines += f"  memcpy({state.symbol}, initial_{state.symbol}, {size});\n"
    return (
        f"{text}static uint8_t edgebench_ready;\n\n"
        f"__attribute__((noinline, used)) void edgebench_reset(void) {{\n{lines}  edgebench_ready = 1;\n}}\n"
    )
