"""Figures that repeat exactly: those of the candidate against those of a baseline, without statistics."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from edgebench.core.baseline import BaselineEntry, BaselineFigure
from edgebench.core.figure import LATENCY
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.flows.gate.entries import INDEPENDENT, metric_of, other_conditions
from edgebench.flows.profile.preparation import Ready
from edgebench.flows.profile.sampling import Sampling
from edgebench.gate.judging import judge_exact, relative_change, slower_layers
from edgebench.gate.limits import FALLBACKS, OUTPUTS, GateLimit, Limits, figure_title
from edgebench.gate.verdict import Finding, LayerChange, Mode, Verdict
from edgebench.workers.base import Workers

_OF_LAYERS = {LATENCY, "npu_cycles", "instructions"}
"""Figures that layers add up to."""
_UPDATE = "if the new figure is right, edgebench baseline update says so for good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A candidate and what it is held to.

    Attributes:
        before: The baseline.
        after: The candidate.
        limits: How much worse it may be.
        mode: Where the baseline's figures are from.
        skipped: Figures that are judged elsewhere.
    """

    before: BaselineEntry
    after: BaselineEntry
    limits: Limits
    mode: Mode
    skipped: frozenset[str] = frozenset()


def profiled_once(ready: Ready, plan: MeasurementPlan, inputs: InputSource, workers: Workers) -> Profile:
    """The profile of a model on a target whose figures repeat exactly, with its layers."""
    sampling = Sampling(ready, replace(plan, layers=True), inputs, workers)
    while not sampling.finished:
        with ExitStack() as stack:
            sampling.start(stack, 0)
            sampling.finish()
    return sampling.profile()


def compare_exact(compared: Comparison) -> list[Finding]:
    """A finding for each figure that is held, and one for operators that newly fall back to the CPU."""
    device = compared.after.device
    differing = other_conditions(compared.before, compared.after)
    found: list[Finding] = []
    for name in compared.limits.figures(device):
        limit = compared.limits.tolerance(name, device)
        if name in compared.skipped or name == OUTPUTS or limit is None:
            continue
        if name == FALLBACKS:
            found += _operators(compared, limit)
        else:
            found += _figure(compared, limit, differing)
    return found


def _figure(compared: Comparison, limit: GateLimit, differing: list[str]) -> list[Finding]:
    name = limit.figure
    before, after = compared.before.figures.get(name), compared.after.figures.get(name)
    base = Finding(
        model=compared.after.model,
        device=compared.after.device,
        figure=name,
        verdict=Verdict.NOT_MEASURED,
        mode=compared.mode,
        before=None if before is None else metric_of(before, compared.before),
        after=None if after is None else replace(metric_of(after, compared.after), method="of the candidate"),
        limit=limit.text,
    )
    if after is None:
        if before is None and not compared.limits.asked_for(name, compared.after.device):
            return []
        return [replace(base, reason=f"the candidate has no {figure_title(name)} there")]
    if before is None:
        remedy = _UPDATE if compared.mode is Mode.STORED else None
        reason = f"the baseline has no {figure_title(name)}"
        return [replace(base, verdict=Verdict.INCOMPARABLE, reason=reason, remedy=remedy)]
    base = replace(base, change=relative_change(before.value, after.value))
    hindrance = _hindrance(before, after, name, differing)
    if hindrance is not None:
        reason, remedy = hindrance
        return [replace(base, verdict=Verdict.INCOMPARABLE, reason=reason, remedy=remedy)]
    verdict, reason = judge_exact(limit, before.value, after.value)
    remedy = f"write an absolute step, such as {limit.text.split()[0]} 0" if reason else None
    base = replace(base, verdict=verdict, reason=reason, remedy=remedy)
    if verdict is Verdict.REGRESSED and name in _OF_LAYERS:
        base = replace(base, layers=_slower(compared))
    return [base]


def _hindrance(
    before: BaselineFigure, after: BaselineFigure, name: str, differing: list[str]
) -> tuple[str, str | None] | None:
    """Why two figures cannot be compared, and what helps; None if they can."""
    if before.provenance is not after.provenance or before.unit != after.unit:
        return (
            f"figures of different kinds: {before.provenance} in {before.unit} | {after.provenance} in {after.unit}",
            None,
        )
    if after.provenance is Provenance.MEASURED:
        what = f"{figure_title(name)} is measured, but not in pairs"
        return f"{what}; a single figure against a stored one decides nothing", None
    if differing and before.value != after.value and name not in INDEPENDENT:
        return (
            f"made under other conditions: {'; '.join(differing)}",
            "use the baseline's versions, give its model file, or update the baseline",
        )
    return None


def _slower(compared: Comparison) -> tuple[LayerChange, ...]:
    before, after = compared.before, compared.after
    if not before.layers or before.layer_unit != after.layer_unit:
        return ()
    return slower_layers(before.layers, after.layers, after.layer_unit)


def _operators(compared: Comparison, limit: GateLimit) -> list[Finding]:
    before, after = compared.before.fallbacks, compared.after.fallbacks
    base = Finding(
        model=compared.after.model,
        device=compared.after.device,
        figure=FALLBACKS,
        verdict=Verdict.NOT_MEASURED,
        mode=compared.mode,
        before=None if before is None else _count(sum(before.values())),
        after=None if after is None else _count(sum(after.values())),
        limit=limit.text,
    )
    if before is None or after is None:
        if not compared.limits.asked_for(FALLBACKS, compared.after.device) and before is after:
            return []
        reason = f"target {compared.after.target} does not tell where operators run"
        return [replace(base, reason=reason)]
    newly = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    if sum(newly.values()) > limit.value:
        listed = ", ".join(f"{count} {name}" for name, count in sorted(newly.items()))
        return [replace(base, verdict=Verdict.REGRESSED, reason=f"newly on the CPU: {listed}")]
    fewer = sum(after.values()) < sum(before.values())
    return [replace(base, verdict=Verdict.IMPROVED if fewer else Verdict.PASSED)]


def _count(value: int) -> Metric:
    return Metric(value=value, unit="", provenance=Provenance.EXACT, method="operators that the device does not run")
