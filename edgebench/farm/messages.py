"""What a command and a host of a farm say to each other: JSON, whatever Dask wraps around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from edgebench.core.device import Device
from edgebench.core.profile import Outcome
from edgebench.core.record import Record
from edgebench.store.codec import ShapeError, decoded, to_plain
from edgebench.workers.measuring.board_jobs import CoolDown, FindStored, Look, StorePart
from edgebench.workers.measuring.jobs import Finish, ListLayers, Load, MakeReady, Reserve, Run, RunTimed
from edgebench.workers.measuring.model_jobs import CompareOutputs, CountOperators, Try
from edgebench.workers.measuring.race_jobs import Race
from edgebench.workers.protocol import FailureKind, ProtocolError, Request
from edgebench.workers.training.jobs import TrainJob
from edgebench.workers.worker import ChildError

T = TypeVar("T", bound=Record)
TRAIN = "edgebench train"
"""Dask's resource of a host that trains: how many at the same time."""


def resource(device: str) -> str:
    """Dask's resource of a device: who has it, has one of it."""
    return f"edgebench device {device}"


class Kind(StrEnum):
    """What a process on a host does."""

    MEASURING = "measuring"
    TRAINING = "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Record):
    """A message for a process on a host, which starts with its first.

    Attributes:
        process: Name of the process in its session.
        kind: What it does.
        number: Index of this process among the fresh processes of one measurement.
        memory_limit_bytes: Data it may allocate, or None for what is reasonable on its host.
        timeout_s: Time for the answer.
        message: A message of the workers' protocol; None ends the process.
    """

    process: str
    kind: Kind
    number: int = 0
    memory_limit_bytes: int | None = None
    timeout_s: float = 0.0
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied(Record):
    """What became of a message.

    Attributes:
        message: The answer, or progress, in the workers' protocol; None after a failure.
        outcome: What happened to the process, if there is no answer.
        what: One sentence about it.
        remedy: What to do next, if known.
        kind: What the process itself reported.
        operators: Operators that are not supported, if that is the reason.
        lost: Whether the session has ended, so that all of it must be done again.
    """

    message: str | None = None
    outcome: Outcome | None = None
    what: str = ""
    remedy: str | None = None
    kind: FailureKind | None = None
    operators: tuple[str, ...] = ()
    lost: bool = False

    @classmethod
    def failed(cls, error: ChildError) -> Replied:
        """A failure, to be sent."""
        return cls(
            outcome=error.outcome,
            what=error.message,
            remedy=error.remedy,
            kind=error.kind,
            operators=error.operators,
            lost=error.lost,
        )

    def error(self) -> ChildError:
        """The failure again."""
        outcome = self.outcome or Outcome.CRASHED
        return ChildError(outcome, self.what, self.remedy, self.kind, self.operators, lost=self.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus(Record):
    """One board of a host, or its processors, as it announces itself.

    Attributes:
        host: Name of the host.
        is_named: Whether its owner has named it, so that results may contain the name.
        edgebench: Version of edgebench there.
        build: Digest of its code.
        devices: What it announces; one of them is used at a time.
        trainings: How many trainings it takes at the same time.
        sessions: Whom it works for: owner by session.
        since: When each of them began, in seconds since 1970.
    """

    host: str
    is_named: bool
    edgebench: str
    build: str
    devices: tuple[Device, ...]
    trainings: int
    sessions: Mapping[str, str]
    since: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart(Record):
    """A part of a file.

    Attributes:
        content: The part, in base64.
        size_bytes: Of the whole file.
    """

    content: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPart(Request[FilePart]):
    """Read a part of the weights that a process has just trained.

    Attributes:
        offset: Where the part begins, in bytes.
    """

    verb: ClassVar[str] = "fetch part"
    step: ClassVar[str] = "while trained weights were fetched"
    offset: int


REQUESTS: Mapping[str, type[Request[Any]]] = {
    kind.verb: kind
    for kind in (
        *(Look, MakeReady, CountOperators, Try, Reserve, CoolDown, Load, Run, RunTimed, Finish, ListLayers, Race),
        CompareOutputs,
        *(FindStored, StorePart, TrainJob, FetchPart),
    )
}
"""What a host does for others."""


def packed(record: Record) -> bytes:
    """A record as it travels."""
    return json.dumps(to_plain(record)).encode()


def unpacked(kind: type[T], content: object) -> T:
    """A record that has travelled.

    Raises:
        ProtocolError: It is none of this kind.
    """
    try:
        if not isinstance(content, bytes):
            raise ProtocolError("not a message of a farm")
        return decoded(kind, json.loads(content))
    except (ShapeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"not a message of a farm: {error}", remedy="install the same edgebench on both") from None
