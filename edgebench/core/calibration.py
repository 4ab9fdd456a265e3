"""What was measured on a board to tell how many cycles its instructions take: data only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgebench.core.record import Record

INTERPRETER = "TensorFlow Lite Micro"
"""The one runtime that interprets: it spends time between layers that compiled code does not."""
WORK_KINDS = ("convolution", "depthwise", "dense", "other")
"""Kinds of layer whose instructions are counted separately; only the first three multiply."""
_KIND_OF = {
    "CONV_2D": "convolution",
    "TRANSPOSE_CONV": "convolution",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "BATCH_MATMUL": "dense",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWork:
    """What one layer executes.

    Attributes:
        operator: Its name in TFLite's schema; empty for what belongs to no layer.
        instructions: Executed in one inference.
        macs: Multiply-accumulates.
    """

    operator: str
    instructions: int
    macs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Record):
    """What a network executes in one inference.

    Attributes:
        layers: Number of layers.
        instructions: By kind of layer.
        macs: Multiply-accumulates by kind of layer.
    """

    layers: int
    instructions: Mapping[str, int]
    macs: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted({*self.instructions, *self.macs} - set(WORK_KINDS))
        if unknown:
            raise ValueError(f"unknown kind {unknown[0]!r}; kinds are {', '.join(WORK_KINDS)}")
        if self.layers < 0 or min([*self.instructions.values(), *self.macs.values()], default=0) < 0:
            raise ValueError("counts must not be below 0")
        if self.total <= 0:
            raise ValueError("there must be instructions")

    @property
    def total(self) -> int:
        """All instructions."""
        return sum(self.instructions.values())

    @classmethod
    def of(cls, layers: Iterable[LayerWork]) -> Work:
        """The sum over a network's layers."""
        count, instructions, macs = 0, dict.fromkeys(WORK_KINDS, 0), dict.fromkeys(WORK_KINDS[:3], 0)
        for layer in layers:
            count += bool(layer.operator)
            kind = _KIND_OF.get(layer.operator, "other")
            instructions[kind] += layer.instructions
            if kind in macs:
                macs[kind] += layer.macs
        return cls(layers=count, instructions=instructions, macs=macs)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardMeasurement(Record):
    """One network as it was measured on a board, with what it executes as counted on the emulated core.

    Attributes:
        name: Of the network.
        latency_s: Measured on the board, in seconds.
        work: What edgebench counts for it with the calibration's compiler.
        runtime: What ran it on the board; an interpreter's own time is not counted as the network's.
    """

    name: str
    latency_s: float
    work: Work
    runtime: str = ""

    def __post_init__(self) -> None:
        if self.latency_s <= 0:
            raise ValueError(f"{self.name}: the latency must be above 0")

    @property
    def interpreted(self) -> bool:
        """Whether an interpreter ran it."""
        return self.runtime.casefold().startswith(INTERPRETER.casefold())


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCalibration(Record):
    """Networks measured on a board, and how the instructions were counted that explain them.

    Attributes:
        compiler: Compiler and version, such as ``zig 0.17.1``.
        optimization: Its level, such as ``O2``.
        clock_hz: Clock of the board in the measurements.
        source: Where the latencies were published, or who measured them.
        networks: The measurements.
        core: The core that instructions were counted on.
        taken_from: Another device that they are of; empty if they are of this one.
    """

    compiler: str
    optimization: str
    clock_hz: float
    source: str
    networks: tuple[BoardMeasurement, ...]
    core: str = ""
    taken_from: str = ""

    def __post_init__(self) -> None:
        if not self.networks:
            raise ValueError("a calibration needs at least one measured network")
        if self.clock_hz <= 0:
            raise ValueError("the clock must be above 0")

    @property
    def digest(self) -> str:
        """Changes with everything that an estimate depends on, and not with names or sources."""
        networks = [
            (
                item.latency_s,
                item.interpreted,
                item.work.layers,
                _counts(item.work.instructions),
                _counts(item.work.macs),
            )
            for item in self.networks
        ]
        content = (self.compiler, self.optimization, self.clock_hz, self.core, self.taken_from, networks)
        return hashlib.sha256(repr(content).encode()).hexdigest()[:16]

    @property
    def compiler_name(self) -> str:
        """The compiler without its version."""
        return self.compiler.partition(" ")[0]


def _counts(values: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted((kind, count) for kind, count in values.items() if count)
