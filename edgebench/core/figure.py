"""The one home of what is known about a figure: to add one, add a line to ``FIGURES`` and whatever fills it.

A figure that is not listed here (a plug-in's, or a detail of one target) is still shown and stored: its unit
is stored with its values, and its title is its name without the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edgebench.core.units import Dimension


class Combination(StrEnum):
    """How blocks make up a network."""

    SUM = "sum"
    """Latency, energy, flash: a base and what every block adds."""
    MAX = "max"
    """RAM: the planner reuses it, so the network needs what its largest block needs."""


class Better(StrEnum):
    """Which of two values of a figure an engineer prefers."""

    SMALLER = "smaller"
    GREATER = "greater"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is known about a figure apart from its values.

    Attributes:
        name: In files and code; ends in the unit if there is one.
        title: For people, in the heading of a column.
        unit: As in ``core.metric.Metric``; ``1`` for a plain number.
        better: What an engineer wants, or None if that depends.
        combines: How blocks of a network add up; None for figures that are not in tables.
        of_device: Whether it depends on the device; otherwise it belongs to the network.
        short: What a user types in limits and objectives, or empty if there are none.
        dimension: The kind of quantity that limits on it are, or None if there are no limits.
        interval: Whether tables for people show its interval or error band.
    """

    name: str
    title: str
    unit: str
    better: Better | None = Better.SMALLER
    combines: Combination | None = None
    of_device: bool = True
    short: str = ""
    dimension: Dimension | None = None
    interval: bool = False

    @property
    def limit_option(self) -> str:
        """The option that limits it on the command line, such as ``--max-latency``."""
        return f"--max-{self.short}"


LATENCY, LATENCY_P5, ENERGY, RAM, FLASH = "latency_s", "latency_p5_s", "energy_j", "ram_bytes", "flash_bytes"
MACS, PARAMETERS, ACCURACY, MODEL_BYTES = "macs", "parameters", "accuracy", "model_bytes"
NETWORK = "network"
"""Replaces the device if a figure belongs to the network, such as ``macs@network``."""

FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            name=LATENCY,
            title="latency",
            unit="s",
            combines=Combination.SUM,
            short="latency",
            dimension=Dimension.TIME,
            interval=True,
        ),
        Figure(
            name=ENERGY,
            title="energy",
            unit="J",
            combines=Combination.SUM,
            short="energy",
            dimension=Dimension.ENERGY,
            interval=True,
        ),
        Figure(
            name=FLASH,
            title="flash",
            unit="bytes",
            combines=Combination.SUM,
            short="flash",
            dimension=Dimension.SIZE,
        ),
        Figure(
            name=RAM,
            title="RAM",
            unit="bytes",
            combines=Combination.MAX,
            short="ram",
            dimension=Dimension.SIZE,
        ),
        # Before anything is trained they stand in for accuracy: larger networks are mostly more accurate.
        Figure(
            name=MACS,
            title="MACs",
            unit="1",
            better=Better.GREATER,
            combines=Combination.SUM,
            of_device=False,
            short="macs",
        ),
        Figure(
            name=PARAMETERS,
            title="parameters",
            unit="1",
            better=Better.GREATER,
            combines=Combination.SUM,
            of_device=False,
            short="parameters",
        ),
        Figure(name=ACCURACY, title="accuracy", unit="1", better=Better.GREATER, of_device=False, short="accuracy"),
        Figure(name=LATENCY_P5, title="p5", unit="s"),
        Figure(name="latency_p90_s", title="p90", unit="s"),
        Figure(name="latency_p99_s", title="p99", unit="s"),
        Figure(name="latency_min_s", title="min", unit="s"),
        Figure(name="latency_at_least_s", title="at least", unit="s"),
        Figure(name="latency_at_most_s", title="at most", unit="s"),
        Figure(name="interpreted_latency_s", title="in TFLite Micro", unit="s"),
        Figure(name="throughput_per_s", title="per second", unit="1/s", better=Better.GREATER),
        Figure(name="load_s", title="load", unit="s"),
        Figure(name="first_inference_s", title="first run", unit="s"),
        Figure(name="peak_ram_bytes", title="process RAM", unit="bytes"),
        Figure(name=MODEL_BYTES, title="file", unit="bytes", of_device=False),
        Figure(name="npu_cycles", title="NPU cycles", unit="cycles"),
        Figure(name="utilisation", title="utilisation", unit="1", better=Better.GREATER),
        Figure(name="instructions", title="instructions", unit="instructions"),
        Figure(name="sram_bytes", title="SRAM", unit="bytes"),
        Figure(name="sram_traffic_bytes", title="SRAM traffic", unit="bytes"),
        Figure(name="dram_bytes", title="DRAM", unit="bytes"),
        Figure(name="dram_traffic_bytes", title="DRAM traffic", unit="bytes"),
        Figure(name="off_chip_flash_bytes", title="off-chip flash", unit="bytes"),
        Figure(name="off_chip_flash_traffic_bytes", title="off-chip flash traffic", unit="bytes"),
        Figure(name="on_chip_flash_bytes", title="on-chip flash", unit="bytes"),
        Figure(name="on_chip_flash_traffic_bytes", title="on-chip flash traffic", unit="bytes"),
        Figure(name="code_bytes", title="code", unit="bytes"),
        Figure(name="constant_bytes", title="constants", unit="bytes"),
        Figure(name="weight_bytes", title="weights", unit="bytes"),
        Figure(name="arena_bytes", title="arena", unit="bytes"),
        Figure(name="stack_bytes", title="stack", unit="bytes"),
        Figure(name="live_bytes", title="RAM in use", unit="bytes"),
    )
}
TABLE_FIGURES: tuple[str, ...] = tuple(name for name, figure in FIGURES.items() if figure.combines is not None)
"""Figures that a lookup table may have."""
LIMITED: tuple[Figure, ...] = tuple(figure for figure in FIGURES.values() if figure.dimension is not None)
"""Figures that can be limited on a device."""
_ENDINGS = {"_per_s": "1/s", "_s": "s", "_j": "J", "_w": "W", "_bytes": "bytes", "_hz": "Hz"}


def figure_of(name: str) -> Figure:
    """What is known about a figure; if it is not listed, what its name says."""
    known = FIGURES.get(name)
    if known is not None:
        return known
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
    return Figure(
        name=name,
        title=name.removesuffix(ending).replace("_", " "),
        unit=_ENDINGS.get(ending, "1"),
        better=None,
    )


def figure_named(short: str) -> Figure | None:
    """A figure by its short name or by its name in files."""
    return next((figure for figure in FIGURES.values() if figure.short and short in {figure.short, figure.name}), None)


def column_name(figure: str, device: str) -> str:
    """A figure on a device as one name, such as ``latency_s@host``."""
    return f"{figure}@{device}"


def split_column(name: str) -> tuple[Figure, str]:
    """The figure and the device of a column; the device is ``NETWORK`` if the figure belongs to the network."""
    figure, _, device = name.partition("@")
    return figure_of(figure), device or NETWORK


def column_title(name: str) -> str:
    """A column for people: ``latency @ host``, or ``MACs`` if the figure belongs to the network."""
    figure, device = split_column(name)
    return figure.title if device == NETWORK else f"{figure.title} @ {device}"
