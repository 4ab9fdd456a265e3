"""The structure of a PyTorch module as a network of ours: recorded while it runs once on tensors without values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network import INPUT, Network
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
    Shape,
    Softmax,
)
from edgebench.models.onnx.writer import channels_first
from edgebench.models.pytorch.recording import Call, recorded

_SAME_VALUES = {"clone", "detach", "alias", "dropout", "_to_copy", "contiguous", "lift_fresh"}
_ACTIVATIONS: Mapping[str, ActivationKind] = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "hardswish": "hard_swish",
}  # fmt: skip
_NORMALISATIONS = {"native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "batch_norm"}
_VIEWS = {"view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze"}


@dataclass(frozen=True, slots=True)
class Traced:
    """A network that a module was recorded as.

    Attributes:
        network: Without weights: batch normalisation and activations are part of the layers before them.
        parts: For each layer, the child of the module that it belongs to; what is in a container belongs to its items.
    """

    network: Network
    parts: tuple[str, ...]


def traced(module: Any, name: str, inputs: Mapping[str, Shape]) -> Traced:
    """Record a module as a network.

    The module runs once in evaluation mode, with a batch of 1, on tensors that have shapes but no values.

    Args:
        module: A ``torch.nn.Module`` of convolutions, batch normalisations, pools, sums, concatenations, dense layers
            and activations.
        name: Of the network.
        inputs: Shapes without the batch, channels last, in the order in which the module takes them.

    Raises:
        UnsupportedModelError: The module fails, or does something that a network has no layer for.
    """
    calls, last = recorded(module, inputs)
    writer = _Writer(inputs, calls)
    for call in calls:
        writer.write(call)
    return writer.finished(name, last)


@dataclass
class _Writer:
    """Turns calls into layers, each named after the module that ran it."""

    inputs: Mapping[str, Shape]
    calls: Sequence[Call]
    layers: dict[str, Layer] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first, *others = self.inputs
        self.names = dict(enumerate((INPUT, *others)))
        self.shapes: dict[str, Shape] = {INPUT: self.inputs[first], **{name: self.inputs[name] for name in others}}
        self.readers = Counter(source for call in self.calls for source in call.sources)
        self.counts: Counter[str] = Counter()
        self.call = Call("", (), {}, -1, (), "", "")

    def write(self, call: Call) -> None:
        """Add what a call does."""
        self.call = call
        if call.kind in _SAME_VALUES:
            name = self.names[call.sources[0]]
        elif call.kind in _NORMALISATIONS:
            name = _normalised(self)
        elif call.kind in _ACTIVATIONS:
            name = _activated(self, _ACTIVATIONS[call.kind])
        elif call.kind in _VIEWS:
            name = _viewed(self)
        elif call.kind in _WRITERS:
            name = _WRITERS[call.kind](self)
        else:
            raise self.refused("there is no layer for it")
        self.names[call.output] = name

    def finished(self, name: str, last: int) -> Traced:
        """The network of what the output depends on."""
        needed = {self.names[last]}
        for layer in reversed(self.layers.values()):
            if layer.name in needed:
                needed.update(layer.inputs)
        layers = [layer for layer in self.layers.values() if layer.name in needed]
        first, *others = self.inputs
        further = tuple((item, self.inputs[item]) for item in others)
        if not layers or layers[-1].name != self.names[last]:
            raise UnsupportedModelError("what the module returns is not what it computed last")
        try:
            network = Network(name=name, input_shape=self.inputs[first], layers=tuple(layers), further_inputs=further)
        except InputError as error:
            raise UnsupportedModelError(error.what) from error
        return Traced(network, tuple(self.parts[layer.name] for layer in layers))

    def refused(self, why: str) -> UnsupportedModelError:
        """The error of a call that cannot be written."""
        where = self.call.path or "the module itself"
        return UnsupportedModelError(
            f"{self.call.kind} in {where}: {why}",
            remedy="use convolutions (plain or one channel a group), batch normalisation, pools, sums, concatenations "
            "of channels, dense layers and activations",
        )

    def source(self, index: int = 0) -> str:
        """Name of what the call reads."""
        return self.names[self.call.sources[index]]

    def given(self, name: str, default: Any = None) -> Any:
        """An argument of the call."""
        value = self.call.arguments.get(name)
        return default if value is None else value

    def pair(self, name: str, default: int) -> tuple[int, int]:
        """An argument with a value for rows and columns."""
        value = self.given(name)
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values or values[0] is None:
            return default, default
        return (int(values[0]), int(values[-1]))

    def add(self, made: type[Layer], label: str, inputs: Sequence[str], /, **settings: Any) -> str:
        """A layer after those that there are."""
        path = self.call.path.replace(".", "_") or "top"
        self.counts[f"{path}_{label}"] += 1
        count = self.counts[f"{path}_{label}"]
        name = f"{path}_{label}" if count == 1 else f"{path}_{label}_{count}"
        layer = made(name=name, inputs=tuple(inputs), **settings)
        try:
            self.shapes[name] = layer.output_shape([self.shapes[item] for item in inputs])
        except InputError as error:
            raise self.refused(error.what) from error
        self.layers[name] = layer
        self.parts[name] = self.call.part
        return name

    def is_only_reader(self) -> bool:
        """Whether nothing else reads what the call reads."""
        return self.readers[self.call.sources[0]] == 1


def _normalised(writer: _Writer) -> str:
    layer = writer.layers.get(writer.source())
    if (
        isinstance(layer, (Conv2D, DepthwiseConv2D, Dense))
        and writer.is_only_reader()
        and (layer.activation == "none" and not layer.batch_norm)
    ):
        writer.layers[layer.name] = replace(layer, batch_norm=True)
        return layer.name
    # By itwriter it is a factor and a shift of each channel.
    return writer.add(DepthwiseConv2D, "scale", [writer.source()], kernel=(1, 1), batch_norm=True)


def _activated(writer: _Writer, kind: ActivationKind) -> str:
    layer = writer.layers.get(writer.source())
    if isinstance(layer, (Conv2D, DepthwiseConv2D, Dense, Add)) and (
        layer.activation == "none" and writer.is_only_reader()
    ):
        writer.layers[layer.name] = replace(layer, activation=kind)
        return layer.name
    return writer.add(Activation, kind, [writer.source()], kind=kind)


def _viewed(writer: _Writer) -> str:
    before, after = writer.shapes[writer.source()], writer.call.shape
    size = math.prod(before)
    if after == (1, size):
        layer = writer.layers.get(writer.source())
        if len(before) == 1:
            return writer.source()
        if isinstance(layer, Reshape) and writer.shapes[layer.inputs[0]] == (size,):
            return layer.inputs[0]
        return writer.add(Reshape, "flatten", [writer.source()])
    if after == (1, size, 1, 1):
        return (
            writer.source() if len(before) == 3 else writer.add(Reshape, "image", [writer.source()], shape=(1, 1, size))
        )
    if list(after) == channels_first(before):
        return writer.source()
    raise writer.refused(f"only flattening is known, not {list(channels_first(before))} to {list(after)}")


def _convolution(writer: _Writer) -> str:
    weight, groups = writer.given("weight"), int(writer.given("groups", 1))
    channels = writer.shapes[writer.source()][-1]
    if len(weight) != 4 or writer.given("transposed", False):
        raise writer.refused("only convolutions of images are known")
    rows, columns = writer.pair("padding", 0)
    settings: dict[str, Any] = {
        "kernel": tuple(weight[2:]),
        "stride": writer.pair("stride", 1),
        "padding": Padding(top=rows, bottom=rows, left=columns, right=columns),
    }
    dilation = writer.pair("dilation", 1)
    if groups == 1:
        return writer.add(Conv2D, "conv", [writer.source()], filters=weight[0], dilation=dilation, **settings)
    if groups != channels or dilation != (1, 1):
        raise writer.refused(f"{groups} groups of {channels} channels with a dilation of {dilation[0]}")
    return writer.add(DepthwiseConv2D, "depthwise", [writer.source()], multiplier=weight[0] // channels, **settings)


def _dense(writer: _Writer) -> str:
    weight = next(writer.given(name) for name in ("mat2", "weight") if name in writer.call.arguments)
    units = writer.call.shape[-1]
    if len(writer.call.sources) != 1 or units not in weight:
        raise writer.refused("a product of two computed matrices")
    return writer.add(Dense, "dense", [writer.source()], units=units)


def _sum(writer: _Writer) -> str:
    if len(writer.call.sources) != 2 or writer.given("alpha", 1) != 1:
        raise writer.refused("only sums of two computed tensors are known")
    return writer.add(Add, "add", [writer.source(0), writer.source(1)])


def _concat(writer: _Writer) -> str:
    if writer.given("dim", 0) % len(writer.call.shape) != 1:
        raise writer.refused("only channels are joined")
    return writer.add(Concat, "concat", [writer.names[number] for number in writer.call.sources])


def _average(writer: _Writer) -> str:
    padding = writer.pair("padding", 0)
    if any(padding) and writer.given("count_include_pad", True):
        raise writer.refused("padding that counts: set count_include_pad=False")
    return _pool(writer, AveragePool2D, "average_pool", padding)


def _maximum(writer: _Writer) -> str:
    if writer.pair("dilation", 1) != (1, 1):
        raise writer.refused("a dilation")
    return _pool(writer, MaxPool2D, "max_pool", writer.pair("padding", 0))


def _pool(writer: _Writer, kind: type[Layer], label: str, padding: tuple[int, int]) -> str:
    kernel = writer.pair("kernel_size", 1)
    rows, columns = padding
    name = writer.add(
        kind,
        label,
        [writer.source()],
        kernel=kernel,
        stride=writer.pair("stride", 0) if writer.given("stride") else kernel,
        padding=Padding(top=rows, bottom=rows, left=columns, right=columns),
    )
    if channels_first(writer.shapes[name]) != list(writer.call.shape):
        raise writer.refused("sizes that are rounded up (ceil_mode)")
    return name


def _adaptive(writer: _Writer) -> str:
    height, width, _ = writer.shapes[writer.source()]
    rows, columns = writer.call.shape[2:]
    if (rows, columns) == (1, 1):
        return _pooled(writer, keeps=True)
    if height % rows or width % columns:
        raise writer.refused(f"{height}x{width} does not divide into {rows}x{columns}")
    kernel = (height // rows, width // columns)
    return writer.add(AveragePool2D, "average_pool", [writer.source()], kernel=kernel, stride=kernel)


def _mean(writer: _Writer) -> str:
    axes = sorted(axis % 4 for axis in writer.given("dim", []))
    if len(writer.shapes[writer.source()]) != 3 or axes != [2, 3]:
        raise writer.refused("only means over rows and columns of an image are known")
    return _pooled(writer, keeps=bool(writer.given("keepdim", False)))


def _pooled(writer: _Writer, *, keeps: bool) -> str:
    channels = writer.shapes[writer.source()][-1]
    name = writer.add(GlobalAveragePool, "global_average_pool", [writer.source()])
    return writer.add(Reshape, "image", [name], shape=(1, 1, channels)) if keeps else name


def _clamped(writer: _Writer) -> str:
    low, high = (writer.given(long, writer.given(short)) for long, short in (("min_val", "min"), ("max_val", "max")))
    if (low, high) == (0, 6):
        return _activated(writer, "relu6")
    if (low, high) == (0, None):
        return _activated(writer, "relu")
    raise writer.refused(f"only limits of 0 and 6 are known, not {low} and {high}")


def _padded(writer: _Writer) -> str:
    left, right, top, bottom = (*writer.given("pad"), 0, 0, 0, 0)[:4]
    if writer.given("value", 0) or len(writer.given("pad")) > 4:
        raise writer.refused("only zeros around an image are known")
    padding = Padding(top=top, bottom=bottom, left=left, right=right)
    return writer.add(Pad, "pad", [writer.source()], padding=padding)


def _softmax(writer: _Writer) -> str:
    if len(writer.call.shape) != 2:
        raise writer.refused("only softmax of a vector is known")
    return writer.add(Softmax, "softmax", [writer.source()])


_WRITERS: Mapping[str, Callable[[_Writer], str]] = {
    "convolution": _convolution,
    "addmm": _dense,
    "mm": _dense,
    "linear": _dense,
    "add": _sum,
    "cat": _concat,
    "avg_pool2d": _average,
    "max_pool2d_with_indices": _maximum,
    "_adaptive_avg_pool2d": _adaptive,
    "mean": _mean,
    "hardtanh": _clamped,
    "clamp": _clamped,
    "clamp_min": _clamped,
    "constant_pad_nd": _padded,
    "_softmax": _softmax,
}
