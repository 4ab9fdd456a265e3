"""Absolute limits: no baseline, no statistics beyond a figure's own interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from edgebench.core.metric import Metric
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.gate.judging import judge_bound
from edgebench.gate.limits import Limits, figure_title
from edgebench.gate.verdict import Finding, Mode, Verdict


def profile_findings(profiles: Sequence[Profile], limits: Limits) -> list[Finding]:
    """A finding for each absolute limit and profile.

    A limit for all devices concerns those that have the figure, unless none of them has.
    """
    found = [(profile, finding) for profile in profiles for finding in _of_profile(profile, limits)]
    known = {finding.figure for _, finding in found if finding.after is not None}
    return [
        finding
        for profile, finding in found
        if finding.after is not None or profile.outcome is not Outcome.OK or _is_meant(finding, limits, known)
    ]


def meant(findings: Sequence[Finding], limits: Limits, elsewhere: Collection[str] = ()) -> list[Finding]:
    """Findings without those of a limit for all devices on a device that lacks the figure, while another has it.

    Args:
        findings: All of them.
        limits: All limits.
        elsewhere: Figures that devices have which are not compared now.
    """
    known = {finding.figure for finding in findings if finding.after is not None} | set(elsewhere)
    return [
        finding
        for finding in findings
        if finding.verdict is not Verdict.NOT_MEASURED
        or finding.before is not None
        or finding.after is not None
        or finding.unavailable
        or not finding.figure
        or finding.figure not in known
        or limits.is_of_device(finding.figure, finding.device, bound=finding.mode is Mode.BOUND)
    ]


def _of_profile(profile: Profile, limits: Limits) -> list[Finding]:
    model, device = profile.model.name, profile.device.name
    if profile.outcome is Outcome.OK:
        return bound_findings(model, device, summarise(profile), limits)
    failure = profile.failure
    return [
        replace(
            finding,
            reason=f"{profile.outcome}: {failure.message if failure else 'no figures'}",
            remedy=failure.remedy if failure else None,
            unavailable=profile.outcome is Outcome.UNAVAILABLE,
        )
        for finding in bound_findings(model, device, {}, limits)
    ]


def _is_meant(finding: Finding, limits: Limits, known: Collection[str]) -> bool:
    """Whether the absence of a figure matters: its limit is for this device, or no device has the figure."""
    limit = limits.bound(finding.figure, finding.device)
    return finding.figure not in known or (limit is not None and bool(limit.device))


def bound_findings(
    model: str, device: str, figures: Mapping[str, Metric], limits: Limits, *, skipped: Collection[str] = ()
) -> list[Finding]:
    """A finding for each absolute limit of a device.

    Args:
        model: Short name of the model.
        device: Name of the device.
        figures: The candidate's.
        limits: All limits.
        skipped: Figures that are judged elsewhere.
    """
    found = []
    for name in limits.figures(device):
        limit = limits.bound(name, device)
        if limit is None or name in skipped:
            continue
        value = figures.get(name)
        base = Finding(
            model=model, device=device, figure=name, verdict=Verdict.NOT_MEASURED, mode=Mode.BOUND, limit=limit.text
        )
        if value is None:
            reason = f"there is no {figure_title(name)} on {device}"
            found.append(replace(base, reason=reason, remedy="leave this limit out for the device"))
            continue
        verdict, reason = judge_bound(limit, value)
        remedy = "a figure that is further from the limit, or a narrower interval" if reason else None
        found.append(replace(base, verdict=verdict, after=value, reason=reason, remedy=remedy))
    return found
