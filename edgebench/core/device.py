"""What edgebench knows about a device: data only, read from a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.core.calibration import BoardCalibration
from edgebench.core.record import Record

OptionValue = bool | int | float | str | tuple[str, ...] | tuple[int, ...] | Mapping[str, str]
"""The types that an option of a target may have."""


class DeviceKind(StrEnum):
    """The three kinds of processor a network ships on."""

    CPU = "cpu"
    NPU = "npu"
    MCU = "mcu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(Record):
    """Memory a network may use on the device.

    Attributes:
        ram_bytes: Writable memory, in bytes.
        flash_bytes: Memory that holds code and weights, in bytes.
        source: Data sheet or page that the figures come from.
    """

    ram_bytes: int | None = None
    flash_bytes: int | None = None
    source: str

    def __post_init__(self) -> None:
        if any(size is not None and size < 0 for size in (self.ram_bytes, self.flash_bytes)):
            raise ValueError("a memory cannot be smaller than nothing")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel(Record):
    """Declared power, used if there is no meter.

    Attributes:
        active_w: Power while the network runs, in watts.
        supply: What was measured: board or core, and at which voltage.
        relative_error: Half-width of the error band as a fraction of the power.
        source: Where the figure was published or how it was measured.
    """

    active_w: float
    supply: str
    relative_error: float
    source: str

    def __post_init__(self) -> None:
        if self.active_w <= 0 or not 0 <= self.relative_error < 1:
            raise ValueError("power must be above 0 W and its relative error between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Record):
    """One device, as its TOML file describes it.

    Attributes:
        name: What a user types after ``-d``.
        kind: Processor kind.
        target: Name of the target that runs models for it.
        description: One line for lists.
        options: Options of the target, checked by the target itself.
        memory: Limits, if the device has any worth stating.
        meter: Energy meter: a name, ``auto`` (the first that works), ``none``, or ``command:`` and a command line.
        meter_at: ``host`` if the meter is at the machine that edgebench runs on, though the board is elsewhere;
            empty if it is where models run.
        idle_s: How long the idle power is measured that is subtracted; 0 if it is not.
        power: Declared power for devices without a meter.
        calibration: Figures that the target's estimates are based on, checked by the target itself.
        calibrations: Networks measured on a board, one entry per compiler.
        notes: Caveats printed with every profile of the device.
        origin: File the description was read from.
        cool_to_c: Temperature of the processor, in degrees Celsius, above which measuring waits; None for no wait.
        cool_within_s: How long it waits at most.
        link: What leads to a board that runs the models itself: ``ssh``, ``serial`` or ``adb``; empty if there is none,
            and models run, or are emulated, where edgebench runs.
        reached: The link's own keys, checked by what uses it.
    """

    name: str
    kind: DeviceKind
    target: str
    description: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    memory: Memory | None = None
    meter: str = "auto"
    meter_at: str = ""
    idle_s: float = 0.0
    power: PowerModel | None = None
    calibration: Mapping[str, str | float | Mapping[str, str | float]] = field(default_factory=dict)
    calibrations: tuple[BoardCalibration, ...] = ()
    notes: tuple[str, ...] = ()
    origin: str = ""
    cool_to_c: float | None = None
    cool_within_s: float = 300.0
    link: str = ""
    reached: Mapping[str, OptionValue] = field(default_factory=dict)
