"""What was asked and what became of it, one by one: for the formats that machines read verdicts in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edgebench.core.memory_fit import fits, memory_fits
from edgebench.core.profile import Outcome, Profile
from edgebench.gate.limits import figure_title
from edgebench.gate.verdict import Finding, Mode, Verdict
from edgebench.reports.codes import Code


class CheckResult(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    """A limit is broken, or a figure got worse."""
    UNDECIDED = "undecided"
    """It could not be measured, compared or decided, which is no success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question with its answer.

    Attributes:
        model: Short name of the model.
        device: Name of the device.
        figure: Title of what is judged, such as ``latency``.
        result: What became of it.
        code: What it is about, for machines.
        text: The answer in words.
        remedy: What to do next, if anything.
        source: The model as it was typed: a path, or ``zoo:NAME``.
        baseline: File of the baseline, if there is one.
    """

    model: str
    device: str
    figure: str
    result: CheckResult
    code: Code
    text: str
    remedy: str | None = None
    source: str = ""
    baseline: str = ""

    @property
    def title(self) -> str:
        """What is checked, of what, where."""
        return f"{self.figure} of {self.model} on {self.device}"


def finding_check(
    finding: Finding,
    *,
    code: Code,
    text: str,
    remedy: str | None,
    source: str,
    baseline: str,
    allow_inconclusive: bool = False,
) -> Check:
    """The check that a verdict answers.

    Args:
        finding: The verdict.
        code: What it is about.
        text: The verdict in words.
        remedy: What to do next.
        source: The model as it was typed.
        baseline: File of the baseline.
        allow_inconclusive: Whether an inconclusive verdict counts as passed.
    """
    result = CheckResult.UNDECIDED
    if finding.verdict.good or (allow_inconclusive and finding.verdict is Verdict.INCONCLUSIVE):
        result = CheckResult.PASSED
    elif finding.verdict in {Verdict.REGRESSED, Verdict.BOUND_BROKEN}:
        result = CheckResult.FAILED
    title = figure_title(finding.figure) if finding.figure else "comparison"
    return Check(
        model=finding.model,
        device=finding.device,
        figure=f"{title} ceiling" if finding.mode is Mode.BOUND else title,
        result=result,
        code=code,
        text=text,
        remedy=remedy,
        source=source,
        baseline=baseline,
    )


def profile_checks(profiles: Iterable[Profile]) -> list[Check]:
    """Whether each model ran on each device, and fits into its memory where that is known."""
    return [_profile_check(profile) for profile in profiles]


def _profile_check(profile: Profile) -> Check:
    result, code, text, remedy = CheckResult.PASSED, Code.PROFILE_FAILED, "", None
    if profile.outcome is not Outcome.OK:
        failure = profile.failure
        result, text = CheckResult.UNDECIDED, f"{profile.outcome}: {failure.message if failure else 'no figures'}"
        remedy = failure.remedy if failure else None
    elif fits(profile) is False:
        over = [figure_title(name) for name, fit in memory_fits(profile).items() if fit.left < 0]
        result, code, text = CheckResult.FAILED, Code.DOES_NOT_FIT, f"does not fit: too little {' and '.join(over)}"
    return Check(
        model=profile.model.name,
        device=profile.device.name,
        figure="profile",
        result=result,
        code=code,
        text=text,
        remedy=remedy,
        source=profile.model.source,
    )


def tally(checks: Sequence[Check]) -> Mapping[CheckResult, int]:
    """How many checks had each result."""
    return {result: sum(check.result is result for check in checks) for result in CheckResult}
