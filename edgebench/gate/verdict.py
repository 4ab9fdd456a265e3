"""What the gate says of one figure, and what that means for a build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.core.metric import Metric


class Verdict(StrEnum):
    """What became of one figure."""

    PASSED = "passed"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    BOUND_BROKEN = "ceiling broken"
    INCONCLUSIVE = "inconclusive"
    INCOMPARABLE = "incomparable"
    NOT_MEASURED = "not measured"

    @property
    def good(self) -> bool:
        """Whether a build goes on."""
        return self in {Verdict.PASSED, Verdict.IMPROVED}


class Mode(StrEnum):
    """How a figure was compared."""

    PAIRED = "paired"
    """Both models were measured here, in interleaved fresh processes."""
    STORED = "stored"
    """With the figure in the baseline's file."""
    COMPUTED = "computed"
    """Both models were compiled, simulated or read here."""
    BOUND = "bound"
    """With an absolute limit only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """A layer that got slower.

    Attributes:
        name: As the target calls it.
        before: What it cost, in the unit; None for a layer that is new.
        after: What it costs.
        unit: ``s``, ``cycles``, ``instructions``.
    """

    name: str
    before: float | None
    after: float
    unit: str

    @property
    def growth(self) -> float:
        """How much it added."""
        return self.after - (self.before or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict on one figure of one model on one device.

    Attributes:
        model: Short name of the model.
        device: Name of the device.
        figure: Name of the figure in files; empty if it concerns all of them.
        verdict: What became of it.
        mode: How it was compared.
        before: The baseline's figure, if there is one.
        after: The candidate's.
        change: Relative change: 0.05 for 5 % more; None where it has no meaning.
        low: Lower bound of it.
        high: Upper bound of it.
        pairs: Pairs of fresh processes behind it; 0 if it needs no statistics.
        limit: The limit as it was typed.
        reason: Why, in one sentence; empty if there is nothing to add.
        remedy: What to do next.
        layers: Those that got slower, the one that added most first.
        unavailable: Whether it was not measured because something is missing here.
        ratios: Log-ratios of all pairs, in the order of measurement.
    """

    model: str
    device: str
    figure: str = ""
    verdict: Verdict
    mode: Mode
    before: Metric | None = None
    after: Metric | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    limit: str = ""
    reason: str = ""
    remedy: str | None = None
    layers: tuple[LayerChange, ...] = ()
    unavailable: bool = False
    ratios: tuple[float, ...] = ()

    @property
    def subject(self) -> str:
        """Model and device."""
        return f"{self.model} on {self.device}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Everything that one gate found.

    Attributes:
        baseline: What the candidates were held to, in a few words.
        findings: In the order of models, devices and figures.
        notes: What a reader must know, such as versions that differ.
        warnings: What disturbed the machine.
        started: In UTC, ISO 8601.
        update: The command that accepts the new figures as the baseline, if there is a file to update.
        machine: The machine it ran on.
        sources: By short name of a model, what was typed for it.
        file: The baseline's file, if there is one.
    """

    baseline: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    started: str = ""
    update: str | None = None
    machine: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    file: str = ""


def exit_code(findings: Iterable[Finding], *, allow_inconclusive: bool = False) -> int:
    """0 only if everything was measured and passed.

    1 if anything regressed or broke a limit; else 3 if something is missing here; else 4 for what could not be
    decided, compared or measured, and for nothing at all.

    Args:
        findings: All of them.
        allow_inconclusive: Whether an inconclusive verdict counts as passed.
    """
    found = list(findings)
    verdicts = {item.verdict for item in found}
    if verdicts & {Verdict.REGRESSED, Verdict.BOUND_BROKEN}:
        return 1
    if any(item.unavailable for item in found):
        return 3
    good = {Verdict.PASSED, Verdict.IMPROVED} | ({Verdict.INCONCLUSIVE} if allow_inconclusive else set())
    return 0 if found and verdicts <= good else 4
