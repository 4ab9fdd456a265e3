"""Which values STRIDED_SLICE takes along each axis, by the rules of TFLite's reference kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgebench.errors import InputError


def sliced_axes(
    shape: Sequence[int], begin: Sequence[int], end: Sequence[int], stride: Sequence[int], options: Mapping[str, Any]
) -> list[range]:
    """The positions that are taken along each axis of the input.

    New axes have one position and change nothing in memory, so they are left out.

    Args:
        shape: Of the input.
        begin: First positions, one for each place of the slice.
        end: Where each ends.
        stride: Steps; not 0.
        options: The operator's masks, by the schema's names.

    Raises:
        InputError: A step is 0.
    """
    ellipsis, new = options.get("ellipsisMask", 0), options.get("newAxisMask", 0) & ~options.get("ellipsisMask", 0)
    places = range(len(begin))
    added = sum(new >> place & 1 for place in places)
    first = next((place for place in places if ellipsis >> place & 1), None)
    covered = max(1, len(shape) - (len(begin) - added - 1))
    taken: list[range] = []
    for place in places:
        if place == first:
            taken += [range(shape[axis]) for axis in range(len(taken), min(len(taken) + covered, len(shape)))]
        elif not new >> place & 1 and len(taken) < len(shape):
            if stride[place] == 0:
                raise InputError(f"a slice of {list(shape)} moves by {list(stride)}")
            taken.append(_positions(shape[len(taken)], place, (begin, end, stride), options))
    return taken + [range(size) for size in shape[len(taken) :]]


def _positions(
    size: int, place: int, ends: tuple[Sequence[int], Sequence[int], Sequence[int]], options: Mapping[str, Any]
) -> range:
    begin, end, step = (values[place] for values in ends)
    low, high = (0, size) if step > 0 else (-1, size - 1)
    start = begin + size if begin < 0 else begin
    start = min(max(start, low), high)
    if options.get("beginMask", 0) >> place & 1:
        start = low if step > 0 else high
    if options.get("shrinkAxisMask", 0) >> place & 1:
        return range(start, start + (start < size))
    stop = end + start if options.get("offset") else end
    stop = min(max(stop + size if stop < 0 else stop, low), high)
    if options.get("endMask", 0) >> place & 1:
        stop = high if step > 0 else low
    return range(start, stop, step)
