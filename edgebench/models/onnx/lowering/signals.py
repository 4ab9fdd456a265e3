"""Fourier transforms and running sums: products with constant matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.models.onnx.lowering.context import Handlers, Lowering, Node, NotConvertibleError
from edgebench.models.onnx.lowering.matrices import fully_connected
from edgebench.models.onnx.lowering.windows import Window, image_conv

Array = NDArray[Any]


def stft(context: Lowering, node: Node) -> None:
    """``STFT`` of a real signal: a convolution whose kernels are windowed waves."""
    shape = context.shape(node.input(0))
    if len(shape) == 3 and shape[2] != 1:
        raise NotConvertibleError("its signal is complex")
    step = int(context.required_constant(node.input(1), "frame step").reshape(-1)[0])
    _, frames, bins, _ = context.shape(node.output)
    length = _frame_length(context, node)
    window = context.constant(node.input(2)) if node.input(2) else None
    waves = fourier(length, bins, inverse=False)[:, 0].astype(np.float64)
    if window is not None:
        waves = waves * np.asarray(window, np.float64)[:, None]
    signal = context.reshaped(context.plain(node.input(0)), (shape[0], 1, shape[1], 1))
    kernels = waves.T[:, None, None, :].astype(np.float32)
    slid = Window((1, length), (1, step), (1, 1), ((0, 0), (0, 0)))
    result = image_conv(context, signal, kernels, np.zeros(len(kernels), np.float32), slid, 1)
    context.give(node.output, context.reshaped(result, (shape[0], frames, bins, 2)))


def _frame_length(context: Lowering, node: Node) -> int:
    given = context.constant(node.input(3)) if node.input(3) else None
    if given is not None:
        return int(given.reshape(-1)[0])
    return len(context.required_constant(node.input(2), "window"))


def dft(context: Lowering, node: Node) -> None:
    """``DFT`` along any axis: a product with a constant matrix."""
    shape = context.shape(node.input(0))
    target = context.shape(node.output)
    rank = len(shape)
    axis = node.get("axis", 1 if context.opset < 20 else -2)
    if node.input(2):
        axis = int(context.required_constant(node.input(2), "axis").reshape(-1)[0])
    axis = int(axis) % rank
    inverse, parts = bool(node.get("inverse", 0)), shape[-1]
    if inverse and target[-1] == 1:
        raise NotConvertibleError("it is an inverse transform to real values")
    length = shape[axis]
    if node.input(1):
        length = int(context.required_constant(node.input(1), "length").reshape(-1)[0])
    matrix = fourier(length, target[axis], inverse=inverse)[: shape[axis], :parts]
    # The axis is moved before the real and imaginary parts, and both are merged.
    order = [*(other for other in range(rank - 1) if other != axis), axis, rank - 1]
    moved = context.moved(context.plain(node.input(0)), order)
    lead = [shape[other] for other in order[:-2]]
    used = matrix.shape[0]
    if used < shape[axis]:
        raise NotConvertibleError("its length is shorter than its axis")
    rows = matrix.reshape(used * parts, -1).T
    result = fully_connected(context, context.reshaped(moved, (*lead, used * parts)), rows, None)
    result = context.reshaped(result, (*lead, target[axis], 2))
    context.give(node.output, context.moved(result, list(np.argsort(order))))


def fourier(length: int, bins: int, *, inverse: bool) -> Array:
    """The matrix of a discrete Fourier transform, [length, 2, bins * 2].

    The second axis is for the inputs' real and imaginary parts; in the last, those of each output are neighbours.
    """
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(bins)) / length
    sign = 1.0 if inverse else -1.0
    cosine, sine = np.cos(angles), sign * np.sin(angles)
    matrix = np.empty((length, 2, bins, 2))
    matrix[:, 0, :, 0], matrix[:, 0, :, 1] = cosine, sine
    matrix[:, 1, :, 0], matrix[:, 1, :, 1] = -sine, cosine
    if inverse:
        matrix /= length
    return matrix.reshape(length, 2, bins * 2).astype(np.float32)


def cumsum(context: Lowering, node: Node) -> None:
    """``CumSum``: a product with a triangular matrix of ones."""
    shape = context.shape(node.input(0))
    rank = len(shape)
    axis = int(context.required_constant(node.input(1), "axis").reshape(-1)[0]) % rank
    ones = np.tri(shape[axis], k=-1 if node.get("exclusive", 0) else 0, dtype=np.float32)
    if node.get("reverse", 0):
        ones = ones[::-1, ::-1]
    order = [*(other for other in range(rank) if other != axis), axis]
    moved = context.moved(context.plain(node.input(0)), order)
    result = fully_connected(context, moved, ones, None)
    context.give(node.output, context.moved(result, list(np.argsort(order))))


HANDLERS: Handlers = {"STFT": stft, "DFT": dft, "CumSum": cumsum}
