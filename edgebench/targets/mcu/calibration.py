"""Cycles per instruction of a core with its memory, by kind of layer, as a device file states them."""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.core.device import Device
from edgebench.errors import InputError

_NUMBERS = ("convolution", "convolution_error", "fully_connected", "fully_connected_error")
_KEYS = (*_NUMBERS, "compiler", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Two ratios: matrix products read each weight once, from flash; convolutions reuse theirs.

    Attributes:
        convolution: Cycles per instruction of everything but fully connected layers.
        convolution_error: Half-width of its error band, as a fraction.
        fully_connected: Cycles per instruction of fully connected layers.
        fully_connected_error: Half-width of its error band, as a fraction.
        compiler: Compiler whose instructions were counted for the fit.
        source: The measurements.
    """

    convolution: float
    convolution_error: float
    fully_connected: float
    fully_connected_error: float
    compiler: str
    source: str

    def cycles_per_instruction(self, kind: str) -> float:
        """For an operator by its name in TFLite's schema."""
        return self.fully_connected if kind == "FULLY_CONNECTED" else self.convolution

    def error(self, kind: str) -> float:
        """Half-width of the error band of an operator's cycles, as a fraction."""
        return self.fully_connected_error if kind == "FULLY_CONNECTED" else self.convolution_error

    @property
    def description(self) -> str:
        """The figures in words."""
        return f"{self.convolution:g} cycles per instruction ({self.fully_connected:g} in fully connected layers)"


def read_calibration(device: Device) -> Calibration | None:
    """A device's calibration, or None if its file has none.

    Raises:
        InputError: A key is unknown or missing, or a value is not a positive number.
    """
    if not device.calibration:
        return None
    where = f"{device.origin or device.name}, [calibration]"
    for key in device.calibration:
        if key not in _KEYS:
            raise InputError(f"unknown key {key!r}", where=where, remedy=f"the keys are {', '.join(_KEYS)}")
    missing = [key for key in _KEYS if key not in device.calibration]
    if missing:
        raise InputError(f"{missing[0]!r} is missing", where=where)
    values = device.calibration
    numbers = {}
    for key in _NUMBERS:
        value = values[key]
        if not isinstance(value, (int, float)) or value <= 0:
            raise InputError(f"{key} must be a number above 0", where=where)
        numbers[key] = float(value)
    return Calibration(**numbers, compiler=str(values["compiler"]), source=str(values["source"]))
