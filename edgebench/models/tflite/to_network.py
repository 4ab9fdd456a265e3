"""A float TFLite file as a network of ours with its weights, to compress it and to train it on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network import INPUT, Network, same_padding
from edgebench.models.network.layers import (
    Activation,
    ActivationKind,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Layer,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
    Softmax,
)
from edgebench.models.network.weights import LayerWeights
from edgebench.models.tflite.quantize import Samples, relative_difference, run_tflite
from edgebench.models.tflite.tree import DAMAGE, GraphEditor, Table, read_tree
from edgebench.models.tflite.writer import to_tflite

_FUSED: Mapping[int, ActivationKind] = {0: "none", 1: "relu", 3: "relu6"}
"""Activations that operators apply themselves, by their codes in the schema."""
_ACTIVATIONS: Mapping[str, ActivationKind] = {
    "RELU": "relu", "RELU6": "relu6", "LOGISTIC": "sigmoid", "TANH": "tanh", "HARD_SWISH": "hard_swish",
}  # fmt: skip
_SAME = 0
_SAME_OUTPUTS = 1e-3
"""Root mean square difference over that of the outputs that sums in another order may make."""
_IMAGE_AXES = ([1, 2], [2, 1])
_REMEDY = "give a network of convolutions, dense layers, pools, sums and concatenations, in float"


def network_from_tflite(path: Path, name: str) -> tuple[Network, dict[str, LayerWeights]]:
    """The network in a file, with its weights.

    Convolutions and dense layers get batch normalisation when they are trained on; its folded form is in the weights.

    Args:
        path: A float ``.tflite`` file with one input and one output, batch 1, channels last.
        name: Of the network.

    Raises:
        InputError: Damaged.
        UnsupportedModelError: It contains what networks of ours cannot express; the layer is named.
    """
    editor = GraphEditor(read_tree(path))
    if len(editor.inputs) != 1 or len(editor.outputs) != 1:
        raise UnsupportedModelError(
            f"the model has {len(editor.inputs)} inputs and {len(editor.outputs)} outputs; one of each is taken",
            where=str(path),
            remedy=_REMEDY,
        )
    try:
        network, weights = _Reader(editor, name).read()
        network.weight_shapes()  # Layers check their inputs.
    except DAMAGE as error:
        raise InputError(f"damaged TFLite file: {error or type(error).__name__}", where=str(path)) from None
    except InputError as error:
        raise UnsupportedModelError(error.what, where=str(path), remedy=_REMEDY) from None
    _require_same(path, network, weights)
    return network, weights


def _require_same(path: Path, network: Network, weights: Mapping[str, LayerWeights]) -> None:
    """Check on random inputs that a network computes what the file it was read from does.

    Raises:
        UnsupportedModelError: It does not: an operator means more than was read of it.
    """
    random = np.random.default_rng(0)
    samples: Samples = [{INPUT: random.random((1, *network.input_shape)).astype(np.float32)} for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        again = Path(folder) / "again.tflite"
        to_tflite(network, weights, again)
        try:
            difference = relative_difference(run_tflite(path, samples), run_tflite(again, samples))
        except (RuntimeError, ValueError) as error:
            raise UnsupportedModelError(
                f"LiteRT does not run it: {' '.join(str(error).split())[:200]}", where=str(path), remedy=_REMEDY
            ) from None
    if not difference <= _SAME_OUTPUTS:
        raise UnsupportedModelError(
            f"read as a network its outputs differ by {difference:.1%}", where=str(path), remedy=_REMEDY
        )


class _Reader:
    def __init__(self, editor: GraphEditor, name: str) -> None:
        self.editor, self._name = editor, name
        self.names: dict[int, str] = {editor.inputs[0]: INPUT}
        self.layers: list[Layer] = []
        self.weights: dict[str, LayerWeights] = {}

    def read(self) -> tuple[Network, dict[str, LayerWeights]]:
        editor = self.editor
        for operator in editor.operators:
            kind = editor.kind(operator)
            if kind not in _READERS:
                raise self.refusal(operator, f"there is no layer for {editor.label(operator)}")
            _READERS[kind](self, operator)
        if self.names.get(editor.outputs[0]) != (self.layers[-1].name if self.layers else None):
            raise UnsupportedModelError("the output is not the last layer's", where=self._name, remedy=_REMEDY)
        shape = self.shape(editor.inputs[0])
        return Network(name=self._name, input_shape=shape, layers=tuple(self.layers)), self.weights

    def refusal(self, operator: Table, why: str) -> UnsupportedModelError:
        label, where = self.editor.label(operator), self.editor.name(operator.outputs[0])
        # What it computes is named once.
        kind = "" if label in why else f"{label} "
        return UnsupportedModelError(
            f"{why} ({kind}layer {where!r})", operators=(label,), where=self._name, remedy=_REMEDY
        )

    def shape(self, index: int) -> tuple[int, ...]:
        """Sizes without the batch."""
        return self.editor.shape(index)[1:]

    def sources(self, operator: Table, count: int | None = None) -> tuple[str, ...]:
        """Names of the layers that an operator reads."""
        found = []
        for index in operator.inputs[:count]:
            if index not in self.names:
                raise self.refusal(operator, "it reads a constant")
            found.append(self.names[index])
        return tuple(found)

    def constant(self, operator: Table, position: int) -> NDArray[Any]:
        values = self.editor.values(operator.inputs[position]) if position < len(operator.inputs) else None
        if values is None:
            raise self.refusal(operator, "its weights are computed, or in another form than float32")
        return values

    def add(self, operator: Table, layer: Layer) -> None:
        self.layers.append(layer)
        self.names[operator.outputs[0]] = layer.name

    def layer_name(self, operator: Table) -> str:
        """A name that is unique and valid in every format."""
        given = self.editor.name(operator.outputs[0]) or "layer"
        plain = "".join(sign if sign.isalnum() or sign == "_" else "_" for sign in given)
        taken = {layer.name for layer in self.layers} | {INPUT}
        return plain if plain not in taken else f"{plain}_{len(self.layers)}"

    def activation(self, operator: Table) -> ActivationKind:
        code = operator.builtinOptions.fusedActivationFunction
        if code not in _FUSED:
            raise self.refusal(operator, "its activation is not supported")
        return _FUSED[code]

    def padding(self, operator: Table, kernel: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Padding:
        options = operator.builtinOptions
        if options.padding != _SAME:
            return Padding()
        reach = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
        height, width = self.shape(operator.inputs[0])[:2]
        return same_padding((height, width), reach, (options.strideH, options.strideW))

    def weigh(self, operator: Table, name: str, outputs: int) -> None:
        """Take the weights of a layer."""
        kernel = self.constant(operator, 1)
        given = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        bias = self.constant(operator, 2) if given else np.zeros(outputs)
        if kernel.dtype.kind != "f":
            raise self.refusal(operator, "it is quantised already")
        self.weights[name] = LayerWeights(kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))


def _conv(reader: _Reader, operator: Table) -> None:
    options, name = operator.builtinOptions, reader.layer_name(operator)
    filters, rows, columns, _ = reader.constant(operator, 1).shape
    dilation = (options.dilationHFactor, options.dilationWFactor)
    layer = Conv2D(
        name=name,
        inputs=reader.sources(operator, 1),
        filters=filters,
        kernel=(rows, columns),
        stride=(options.strideH, options.strideW),
        padding=reader.padding(operator, (rows, columns), dilation),
        dilation=dilation,
        activation=reader.activation(operator),
        batch_norm=True,
    )
    reader.weigh(operator, name, filters)
    reader.add(operator, layer)


def _depthwise(reader: _Reader, operator: Table) -> None:
    options, name = operator.builtinOptions, reader.layer_name(operator)
    _, rows, columns, outputs = reader.constant(operator, 1).shape
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        raise reader.refusal(operator, "depthwise convolutions with dilation are not supported")
    layer = DepthwiseConv2D(
        name=name,
        inputs=reader.sources(operator, 1),
        kernel=(rows, columns),
        stride=(options.strideH, options.strideW),
        padding=reader.padding(operator, (rows, columns)),
        multiplier=outputs // reader.shape(operator.inputs[0])[-1],
        activation=reader.activation(operator),
        batch_norm=True,
    )
    reader.weigh(operator, name, outputs)
    reader.add(operator, layer)


def _dense(reader: _Reader, operator: Table) -> None:
    name, source = reader.layer_name(operator), reader.sources(operator, 1)
    units = reader.constant(operator, 1).shape[0]
    if len(reader.shape(operator.inputs[0])) != 1:
        flat = f"{name}_flat"
        reader.layers.append(Reshape(name=flat, inputs=source))
        source = (flat,)
    reader.weigh(operator, name, units)
    reader.add(operator, Dense(name=name, inputs=source, units=units, activation=reader.activation(operator)))


def _add(reader: _Reader, operator: Table) -> None:
    name = reader.layer_name(operator)
    reader.add(operator, Add(name=name, inputs=reader.sources(operator), activation=reader.activation(operator)))


def _concat(reader: _Reader, operator: Table) -> None:
    axis, rank = operator.builtinOptions.axis, len(reader.editor.shape(operator.outputs[0]))
    if axis % rank != rank - 1 or reader.activation(operator) != "none":
        raise reader.refusal(operator, "only channels can be concatenated")
    reader.add(operator, Concat(name=reader.layer_name(operator), inputs=reader.sources(operator)))


def _pool(reader: _Reader, operator: Table) -> None:
    options, name = operator.builtinOptions, reader.layer_name(operator)
    kernel = (options.filterHeight, options.filterWidth)
    kind = AveragePool2D if reader.editor.kind(operator) == "AVERAGE_POOL_2D" else MaxPool2D
    if reader.activation(operator) != "none":
        raise reader.refusal(operator, "a pool with an activation is not supported")
    layer = kind(
        name=name,
        inputs=reader.sources(operator),
        kernel=kernel,
        stride=(options.strideH, options.strideW),
        padding=reader.padding(operator, kernel),
    )
    reader.add(operator, layer)


def _mean(reader: _Reader, operator: Table) -> None:
    axes = reader.constant(operator, 1).ravel().tolist()
    if axes not in _IMAGE_AXES:
        raise reader.refusal(operator, "only means over rows and columns are supported")
    layer = GlobalAveragePool(name=reader.layer_name(operator), inputs=reader.sources(operator, 1))
    if operator.builtinOptions.keepDims:
        reader.layers.append(layer)
        shape = reader.shape(operator.outputs[0])
        reader.add(operator, Reshape(name=f"{layer.name}_kept", inputs=(layer.name,), shape=shape))
        return
    reader.add(operator, layer)


def _activation(reader: _Reader, operator: Table) -> None:
    kind = _ACTIVATIONS[reader.editor.kind(operator)]
    reader.add(operator, Activation(name=reader.layer_name(operator), inputs=reader.sources(operator), kind=kind))


def _pad(reader: _Reader, operator: Table) -> None:
    amounts = reader.constant(operator, 1).reshape(-1, 2).tolist()
    if len(amounts) != 4 or any(amounts[axis] != [0, 0] for axis in (0, 3)):
        raise reader.refusal(operator, "only rows and columns can be padded")
    (top, bottom), (left, right) = amounts[1:3]
    padding = Padding(top=top, bottom=bottom, left=left, right=right)
    reader.add(operator, Pad(name=reader.layer_name(operator), inputs=reader.sources(operator, 1), padding=padding))


def _reshape(reader: _Reader, operator: Table) -> None:
    shape = reader.shape(operator.outputs[0])
    reader.add(
        operator,
        Reshape(name=reader.layer_name(operator), inputs=reader.sources(operator, 1), shape=shape),
    )


def _softmax(reader: _Reader, operator: Table) -> None:
    if operator.builtinOptions.beta != 1:
        raise reader.refusal(operator, "a softmax with a factor is not supported")
    reader.add(operator, Softmax(name=reader.layer_name(operator), inputs=reader.sources(operator)))


_READERS: Mapping[str, Callable[[_Reader, Table], None]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "ADD": _add,
    "CONCATENATION": _concat,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    **dict.fromkeys(_ACTIVATIONS, _activation),
    "PAD": _pad,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}
