"""LSTM, GRU and RNN, step by step: products with constants, sums and nonlinearities that every device has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.lowering.context import Handlers, Lowering, Node, NotConvertibleError
from edgebench.models.onnx.lowering.matrices import fully_connected

Array = NDArray[Any]
_BENDS = {"Sigmoid": "LOGISTIC", "Tanh": "TANH", "Relu": "RELU"}
_MAX_STEPS = 2048
"""Each step is a dozen operators: beyond this, the file would be larger than the model."""


class _Direction:
    """One direction of a recurrent layer.

    Args:
        context: The graph.
        node: The layer.
        number: 0 for the first direction, 1 for the second.
    """

    def __init__(self, context: Lowering, node: Node, number: int) -> None:
        self.context, self.node, self.number = context, node, number
        self.hidden = int(node.get("hidden_size"))
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[node.kind]
        self.weights = context.required_constant(node.input(1), "weights")[number].astype(np.float32)
        self.recurrent = context.required_constant(node.input(2), "recurrent weights")[number].astype(np.float32)
        bias = np.zeros(2 * gates * self.hidden, np.float32)
        if node.input(3):
            bias = context.required_constant(node.input(3), "bias")[number].astype(np.float32)
        self.bias, self.recurrent_bias = bias[: gates * self.hidden], bias[gates * self.hidden :]
        default = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}[node.kind]
        names = node.get("activations") or default * (number + 1)
        chosen = names[number * len(default) : (number + 1) * len(default)]
        unknown = [name for name in chosen if name not in _BENDS]
        if unknown:
            raise NotConvertibleError(f"its activation {unknown[0]} cannot be expressed in TFLite")
        self.bends = [_BENDS[name] for name in chosen]

    def run(self, steps: list[str], hidden: str, cell: str) -> tuple[list[str], str, str]:
        """Outputs in the order of the steps, and the last states."""
        outputs = []
        for step in steps:
            hidden, cell = {"LSTM": self._lstm, "GRU": self._gru, "RNN": self._rnn}[self.node.kind](step, hidden, cell)
            outputs.append(hidden)
        return outputs, hidden, cell

    def prepared(self, source: str) -> str:
        """The products of the weights with all steps at once: (steps, batch, gates)."""
        bias = self.bias
        if self.node.kind != "GRU" or not self.node.get("linear_before_reset", 0):
            bias = bias + self.recurrent_bias
        else:
            # The last gate's recurrent bias is inside the product with the reset gate.
            inner = self.recurrent_bias.copy()
            inner[2 * self.hidden :] = 0
            bias = bias + inner
        return fully_connected(self.context, source, self.weights, bias, name=f"{self.node.output}_gates")

    def _gates(self, tensor: str, count: int) -> list[str]:
        batch = self.context.graph.shape(tensor)[0]
        parts = []
        for gate in range(count):
            inputs = [
                tensor,
                self.context.ints("begin", (0, gate * self.hidden)),
                self.context.ints("size", (batch, self.hidden)),
            ]
            parts.append(self.context.emit("SLICE", inputs, (batch, self.hidden)))
        return parts

    def _two(self, kind: str, first: str, second: str) -> str:
        return self.context.emit(kind, [first, second], self.context.graph.shape(first), fusedActivationFunction=0)

    def _bent(self, tensor: str, number: int) -> str:
        return self.context.emit(self.bends[number], [tensor], self.context.graph.shape(tensor))

    def _lstm(self, step: str, hidden: str, cell: str) -> tuple[str, str]:
        total = self._two("ADD", step, fully_connected(self.context, hidden, self.recurrent, None))
        enter, leave, forget, new = self._gates(total, 4)
        kept = self._two("MUL", self._bent(forget, 0), cell)
        cell = self._two("ADD", kept, self._two("MUL", self._bent(enter, 0), self._bent(new, 1)))
        return self._two("MUL", self._bent(leave, 0), self._bent(cell, 2)), cell

    def _gru(self, step: str, hidden: str, cell: str) -> tuple[str, str]:
        context, size = self.context, self.hidden
        update_in, reset_in, new_in = self._gates(step, 3)
        both = fully_connected(context, hidden, self.recurrent[: 2 * size], None)
        update_own, reset_own = self._gates(both, 2)
        update = self._bent(self._two("ADD", update_in, update_own), 0)
        reset = self._bent(self._two("ADD", reset_in, reset_own), 0)
        rows = self.recurrent[2 * size :]
        if self.node.get("linear_before_reset", 0):
            own = fully_connected(context, hidden, rows, self.recurrent_bias[2 * size :])
            inner = self._two("MUL", reset, own)
        else:
            inner = fully_connected(context, self._two("MUL", reset, hidden), rows, None)
        new = self._bent(self._two("ADD", new_in, inner), 1)
        # (1 - z) n + z h = n + z (h - n)
        change = self._two("MUL", update, self._two("SUB", hidden, new))
        return self._two("ADD", new, change), cell

    def _rnn(self, step: str, hidden: str, cell: str) -> tuple[str, str]:
        total = self._two("ADD", step, fully_connected(self.context, hidden, self.recurrent, None))
        return self._bent(total, 0), cell


def recurrent(context: Lowering, node: Node) -> None:
    """Unrolled over a known number of steps, in one or both directions."""
    if node.input(4):
        lengths = context.constant(node.input(4))
        if lengths is None or (lengths != context.shape(node.input(0))[0]).any():
            raise NotConvertibleError("its sequences have individual lengths")
    if node.get("layout", 0) or node.get("clip") or node.get("input_forget", 0) or node.input(7):
        raise NotConvertibleError("it uses layout, clip, input_forget or peepholes")
    length, batch, _ = context.shape(node.input(0))
    if length > _MAX_STEPS:
        raise NotConvertibleError(f"{length:,} steps are too many to unroll")
    source, hidden = context.plain(node.input(0)), int(node.get("hidden_size"))
    kind = node.get("direction", "forward")
    orders = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}[kind]
    every, lasts, cells = [], [], []
    for number, order in enumerate(orders):
        direction = _Direction(context, node, number)
        gates = direction.prepared(source)
        width = context.graph.shape(gates)[-1]
        steps = [_step(context, gates, place, batch, width) for place in range(length)][::order]
        states = [_state(context, node.input(place), number, batch, hidden) for place in (5, 6)]
        outputs, last, cell = direction.run(steps, states[0], states[1])
        every.append(outputs[::order])
        lasts.append(last)
        cells.append(cell)
    _give(context, node, every, lasts, cells)


def _step(context: Lowering, gates: str, place: int, batch: int, width: int) -> str:
    inputs = [gates, context.ints("begin", (place, 0, 0)), context.ints("size", (1, batch, width))]
    part = context.emit("SLICE", inputs, (1, batch, width), name=f"{gates}_step{place}")
    return context.reshaped(part, (batch, width))


def _state(context: Lowering, name: str, number: int, batch: int, hidden: int) -> str:
    if not name or context.constant(name) is not None:
        given = context.constant(name) if name else None
        values = np.zeros((batch, hidden), np.float32) if given is None else given[number].astype(np.float32)
        return context.floats("state", values)
    whole = context.plain(name)
    inputs = [whole, context.ints("begin", (number, 0, 0)), context.ints("size", (1, batch, hidden))]
    return context.reshaped(context.emit("SLICE", inputs, (1, batch, hidden)), (batch, hidden))


def _give(context: Lowering, node: Node, every: list[list[str]], lasts: list[str], cells: list[str]) -> None:
    if node.outputs[0]:
        shape = context.shape(node.outputs[0])
        steps, directions, batch, hidden = shape
        parts = [
            context.reshaped(tensor, (1, 1, batch, hidden))
            for place in range(steps)
            for tensor in (direction[place] for direction in every)
        ]
        joined = _joined(context, parts, (steps * directions, 1, batch, hidden))
        context.give(node.outputs[0], context.reshaped(joined, shape))
    for place, tensors in ((1, lasts), (2, cells)):
        if len(node.outputs) > place and node.outputs[place]:
            shape = context.shape(node.outputs[place])
            parts = [context.reshaped(tensor, (1, *shape[1:])) for tensor in tensors]
            context.give(node.outputs[place], _joined(context, parts, shape))


def _joined(context: Lowering, parts: list[str], shape: Any) -> str:
    if len(parts) == 1:
        return context.reshaped(parts[0], shape)
    return context.emit("CONCATENATION", parts, shape, axis=0, fusedActivationFunction=0)


HANDLERS: Handlers = {"LSTM": recurrent, "GRU": recurrent, "RNN": recurrent}
