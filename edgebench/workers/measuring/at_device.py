"""Requests that are done where a device is, which may be a board."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, Generic, Self

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.workers.protocol import Answer, Request


class AtDevice(Request[Answer], Generic[Answer]):
    """A request that is done where its device is; files that it names are brought there first.

    Attributes:
        models_in: Its attributes that hold paths of models.
    """

    __slots__ = ()
    models_in: ClassVar[tuple[str, ...]] = ()
    device: Device

    def model_paths(self) -> Iterator[str]:
        """Paths of its models."""
        for name in self.models_in:
            value = getattr(self, name)
            yield from (value,) if isinstance(value, str) else value

    def moved(self, device: Device, place: Callable[[str], str]) -> Self:
        """The same request on another machine.

        Args:
            device: The device as it is there.
            place: From the path of a file here to its path there.
        """
        changes: dict[str, Any] = {"device": device}
        for name in self.models_in:
            value = getattr(self, name)
            changes[name] = place(value) if isinstance(value, str) else tuple(map(place, value))
        inputs = getattr(self, "inputs", None)
        if isinstance(inputs, InputSource):
            changes["inputs"] = replace(
                inputs,
                file=inputs.file and place(inputs.file),
                calibration=inputs.calibration and place(inputs.calibration),
            )
        if hasattr(self, "digest"):
            # Files there are named by their digests.
            changes |= {"digest": None, "beside": ()}
        return replace(self, **changes)  # type: ignore[type-var]
