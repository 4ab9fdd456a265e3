"""Verdicts from figures: exact ones, bounds, and the answers of the rule."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgebench.core.metric import Metric
from edgebench.gate.limits import GateLimit, LimitKind, figure_title, worsening
from edgebench.gate.rule import ALPHA, Answer, Trial
from edgebench.gate.verdict import LayerChange, Verdict

_MOST_LAYERS = 5
_SHARE = 0.9
"""Layers are named until they explain this much of what was added."""


def judge_exact(limit: GateLimit, before: float, after: float) -> tuple[Verdict, str]:
    """The verdict on a figure that repeats exactly, and why if it needs saying.

    Args:
        limit: How much worse it may be.
        before: The baseline's value.
        after: The candidate's.
    """
    worse = worsening(limit.figure, before, after)
    if worse == 0:
        return Verdict.PASSED, ""
    if limit.kind is LimitKind.RELATIVE and before == 0:
        return Verdict.INCOMPARABLE, f"the baseline's {figure_title(limit.figure)} is 0, which has no percentage"
    if not limit.allows(before, after):
        return Verdict.REGRESSED, ""
    # Better by more than it may be worse: it would be a regression the other way round.
    return (Verdict.PASSED if limit.allows(after, before) else Verdict.IMPROVED), ""


def judge_bound(limit: GateLimit, value: Metric) -> tuple[Verdict, str]:
    """The verdict on a bound: the whole interval or error band of a figure must be on its right side."""
    ends = limit.bounds(value.least), limit.bounds(value.most)
    if all(ends):
        return Verdict.PASSED, ""
    if not any(ends):
        return Verdict.BOUND_BROKEN, ""
    return Verdict.INCONCLUSIVE, "the limit is within the interval of the figure"


def judge_trial(trial: Trial) -> tuple[Verdict, str]:
    """The verdict on a figure that was measured in pairs, and why if it needs saying."""
    verdict, reason = _judged(trial)
    before, after = trial.slowed
    if verdict.good and _lopsided(before, after):
        verdict = Verdict.INCONCLUSIVE
        reason = f"{after} processes of the candidate were slower than its others, and {before} of the baseline"
    elif before + after:
        aside = f"{before + after} slowed {'process' if before + after == 1 else 'processes'} set aside"
        reason = f"{reason}; {aside}" if reason else aside
    return verdict, reason


def _judged(trial: Trial) -> tuple[Verdict, str]:
    if trial.answer is Answer.PASSED and trial.suspected:
        return Verdict.PASSED, "a first set of pairs looked slower, and a second one did not confirm it"
    if trial.answer is Answer.INCONCLUSIVE and trial.suspected:
        return Verdict.INCONCLUSIVE, "a first set of pairs looked slower, and a second one could not confirm it"
    if trial.answer in {Answer.INCONCLUSIVE, Answer.MORE}:
        pairs = len(trial.first) + len(trial.second)
        return Verdict.INCONCLUSIVE, f"{pairs} pairs of processes do not decide it" if pairs else "no pair was measured"
    return {
        Answer.PASSED: Verdict.PASSED,
        Answer.IMPROVED: Verdict.IMPROVED,
        Answer.REGRESSED: Verdict.REGRESSED,
    }[trial.answer], ""


def _lopsided(before: int, after: int) -> bool:
    """Whether the candidate is slowed so much more often that chance does not explain it: a sign test."""
    both = before + after
    tail: float = sum(math.comb(both, count) for count in range(after, both + 1)) / 2**both
    return tail < ALPHA


def relative_change(before: float, after: float) -> float | None:
    """0.05 for 5 % more; None for a baseline of 0."""
    change = after / before - 1 if before else math.nan
    return change if math.isfinite(change) else None


def slower_layers(before: Mapping[str, float], after: Mapping[str, float], unit: str) -> tuple[LayerChange, ...]:
    """The layers that added most, until they explain nearly all that was added.

    Args:
        before: What each layer cost in the baseline.
        after: What each layer costs.
        unit: Of both.
    """
    changes = [LayerChange(name=name, before=before.get(name), after=cost, unit=unit) for name, cost in after.items()]
    grown = sorted((item for item in changes if item.growth > 0), key=lambda item: -item.growth)
    added, named = sum(item.growth for item in grown), 0.0
    found: list[LayerChange] = []
    for item in grown[:_MOST_LAYERS]:
        if named >= _SHARE * added:
            break
        found.append(item)
        named += item.growth
    return tuple(found)
