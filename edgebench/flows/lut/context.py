"""The networks that a block is measured in.

A block on its own costs more than the same block inside a network: its input comes from memory, and its output is
brought into another layout. So if only whole graphs have a cost, a block's cost is the difference between
two networks that differ only by the block: ``after(block)`` and ``before(block)``. Both begin with a 1x1
convolution, which gives the block's input the layout it has inside a network, and end with a mean and a small
matrix product, which costs nearly the same whatever its input.
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


def before(block: Block) -> Network:
    """What surrounds the block."""
    builder = _opened(block)
    _close(builder)
    return builder.build()


def after(block: Block) -> Network:
    """What surrounds the block, and the block."""
    builder = _opened(block)
    block.append(builder)
    _close(builder)
    return builder.build()


def _opened(block: Block) -> NetworkBuilder:
    builder = NetworkBuilder("context", block.input_shape)
    if len(block.input_shape) == 3:
        builder.conv(block.input_shape[-1], 1)
    return builder


def _close(builder: NetworkBuilder) -> None:
    """Nothing follows a block that ends in a vector: that is the head of a network."""
    if len(builder.shape()) == 3:
        builder.global_average_pool()
        builder.dense(_TAIL_UNITS)
