"""What something long has measured before it is finished, for the same command to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgebench.core.profile import Profile
from edgebench.core.record import Record
from edgebench.core.table import TableKey


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFigures(Record):
    """Figures of one network, by name: what repeats best, the ends of its error band, and the median of times."""

    robust: Mapping[str, float]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    median: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunValidation(Record):
    """A validation of a table that has not finished; the table has its old one until then.

    Attributes:
        key: What networks were measured with; they count for nothing else.
        space_digest: Of the space.
        seed: Of the draw.
        wanted: How many networks are to be measured.
        reference_s: What latencies are relative to, or None on targets that do not measure.
        found: Figures by architecture.
    """

    key: TableKey
    space_digest: str
    seed: int
    wanted: int
    reference_s: float | None = None
    found: Mapping[str, NetworkFigures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunCalibration(Record):
    """What a calibration has measured on a board, and counted on the emulated core.

    Attributes:
        edgebench: Version of edgebench.
        device: A digest of the device's description.
        board: A digest of the board's description, or empty.
        measured: Profiles on the board, by the digest of what the user typed and of the file.
        counted: Profiles on the emulated core, by the same.
    """

    edgebench: str
    device: str
    board: str = ""
    measured: Mapping[str, Profile] = field(default_factory=dict)
    counted: Mapping[str, Profile] = field(default_factory=dict)
