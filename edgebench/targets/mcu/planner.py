"""Places tensors in one arena so that those alive at the same time do not overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Something that needs memory for a while.

    Attributes:
        name: Its name.
        size: Bytes.
        first: Index of the operator that writes it first.
        last: Index of the operator that reads it last.
    """

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where each buffer is.

    Attributes:
        offsets: Bytes from the start of the arena, by name.
        size: Bytes of the arena.
        lower_bound: Maximum number of bytes alive at once: no plan is smaller.
        peak: Index of the operator at which that occurs.
        alive: Bytes alive at each operator.
    """

    offsets: Mapping[str, int]
    size: int
    lower_bound: int
    peak: int
    alive: tuple[int, ...]


def plan_arena(buffers: Sequence[Buffer]) -> Plan:
    """The smallest arena of several greedy orders (largest first, longest first, most bytes x time first)."""
    orders: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
        lambda b: (-b.size, b.first),
        lambda b: (-(b.last - b.first), -b.size),
        lambda b: (-b.size * (b.last - b.first + 1), b.first),
        lambda b: (b.first, -b.size),
    )
    placements = [_place(sorted(buffers, key=order)) for order in orders]
    offsets, size = min(placements, key=lambda placement: placement[1])
    steps = range(max((b.last for b in buffers), default=0) + 1)
    alive = [sum(_aligned(b.size) for b in buffers if b.first <= step <= b.last) for step in steps]
    most = max(alive)
    return Plan(offsets=offsets, size=size, lower_bound=most, peak=alive.index(most), alive=tuple(alive))


def _place(buffers: Sequence[Buffer]) -> tuple[dict[str, int], int]:
    """Each buffer at the lowest gap among those alive with it (Pisarchyk and Lee 2020, greedy by size)."""
    placed: list[tuple[int, Buffer]] = []
    for buffer in buffers:
        offset = 0
        overlapping = [(o, b) for o, b in placed if b.first <= buffer.last and buffer.first <= b.last]
        for other_offset, other in sorted(overlapping, key=lambda item: item[0]):
            if offset + _aligned(buffer.size) <= other_offset:
                break
            offset = max(offset, other_offset + _aligned(other.size))
        placed.append((offset, buffer))
    size = max((offset + _aligned(buffer.size) for offset, buffer in placed), default=0)
    return {buffer.name: offset for offset, buffer in placed}, size


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
