"""What a gate is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgebench.core.baseline import Baseline
from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.gate.limits import Limits
from edgebench.gate.rule import ALPHA, LOOKS
from edgebench.workers.training.jobs import TaskText


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The baseline's file of one model.

    Attributes:
        path: What to give to a target, or None if there is no file.
        text: What it is, for people.
        reason: Why there is none.
        remedy: How to get it.
        given: Whether the user named it, so that it is compared on any device.
    """

    path: str | None
    text: str = ""
    reason: str = ""
    remedy: str | None = None
    given: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRequest:
    """What to hold to what.

    Attributes:
        cells: Candidates as typed, each with a device.
        limits: How much worse each figure may get.
        plan: Limits of each process; its time limit is that of one model on one device.
        inputs: Where inputs come from.
        baseline: Figures in a file, or None if only files are compared.
        baseline_file: That file.
        references: By candidate, the file that it is compared with.
        task: Images that accuracy is measured on, or None for no accuracy.
        looks: After how many pairs a measured figure is judged.
        alpha: Chance of an error to one side.
    """

    cells: Sequence[tuple[str, Device]]
    limits: Limits
    plan: MeasurementPlan
    inputs: InputSource
    baseline: Baseline | None = None
    baseline_file: str = ""
    references: Mapping[str, Reference] = field(default_factory=dict)
    task: TaskText | None = None
    looks: tuple[int, ...] = LOOKS
    alpha: float = ALPHA
