"""Wires what a user typed to devices, plans and inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.cli.device_values import split_value
from edgebench.core.device import Device, OptionValue
from edgebench.core.dtype import DataType
from edgebench.core.model import Converter, InputSource
from edgebench.core.options import parse_option, takes_several
from edgebench.core.plan import MeasurementPlan
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError
from edgebench.store.devices import find_device
from edgebench.targets.registry import target_type

if TYPE_CHECKING:
    from edgebench.flows.lut.correction import Goal

MAX_LABEL = 100


def compose_devices(
    names: Sequence[str],
    options: Sequence[str],
    *,
    threads: int | None,
    optimization: str | None,
    tables: Path | None = None,
    find: Callable[[str], Device] = find_device,
) -> list[Device]:
    """Devices by name, with the options from the command line applied.

    Args:
        names: The values of ``-d``.
        options: ``KEY=VALUE`` for all devices whose target has the key, ``DEVICE:KEY=VALUE`` for one.
        threads: For every device whose target has threads.
        optimization: For every device whose target has optimisation levels.
        tables: The results folder, if devices count that are known by an imported table only.
        find: Finds a device by its name.

    Raises:
        InputError: A device or an option is unknown, or an option applies to no device.
    """
    named = {"threads": threads, "optimization": optimization}
    texts = [*options, *(f"{key}={value}" for key, value in named.items() if value is not None)]
    if tables is None:
        return with_options([find(name) for name in dict.fromkeys(names)], texts)
    from edgebench.flows.lut.opening import find_device_or_table

    return with_options([find_device_or_table(name, tables, find) for name in dict.fromkeys(names)], texts)


def with_options(devices: Sequence[Device], options: Sequence[str]) -> list[Device]:
    """Devices with options applied.

    Args:
        devices: As their files describe them.
        options: ``KEY=VALUE`` for all devices whose target has the key, ``DEVICE:KEY=VALUE`` for one.

    Raises:
        InputError: An option is unknown, or applies to no device.
    """
    found = list(devices)
    for option in options:
        found = _with_option(found, option)
    return found


def compose_plan(
    *, repetitions: int, time_limit: str, goal: str, memory_limit: str | None, layers: bool
) -> MeasurementPlan:
    """Settings of a measurement from strings with units.

    Raises:
        InputError: A string is not a valid quantity, or is out of range.
    """
    try:
        return MeasurementPlan(
            goal=parse_quantity(goal, Dimension.RATIO, where="--goal"),
            repetitions=repetitions,
            time_limit_s=parse_quantity(time_limit, Dimension.TIME, where="--time-limit"),
            memory_limit_bytes=None
            if memory_limit is None
            else round(parse_quantity(memory_limit, Dimension.SIZE, where="--memory-limit")),
            layers=layers,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def compose_inputs(
    shapes: Sequence[str],
    file: Path | None,
    seed: int,
    calibration: Path | None = None,
    signature: str | None = None,
    converter: Converter = Converter.EDGEBENCH,
) -> InputSource:
    """Inputs from ``--shape``, ``--inputs``, ``--seed``, ``--calibration``, ``--signature`` and ``--converter``.

    Raises:
        InputError: A shape is not ``NAME=1,3,224,224``, or the file does not exist.
    """
    for option, path in (("--inputs", file), ("--calibration", calibration)):
        if path is not None and not path.is_file():
            raise InputError("no such file", where=f"{option} {path}")
    return InputSource(
        seed=seed,
        shapes=dict(_shape(text) for text in shapes),
        file=None if file is None else str(file.resolve()),
        calibration=None if calibration is None else str(calibration.resolve()),
        signature=signature,
        converter=converter,
    )


def compose_table_goal(mean_error: str, within_5: str, networks: int, time_limit: str | None) -> Goal:
    """When a table of a device that measures is good enough.

    Args:
        mean_error: Such as ``2%``.
        within_5: Share of networks within 5 %, such as ``90%``.
        networks: Most whole networks to measure.
        time_limit: Most time for them, such as ``5min``.

    Raises:
        InputError: A share is not above 0 and at most 100 %, or a time is none.
    """
    from edgebench.flows.lut.correction import Goal

    shares = {}
    for option, text in (("--goal", mean_error), ("--within-5", within_5)):
        shares[option] = parse_quantity(text, Dimension.RATIO, where=option)
        if not 0 < shares[option] <= 1:
            raise InputError(f"{text} is no goal", where=option, remedy="write a percentage, such as 2%")
    seconds = None if time_limit is None else parse_quantity(time_limit, Dimension.TIME, where="--time-limit")
    return Goal(mean_error=shares["--goal"], within_5_percent=shares["--within-5"], networks=networks, seconds=seconds)


def compose_label(text: str) -> str:
    """A run's label from ``--label``.

    Raises:
        InputError: It is longer than a line of a table, or contains characters that cannot be printed.
    """
    label = " ".join(text.split())
    if len(label) > MAX_LABEL or not label.isprintable():
        raise InputError("not a label", where="--label", remedy=f"write at most {MAX_LABEL} printable characters")
    return label


def compose_dtypes(texts: Sequence[str], devices: Sequence[Device]) -> dict[str, str]:
    """Data types by device from ``--dtype int8`` (every device) and ``--dtype host=float32``; the last one wins.

    Raises:
        InputError: A type or a device is unknown.
    """
    names = [device.name for device in devices]
    chosen: dict[str, str] = {}
    for text in texts:
        name, dtype = split_value(text, names, where="--dtype")
        if dtype not in set(DataType):
            raise InputError(
                f"{text!r} is not a data type for {' or '.join(names)}", where="--dtype", remedy=" or ".join(DataType)
            )
        chosen.update(dict.fromkeys([name] if name else names, dtype))
    return chosen


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    # Names may hold "=" or ":", sizes never do.
    name, separator, sizes = text.rpartition("=")
    parts = [part for part in sizes.replace("x", ",").split(",") if part.strip()]
    # Without a name it is that of the only input.
    if (
        bool(separator) != bool(name)
        or not parts
        or not all(part.strip().isdigit() and len(part) < 12 for part in parts)
    ):
        raise InputError(
            f"{text!r} is not a valid shape",
            where="--shape",
            remedy="write it as NAME=1,3,224,224, or without a name for the only input",
        )
    return name, tuple(int(part) for part in parts)


def _with_option(devices: Sequence[Device], text: str) -> list[Device]:
    scope, _, rest = text.rpartition(":") if ":" in text.partition("=")[0] else ("", "", text)
    key, separator, _ = rest.partition("=")
    if not separator:
        raise InputError(f"{text!r} is not a valid option", where="--option", remedy="write it as KEY=VALUE")
    # A device of a sweep answers to the name that it had before.
    chosen = [device for device in devices if not scope or scope in {device.name, device.name.partition(":")[0]}]
    fitting = [device for device in chosen if _knows(device, key)]
    if not chosen:
        raise InputError(f"--option {text} names the device {scope!r}, which is not among those profiled")
    if not fitting:
        # The target's own error message lists the options that it has.
        parse_option(rest, chosen[0], target_type(chosen[0].target).options_type)
    found: list[Device] = []
    for device in devices:
        found += _swept(device, key, rest) if device in fitting else [device]
    return found


def _swept(device: Device, key: str, text: str) -> list[Device]:
    """The device with an option; with several values where one is meant, a device for each: ``host threads=2``."""
    options = target_type(device.target).options_type
    values = text.partition("=")[2].split(",")
    if len(values) == 1 or takes_several(options, key):
        return [_replaced(device, key, text)]
    chosen = dict.fromkeys(value.strip() for value in values if value.strip())
    named = [replace(device, name=f"{device.name}:{key}={value}") for value in chosen]
    return [_replaced(own, key, f"{key}={value}") for own, value in zip(named, chosen, strict=True)]


def _knows(device: Device, key: str) -> bool:
    return key in getattr(target_type(device.target).options_type, "__dataclass_fields__", {})


def _replaced(device: Device, key: str, text: str) -> Device:
    value: OptionValue = parse_option(text, device, target_type(device.target).options_type)
    return replace(device, options={**device.options, key: value})
