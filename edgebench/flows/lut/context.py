"""The networks that a block is measured in.

A block on its own costs more than the same block inside a network: its input comes from memory, and its output is
brought into another layout. So if only whole graphs have a cost, a block's cost is the difference between
two networks that differ only by the block: ``after(block)`` and ``before(block)``. Both begin with a 1x1
convolution, and end with a mean and a small matrix product, which costs nearly the same whatever its input. Between the
convolution and the block stands another block of the space with the same channels, if there is one: what a block costs
depends on the layout in which its input arrives, and that is its neighbour's. (With AVX-512, ONNX Runtime keeps 16
channels together; a block of 8 channels behind the convolution pays for a reordering that it does not pay in a chain.)
"""

from __future__ import annotations

from edgebench.models.network import Network, NetworkBuilder
from edgebench.spaces.blocks import Block

_TAIL_UNITS = 10


def first(block: Block) -> Network:
    """A block that networks begin with, and the end of every network here."""
    builder = NetworkBuilder("first", block.input_shape)
    block.append(builder)
    _close(builder)
    return builder.build()


def before(block: Block, neighbour: Block | None = None) -> Network:
    """What surrounds the block.

    Args:
        block: What is measured.
        neighbour: What stands before it; by default only a convolution.
    """
    builder = _opened(block, neighbour)
    _close(builder)
    return builder.build()


def after(block: Block, neighbour: Block | None = None) -> Network:
    """What surrounds the block, and the block.

    Args:
        block: What is measured.
        neighbour: What stands before it; by default only a convolution.
    """
    builder = _opened(block, neighbour)
    block.append(builder)
    _close(builder)
    return builder.build()


def _opened(block: Block, neighbour: Block | None) -> NetworkBuilder:
    builder = NetworkBuilder("context", block.input_shape)
    if len(block.input_shape) == 3:
        builder.conv(block.input_shape[-1], 1)
    if neighbour is not None:
        neighbour.append(builder)
    return builder


def _close(builder: NetworkBuilder) -> None:
    """Nothing follows a block that ends in a vector: that is the head of a network."""
    if len(builder.shape()) == 3:
        builder.global_average_pool()
        builder.dense(_TAIL_UNITS)
