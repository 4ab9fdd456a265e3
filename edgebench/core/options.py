"""Options of a target: from a device file's table to a typed record."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgebench.core.device import Device
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError

T = TypeVar("T")


def read_options(device: Device, kind: type[T]) -> T:
    """Check a device's options against the dataclass that a target declares for them.

    Args:
        device: Its ``options`` are read.
        kind: A dataclass whose fields are of type bool, int, float, str, a Literal of strings, a tuple
            of strings or integers, a mapping of strings (or of anything), or one of these or None.

    Raises:
        InputError: An option is unknown to ``kind``, of the wrong type, or missing without a default.
    """
    where = f"{device.origin or device.name}, [options]"
    return read_settings(device.options, kind, owner=f"target {device.target!r}", where=where)


def read_settings(values: Mapping[str, Any], kind: type[T], *, owner: str, where: str) -> T:
    """Check a table of values against a dataclass.

    Args:
        values: As read from a file.
        kind: A dataclass, as for ``read_options``.
        owner: What declares the dataclass, for messages.
        where: File and table, for messages.

    Raises:
        InputError: A key is unknown to ``kind``, of the wrong type, or missing without a default.
    """
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise InputError(
                f"{owner} has no option {key!r}",
                where=where,
                remedy=did_you_mean(key, fields) or f"its options are {', '.join(fields)}",
            )
    checked = {key: _checked(value, hints[key], where=f"{where}, {key}") for key, value in values.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in checked:
            raise InputError(f"option {name!r} is missing", where=where, remedy=f"add `{name} = ...`")
    try:
        return kind(**checked)
    except ValueError as error:
        raise InputError(str(error), where=where) from error


def parse_option(text: str, device: Device, kind: type[Any]) -> bool | int | float | str | tuple[str, ...]:
    """Read ``value`` of ``--option key=value`` as the type that a target declares for the key.

    Args:
        text: ``key=value``.
        device: For the message.
        kind: The target's options dataclass.

    Raises:
        InputError: The key is unknown or the value is not of its type.
    """
    key, _, value = text.partition("=")
    hint = get_type_hints(kind).get(key)
    if hint is None:
        known = [field.name for field in dataclasses.fields(kind)]
        raise InputError(
            f"target {device.target!r} of {device.name} has no option {key!r}",
            remedy=did_you_mean(key, known) or f"its options are {', '.join(known)}",
        )
    allowed = _alternatives(hint)
    if bool in allowed and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    for number in (int, float):
        if number in allowed:
            try:
                found = number(value)
            except ValueError:
                continue
            if not math.isfinite(found):
                raise InputError(f"{value!r} is not a finite number", where=f"--option {text}", remedy="write a number")
            return found
    if any(get_origin(option) is tuple for option in allowed):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    checked: str = _checked(value, hint, where=f"--option {text}")
    return checked


def takes_several(kind: type[Any], key: str) -> bool:
    """Whether an option of a target is a list."""
    return any(get_origin(option) is tuple for option in _alternatives(get_type_hints(kind).get(key)))


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in {Union, types.UnionType}:
        return tuple(option for option in get_args(hint) if option is not type(None))
    return (hint,)


def _checked(value: Any, hint: Any, *, where: str) -> Any:
    for option in _alternatives(hint):
        origin = get_origin(option)
        if origin is Literal:
            if value in get_args(option):
                return value
        elif origin is tuple:
            if isinstance(value, (list, tuple)) and all(isinstance(item, get_args(option)[0]) for item in value):
                return tuple(value)
        elif origin is not None and issubclass(origin, Mapping):
            held = get_args(option)[1]
            if isinstance(value, Mapping) and (held is Any or all(isinstance(item, held) for item in value.values())):
                return dict(value)
        elif option is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        elif isinstance(value, option) and (option is bool or not isinstance(value, bool)):
            return value
    raise InputError(f"{value!r} is not {_described(hint)}", where=where)


def _described(hint: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    described = []
    for option in _alternatives(hint):
        origin = get_origin(option)
        if origin is Literal:
            described.append("one of " + ", ".join(map(str, get_args(option))))
        elif origin is tuple:
            described.append("a list")
        elif origin is not None:
            described.append("a table" if get_args(option)[1] is Any else "a table of strings")
        else:
            described.append(names.get(option, str(option)))
    return " or ".join(described)
