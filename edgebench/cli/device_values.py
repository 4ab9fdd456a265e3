"""A value for one device, as users spell it."""

from __future__ import annotations

from collections.abc import Iterable

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError


def split_value(text: str, devices: Iterable[str], *, where: str) -> tuple[str, str]:
    """Device and value of ``host=5ms``; the device is empty if the value is for all.

    ``host:5ms`` and ``5ms@host`` mean the same.

    Raises:
        InputError: The device is not among those that there are.
    """
    names = list(devices)
    device, separator, value = text.rpartition("=")
    if not separator and "@" in text:
        value, separator, device = text.partition("@")
    elif not separator:
        device, separator, value = text.rpartition(":")
    if separator and device not in names:
        raise InputError(
            f"{device!r} is not among the devices",
            where=where,
            remedy=did_you_mean(device, names) or f"they are {', '.join(names)}",
        )
    return device, value
