"""Limits and objectives of a search, from what a user typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgebench.core.budget import Budget, Limit
from edgebench.core.device import Device
from edgebench.core.suggestions import did_you_mean
from edgebench.core.table import NETWORK, RULES, LookupTable
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError

ACCURACY = "accuracy"
_FIGURES: Mapping[str, tuple[str, Dimension]] = {
    "--max-latency": ("latency_s", Dimension.TIME),
    "--max-energy": ("energy_j", Dimension.ENERGY),
    "--max-ram": ("ram_bytes", Dimension.SIZE),
    "--max-flash": ("flash_bytes", Dimension.SIZE),
}
_SHORT: Mapping[str, str] = {
    "latency": "latency_s",
    "energy": "energy_j",
    "ram": "ram_bytes",
    "flash": "flash_bytes",
}


def compose_budget(
    limits: Mapping[str, Sequence[str]],
    tables: Mapping[str, LookupTable],
    *,
    min_accuracy: str | None,
    max_accuracy_drop: str | None,
) -> Budget:
    """Limits of every device.

    Args:
        limits: By option, texts such as ``50ms`` (every device whose table has the figure) or ``host=50ms``; the
            one for a device wins over the one for all.
        tables: By device.
        min_accuracy: Such as ``95%``.
        max_accuracy_drop: Such as ``2%``.

    Raises:
        InputError: A text is not a quantity of its kind, a device is not searched for, or no table has the figure.
    """
    found: dict[tuple[str, str], Limit] = {}
    for option, texts in limits.items():
        figure, dimension = _FIGURES[option]
        # Those for all devices first, so that those for one replace them.
        for text in sorted(texts, key=lambda item: "=" in item):
            device, separator, quantity = text.rpartition("=")
            value = parse_quantity(quantity, dimension, where=f"{option} {text}")
            if value <= 0:
                raise InputError("a limit is above 0", where=f"{option} {text}")
            if separator and device not in tables:
                raise InputError(
                    f"the search is not for {device!r}",
                    where=f"{option} {text}",
                    remedy=did_you_mean(device, tables) or f"its devices are {', '.join(tables)}",
                )
            chosen = [device] if separator else [name for name in tables if figure in tables[name].figures]
            if not chosen:
                name = figure.rpartition("_")[0]
                raise InputError(f"no table of {', '.join(tables)} has {name}", where=f"{option} {text}")
            for name in chosen:
                found[figure, name] = Limit(figure=figure, device=name, value=value)
    return Budget(
        limits=tuple(found.values()),
        min_accuracy=_ratio(min_accuracy, "--min-accuracy"),
        max_accuracy_drop=_ratio(max_accuracy_drop, "--max-accuracy-drop"),
    )


def compose_objectives(text: str, devices: Sequence[Device]) -> tuple[str, ...]:
    """Objectives such as ``accuracy,latency@host``.

    Raises:
        InputError: One is unknown.
    """
    names = [device.name for device in devices]
    found = []
    for part in (item.strip() for item in text.split(",")):
        figure, separator, device = part.partition("@")
        if part == ACCURACY:
            found.append(part)
            continue
        if figure in {"macs", "parameters"} and not separator:
            found.append(f"{figure}@{NETWORK}")
            continue
        column = _SHORT.get(figure, figure)
        if column not in RULES or not separator or device not in names:
            known = ", ".join([ACCURACY, *(f"{name}@{names[0]}" for name in _SHORT), "macs", "parameters"])
            raise InputError(f"{part!r} is not an objective", where="--objective", remedy=f"such as {known}")
        found.append(f"{column}@{device}")
    return tuple(found)


def _ratio(text: str | None, option: str) -> float | None:
    if text is None:
        return None
    value = parse_quantity(text, Dimension.RATIO, where=option)
    if not 0 <= value <= 1:
        raise InputError(f"{text!r} is not a share of 100 %", where=option)
    return value
