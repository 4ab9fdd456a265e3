"""Limits and objectives of a search, from what a user typed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from edgebench.cli.device_values import split_value
from edgebench.core.budget import Budget, Limit
from edgebench.core.device import Device, DeviceKind
from edgebench.core.figure import (
    ENERGY,
    FIGURES,
    FLASH,
    LATENCY,
    LIMITED,
    NETWORK,
    RAM,
    TABLE_FIGURES,
    Figure,
    column_name,
    figure_named,
)
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
    figures = {device: set(table.figures) for device, table in tables.items()}
    return _budget(limits, figures, min_accuracy, max_accuracy_drop, "table for")


def compose_device_budget(
    limits: Mapping[str, Sequence[str]],
    devices: Sequence[Device],
    *,
    min_accuracy: str | None = None,
    max_accuracy_drop: str | None = None,
) -> Budget:
    """Limits of every device without tables: a limit for all devices is for those that are known to have the figure.

    Every device has a latency, NPUs and microcontrollers have RAM and flash of a model, and what states its power has
    an energy. A limit for one named device is always taken.

    Args:
        limits: As ``compose_budget`` takes them.
        devices: What is measured.
        min_accuracy: Such as ``95%``.
        max_accuracy_drop: Such as ``2%``.

    Raises:
        InputError: A string is not a valid quantity, a device is not among those, or none has the figure.
    """
    figures = {device.name: _figures_of(device) for device in devices}
    return _budget(limits, figures, min_accuracy, max_accuracy_drop, "device among")


def _figures_of(device: Device) -> set[str]:
    memory = {RAM, FLASH} if device.kind is not DeviceKind.CPU else set()
    return {LATENCY, *memory, *({ENERGY} if device.power is not None else ())}


def _budget(
    limits: Mapping[str, Sequence[str]],
    figures: Mapping[str, Collection[str]],
    min_accuracy: str | None,
    max_accuracy_drop: str | None,
    what: str,
) -> Budget:
    found = {
        (limit.figure, limit.device): limit
        for figure in LIMITED
        # Limits for all devices first, so that limits for one device replace them.
        for text in sorted(limits.get(figure.short, ()), key=lambda item: any(sign in item for sign in "=:@"))
        for limit in _limits(figure, text, figures, what)
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


def _limits(figure: Figure, text: str, figures: Mapping[str, Collection[str]], what: str) -> Iterator[Limit]:
    where = f"{figure.limit_option} {text}"
    device, quantity = split_value(text, list(figures), where=where)
    value = parse_quantity(quantity, figure.dimension or Dimension.RATIO, where=where)
    if value <= 0:
        raise InputError("a limit must be above 0", where=where)
    chosen = [device] if device else [name for name, known in figures.items() if figure.name in known]
    if not chosen:
        raise InputError(f"no {what} {', '.join(figures)} has {figure.title}", where=where)
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
