"""Tables of what blocks cost on a device, and how well their sums predict whole networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.figure import column_name
from edgebench.core.metric import Provenance
from edgebench.core.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TableKey(Record):
    """What must be equal for a table to be valid.

    Attributes:
        device: Name of the device.
        target: What ran the blocks.
        versions: Of the runtime and of what it builds on.
        options: Of the target, including threads and optimisation level.
        dtype: ``float32`` or ``int8``.
        machine: Processor of the machine, for targets that measure on it; empty for simulators.
    """

    device: str
    target: str
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    dtype: str
    machine: str = ""

    def differences(self, other: TableKey) -> list[str]:
        """The differences, one phrase each: ``version of onnxruntime: 1.32.0, not 1.31.0``."""
        found = [
            f"{name}: {getattr(self, name) or 'none'}, not {getattr(other, name) or 'none'}"
            for name in ("device", "target", "dtype", "machine")
            if getattr(self, name) != getattr(other, name)
        ]
        for title, mine, theirs in (
            ("version of ", self.versions, other.versions),
            ("option ", self.options, other.options),
        ):
            found += [
                f"{title}{key}: {mine.get(key, 'none')}, not {theirs.get(key, 'none')}"
                for key in sorted({*mine, *theirs})
                if mine.get(key) != theirs.get(key)
            ]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFigure(Record):
    """What one column of a table is.

    Attributes:
        provenance: How its values were obtained.
        method: How exactly, in one phrase.
        base: What every network adds to its blocks, such as the code of kernels.
        scale: Factor of the blocks' sum, from whole networks.
        source: Where an estimate's constants come from.
        corrections: By group of blocks, what one costs more inside a whole network than its entry says, in SI units.
        weights: Of a table that is learnt from whole networks: by family of features the weight of each, in SI units.
    """

    provenance: Provenance
    method: str
    base: float = 0.0
    scale: float = 1.0
    source: str | None = None
    corrections: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation(Record):
    """How well one figure of unseen whole networks was predicted.

    Attributes:
        networks: How many were profiled, in fresh processes.
        seed: Of the draw.
        mean_error: Mean of |predicted / found - 1|.
        within_5_percent: Share of networks with an error of at most 5 %.
        within_10_percent: Share of networks with an error of at most 10 %.
        rank_correlation: Spearman's.
        low: 2.5 % quantile of found / predicted, where found is the lower end of what a profile reports: of an
            estimate its error band's. Of a measured latency it is the 5th percentile, which is what is predicted.
        high: 97.5 % quantile of it, for the upper end.
        when: Date, ISO 8601.
        architectures: Those that were profiled.
        found: The figure of each, in SI units.
        predicted: What the table said.
        median_low: Of a measured latency, the 2.5 % quantile of the median over the 5th percentile.
        median_high: 97.5 % quantile of it.
    """

    networks: int
    seed: int
    mean_error: float
    within_5_percent: float
    within_10_percent: float
    rank_correlation: float | None
    low: float
    high: float
    when: str
    architectures: tuple[str, ...] = ()
    found: tuple[float, ...] = ()
    predicted: tuple[float, ...] = ()
    median_low: float | None = None
    median_high: float | None = None


def block_group(block: str) -> str:
    """The kind and the input shape of a block, which begin its key: ``inverted_residual 14x14x8``."""
    return " ".join(block.split(" ")[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupTable(Record):
    """Cost of each block of a space on one device.

    Attributes:
        space: Name of the space.
        key: What must be equal for the table to be valid.
        figures: What each column is.
        entries: By the block's key, its figures.
        validation: By figure, how well sums predict; empty until checked.
        space_digest: Of what the space was when its blocks were measured.
        edgebench: Version that wrote it.
        when: Date of the last entry, ISO 8601.
        reference_s: On targets that measure, the latency of the space's largest network, which takes part in every
            measurement: latencies are relative to it, so that a busy machine does not change them.
        complete: Whether all blocks are measured, and what the whole space has in common: bases and corrections.
        notes: What a reader should know, such as who measured an imported table.
        wholes: By architecture, figures of the whole networks that the table was corrected by.
        left_out: By figure, how well each of these is predicted from the others: the promise until it is validated.
        disturbed: Blocks whose processes did not agree, however often they were measured.
    """

    space: str
    key: TableKey
    figures: Mapping[str, TableFigure] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    validation: Mapping[str, Validation] = field(default_factory=dict)
    space_digest: str = ""
    edgebench: str = ""
    when: str = ""
    reference_s: float | None = None
    complete: bool = False
    notes: tuple[str, ...] = ()
    wholes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    left_out: Mapping[str, Validation] = field(default_factory=dict)
    disturbed: tuple[str, ...] = ()

    @property
    def learnt_whole(self) -> bool:
        """Whether it predicts from features of whole networks, and not from blocks."""
        return bool(self.figures) and all(figure.weights for figure in self.figures.values())

    def is_whole(self, space_digest: str) -> bool:
        """Whether a build for exactly this space has finished."""
        return self.complete and self.space_digest == space_digest

    def cost(self, block: str, figure: str) -> float:
        """What a block adds to a network, in SI units.

        Raises:
            KeyError: The table lacks it.
        """
        column = self.figures[figure]
        return self.entries[block][figure] * column.scale + column.corrections.get(block_group(block), 0.0)


def prediction_intervals(tables: Mapping[str, LookupTable]) -> dict[str, tuple[float, float]]:
    """By column (``latency_s@host``), the interval of the actual figures, as factors of the prediction.

    Args:
        tables: By device. Those that are not validated have the interval of their own whole networks, each predicted
            from the others, or none.
    """
    return {
        column_name(figure, device): (known.low, known.high)
        for device, table in tables.items()
        for figure, known in {**table.left_out, **table.validation}.items()
    }
