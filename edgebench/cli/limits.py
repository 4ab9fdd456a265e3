"""Limits and objectives of a search, from what a user typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgebench.cli.device_values import split_value
from edgebench.core.budget import Budget, Limit
from edgebench.core.device import Device
from edgebench.core.figure import FIGURES, LIMITED, NETWORK, TABLE_FIGURES, Figure, column_name, figure_named
from edgebench.core.table import LookupTable
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError


def compose_budget(
    limits: Mapping[str, Sequence[str]],
    tables: Mapping[str, LookupTable],
    *,
    min_accuracy: str | None = None,
    max_accuracy_drop: str | None = None,
) -> Budget:
    """Limits of every device.

    Args:
        limits: By the short name of a figure, strings such as ``50ms`` (every device whose table has the figure) or
            ``host=50ms``; a limit for one device overrides the one for all.
        tables: By device.
        min_accuracy: Such as ``95%``.
        max_accuracy_drop: Such as ``2%``.

    Raises:
        InputError: A string is not a valid quantity, a device is not part of the search, or no table has the figure.
    """
    found = {
        (limit.figure, limit.device): limit
        for figure in LIMITED
        # Limits for all devices first, so that limits for one device replace them.
        for text in sorted(limits.get(figure.short, ()), key=lambda item: any(sign in item for sign in "=:@"))
        for limit in _limits(figure, text, tables)
    }
    return Budget(
        limits=tuple(found.values()),
        min_accuracy=_ratio(min_accuracy, "--min-accuracy"),
        max_accuracy_drop=_ratio(max_accuracy_drop, "--max-accuracy-drop"),
    )


def compose_objectives(text: str, devices: Sequence[Device]) -> tuple[str, ...]:
    """Objectives such as ``accuracy,latency@host``.

    Raises:
        InputError: An objective is unknown.
    """
    return tuple(_objective(part.strip(), [device.name for device in devices]) for part in text.split(","))


def _limits(figure: Figure, text: str, tables: Mapping[str, LookupTable]) -> Iterator[Limit]:
    where = f"{figure.limit_option} {text}"
    device, quantity = split_value(text, tables, where=where)
    value = parse_quantity(quantity, figure.dimension or Dimension.RATIO, where=where)
    if value <= 0:
        raise InputError("a limit must be above 0", where=where)
    chosen = [device] if device else [name for name in tables if figure.name in tables[name].figures]
    if not chosen:
        raise InputError(f"no table for {', '.join(tables)} has {figure.title}", where=where)
    for name in chosen:
        yield Limit(figure=figure.name, device=name, value=value)


def _objective(part: str, devices: Sequence[str]) -> str:
    short, separator, device = part.partition("@")
    figure = figure_named(short)
    if figure is not None and not figure.of_device and not separator:
        return column_name(figure.name, NETWORK) if figure.combines else figure.name
    if figure is None or figure.name not in TABLE_FIGURES or device not in devices:
        known = ", ".join(
            f"{item.short}@{devices[0]}" if item.of_device else item.short for item in FIGURES.values() if item.short
        )
        raise InputError(f"unknown objective {part!r}", where="--objective", remedy=f"use one such as {known}")
    return column_name(figure.name, device)


def _ratio(text: str | None, option: str) -> float | None:
    if text is None:
        return None
    value = parse_quantity(text, Dimension.RATIO, where=option)
    if not 0 <= value <= 1:
        raise InputError(f"{text!r} is not between 0 and 100 %", where=option)
    return value
