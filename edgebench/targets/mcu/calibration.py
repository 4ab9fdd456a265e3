"""What a device file's calibrations say about the cycles of a network, and how far to trust them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.core.calibration import INTERPRETER, BoardCalibration, LayerWork, Work
from edgebench.core.device import Device
from edgebench.errors import InputError
from edgebench.targets.mcu.cycle_model import CycleModel, Sample, fit_cycles, outliers

_NUMBERS = ("convolution", "convolution_error", "fully_connected", "fully_connected_error")
_KEYS = (*_NUMBERS, "compiler", "source")
OTHER_COMPILER, OTHER_OPTIMIZATION, OTHER_CLOCK, OTHER_BOARD = 0.35, 0.45, 0.2, 0.45
"""How much wider a band is for each difference. Instruction counts of zig and gcc were 15 % below to 34 % above each
other, -Os took 18 to 45 % more than -O2; one network takes up to 29 % more cycles on one of three published boards
than on another, and memories can be slower than theirs. Flash waits fewer cycles at a lower clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A network's cycles with a band.

    Attributes:
        cycles: The estimate.
        low: Lower end of the band.
        high: Upper end of it.
        beyond: Whether the network is unlike all that were measured.
    """

    cycles: float
    low: float
    high: float
    beyond: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """Two ratios with their errors, as older device files state them.

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

    @property
    def description(self) -> str:
        """The figures in words."""
        return f"{self.convolution:g} cycles per instruction ({self.fully_connected:g} in fully connected layers)"

    def estimate(self, work: Work) -> Estimate:
        """Cycles of a network."""
        dense = work.instructions.get("dense", 0)
        parts = ((work.total - dense) * self.convolution, dense * self.fully_connected)
        error = parts[0] * self.convolution_error + parts[1] * self.fully_connected_error
        return Estimate(cycles=sum(parts), low=max(0.0, sum(parts) - error), high=sum(parts) + error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of a device's cycles with one compiler.

    Attributes:
        rests_on: Ratios from an old file, or a fit to measured networks.
        source: The measurements.
        differences: What was different when they were made, in words.
        widening: Factor by which the band is wider because of these; 1 if there are none.
    """

    rests_on: Ratios | CycleModel
    source: str
    differences: tuple[str, ...] = ()
    widening: float = 1.0

    @property
    def description(self) -> str:
        """How cycles follow from instructions, in words."""
        if isinstance(self.rests_on, Ratios):
            return self.rests_on.description
        count = len(self.rests_on.samples)
        kinds = " and multiply-accumulates" if self.rests_on.corrections else ""
        return f"cycles fitted to instructions{kinds} by kind of layer on {networks(count)}"

    def estimate(self, work: Work) -> Estimate:
        """Cycles of a network without an interpreter."""
        if isinstance(self.rests_on, Ratios):
            found = self.rests_on.estimate(work)
        else:
            fitted = self.rests_on.estimate(work)
            ends = fitted.cycles / fitted.factor, fitted.cycles * fitted.factor
            found = Estimate(cycles=fitted.cycles, low=ends[0], high=ends[1], beyond=fitted.beyond)
        return Estimate(
            cycles=found.cycles,
            low=found.low / self.widening,
            high=found.high * self.widening,
            beyond=found.beyond,
        )

    def interpreted(self, work: Work) -> Estimate | None:
        """Cycles with an interpreter, if any measured network had one."""
        if isinstance(self.rests_on, Ratios) or not self.rests_on.interpreted:
            return None
        found = self.rests_on.estimate(work, interpreted=True)
        factor = found.factor * self.widening
        return Estimate(cycles=found.cycles, low=found.cycles / factor, high=found.cycles * factor)

    def notes(self, work: Work) -> list[str]:
        """What to know about the estimate of a network."""
        notes = [f"latency rests on a calibration {difference}: its band is wider" for difference in self.differences]
        if isinstance(self.rests_on, Ratios):
            return notes
        model = self.rests_on
        notes += [
            f"{sample.name} is an outlier of the calibration, {factor:.2g} times the usual cycles per instruction: "
            "its latency may be written down wrongly"
            for sample, factor in outliers(model.samples)
        ]
        if model.estimate(work).beyond:
            notes.append(
                "this network is unlike those that the latency estimate rests on (kinds of layers, channels): "
                "its band is wider"
            )
        if model.interpreted:
            cycles = "an unknown time" if model.interpreter is None else f"about {model.interpreter:,.0f} cycles"
            notes.append(
                f"the code has no interpreter; {INTERPRETER} takes {cycles} per layer more, 5 to 10 KB more RAM and "
                "80 to 120 KB more flash"
            )
        return notes


def networks(count: int) -> str:
    """A number of networks in words."""
    return "one network" if count == 1 else f"{count} networks"


def calibration_for(
    device: Device, *, core: str, compiler: str, optimization: str, clock_hz: float
) -> Calibration | None:
    """The calibration that is nearest to how a device's code is compiled, or None if there is none.

    Args:
        device: The device.
        core: Its core; a calibration of another core says nothing.
        compiler: Name of the compiler in use, without its version.
        optimization: Its level.
        clock_hz: The clock in use.

    Raises:
        InputError: The file's calibration is not valid.
    """
    ratios = read_ratios(device)
    if ratios is not None:
        differs = ratios.compiler.partition(" ")[0] != compiler
        return _widened(
            ratios, ratios.source, [(f"made with {ratios.compiler}, not {compiler}", OTHER_COMPILER)] * differs
        )
    usable = [entry for entry in device.calibrations if not entry.core or entry.core == core]
    if not usable:
        return None

    def differences(entry: BoardCalibration) -> list[tuple[str, float]]:
        found = []
        if entry.taken_from:
            found.append((f"taken from {entry.taken_from}", OTHER_BOARD))
        if entry.compiler_name != compiler:
            found.append((f"made with {entry.compiler_name}, not {compiler}", OTHER_COMPILER))
        if entry.optimization != optimization:
            found.append((f"made with -{entry.optimization}, not -{optimization}", OTHER_OPTIMIZATION))
        if not math.isclose(entry.clock_hz, clock_hz, rel_tol=0.01):
            found.append((f"made at {entry.clock_hz / 1e6:g} MHz, not {clock_hz / 1e6:g} MHz", OTHER_CLOCK))
        return found

    nearest = min(usable, key=lambda entry: sum(width for _, width in differences(entry)))
    model = fit_cycles([Sample.of(network, nearest.clock_hz) for network in nearest.networks])
    return _widened(model, nearest.source, differences(nearest))


def _widened(rests_on: Ratios | CycleModel, source: str, differences: Sequence[tuple[str, float]]) -> Calibration:
    words = tuple(text for text, _ in differences)
    return Calibration(
        rests_on=rests_on,
        source="; ".join([source, *words, *_basis(rests_on)]),
        differences=words,
        widening=1 + math.sqrt(sum(width**2 for _, width in differences)),
    )


def _basis(rests_on: Ratios | CycleModel) -> list[str]:
    if isinstance(rests_on, Ratios):
        return []
    return [f"band: 95 % prediction interval of a fit to {networks(len(rests_on.samples))}"]


def read_ratios(device: Device) -> Ratios | None:
    """The ratios of an older device file, or None if it has none.

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
    return Ratios(**numbers, compiler=str(values["compiler"]), source=str(values["source"]))


def layer_works(kinds: Sequence[str], instructions: Sequence[int], macs: Sequence[int], other: int) -> Work:
    """The work of a network from its layers, and the instructions that belong to none."""
    layers = [
        LayerWork(operator=kind, instructions=count, macs=number)
        for kind, count, number in zip(kinds, instructions, macs, strict=True)
    ]
    return Work.of([*layers, LayerWork(operator="", instructions=other)])
