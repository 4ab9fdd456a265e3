"""Images of another size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError
from edgebench.models.tflite.quantised_graph import QuantisedOperator
from edgebench.targets.mcu.layer_code import CodeContext, LayerCode, array
from edgebench.targets.mcu.operators.common import listed
from edgebench.targets.mcu.operators.moves import Axis, Move, bytes_at, move_calls, strides


def resize_nearest(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """RESIZE_NEAREST_NEIGHBOR: copies where the pixels follow a regular pattern, else by tables."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    _require_images(operator, source.shape, output.shape)
    tables = [_nearest(source.shape[axis], output.shape[axis], operator.options) for axis in (1, 2)]
    patterns = [_pattern(table) for table in tables]
    steps, targets = strides(source.shape), strides(output.shape)
    if all(patterns):
        axes, start = [Axis(size=source.shape[0], source=steps[0], target=targets[0])], 0
        for axis, pattern in enumerate(patterns, start=1):
            first, step, count, repeats = pattern or (0, 0, 0, 0)
            axes += [
                Axis(size=count, source=step * steps[axis], target=repeats * targets[axis]),
                Axis(size=repeats, source=0, target=targets[axis]),
            ]
            start += first * steps[axis]
        axes.append(Axis(size=source.shape[3], source=1, target=1))
        body, constants = move_calls(context, operator, index, [Move(axes=tuple(axes), source=start)])
        return LayerCode(name=output.name, kind=operator.kind, body=body + "  return 0;\n", constants=constants)
    pixel = source.shape[3] * source.item_bytes
    places = bytes_at(context.pointer(operator.inputs[0])), bytes_at(context.pointer(operator.outputs[0]))
    return _by_tables(context, operator, index, "eb_resize_nearest", places, tables, pixel)


def resize_bilinear(context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """RESIZE_BILINEAR in LiteRT's 10 bits behind the point."""
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    _require_images(operator, source.shape, output.shape)
    tables = [_between(source.shape[axis], output.shape[axis], operator.options) for axis in (1, 2)]
    name = f"eb_resize_bilinear_{'s8' if source.dtype == 'int8' else 's16'}"
    places = context.pointer(operator.inputs[0]), context.pointer(operator.outputs[0])
    return _by_tables(context, operator, index, name, places, tables, source.shape[3])


def _by_tables(
    context: CodeContext,
    operator: QuantisedOperator,
    index: int,
    function: str,
    places: tuple[str, str],
    tables: list[NDArray[Any]],
    channels: int,
) -> LayerCode:
    source, output = context.tensor(operator.inputs[0]), context.tensor(operator.outputs[0])
    sizes = (source.shape[0], *source.shape[1:3], *output.shape[1:3], channels)
    constants = array("int16_t", f"rows_{index}", tables[0]) + array("int16_t", f"columns_{index}", tables[1])
    body = (
        f"  static const eb_resize_params params = {{{listed(sizes)}}};\n"
        f"  {function}({places[0]}, {places[1]}, rows_{index}, columns_{index}, &params);\n  return 0;\n"
    )
    return LayerCode(name=output.name, kind=operator.kind, body=body, constants=constants)


def _require_images(operator: QuantisedOperator, source: tuple[int, ...], output: tuple[int, ...]) -> None:
    fit = len(source) == len(output) == 4 and (source[0], source[3]) == (output[0], output[3])
    if not fit or max(*source[1:3], *output[1:3]) > 1 << 14:
        raise InputError(f"{operator.kind} makes {list(output)} of {list(source)}")


def _nearest(size: int, wanted: int, options: Mapping[str, Any]) -> NDArray[Any]:
    """Which pixel lies nearest to each place, in single precision as TFLite computes it."""
    corners, centres = options.get("alignCorners"), options.get("halfPixelCenters")
    single = np.float32
    scale = single(size - 1) / single(wanted - 1) if corners and wanted > 1 else single(size) / single(wanted)
    places = (np.arange(wanted, dtype=np.float32) + single(0.5 if centres else 0)) * scale
    # Halves are rounded away from zero, and no place is below it.
    rounded = np.floor(places.astype(np.float64) + 0.5) if corners else np.floor(places)
    return np.clip(rounded.astype(np.int64), 0, size - 1)


def _pattern(table: NDArray[Any]) -> tuple[int, int, int, int] | None:
    """First value, step, number of different values and repetitions of each, where a table is that regular."""
    values, counts = np.unique(table, return_counts=True)
    steps = np.unique(np.diff(values))
    if len(np.unique(counts)) > 1 or len(steps) > 1 or (np.diff(table) < 0).any():
        return None
    return int(values[0]), int(steps[0]) if len(steps) else 0, len(values), int(counts[0])


def _between(size: int, wanted: int, options: Mapping[str, Any]) -> NDArray[Any]:
    """For each place the pixels on both sides, and how far it lies from the first one in 1024ths."""
    corners, centres = options.get("alignCorners"), options.get("halfPixelCenters")
    if corners and centres:
        raise InputError("RESIZE_BILINEAR aligns both corners and centres of pixels")
    span, count = (size - 1, wanted - 1) if corners and wanted > 1 else (size, wanted)
    scale = (1024 * span + count // 2) // count
    places = np.arange(wanted, dtype=np.int64) * scale
    if centres:
        places = places + scale // 2 - 512
    # C divides towards zero; a place before the first or behind the last pixel takes that pixel.
    low = np.clip(np.trunc(places / 1024).astype(np.int64), 0, size - 1)
    high = np.minimum(np.trunc((places + 1023) / 1024).astype(np.int64), size - 1)
    return np.stack([low, high, places - 1024 * low], axis=1)
