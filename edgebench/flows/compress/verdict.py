"""Judges strategies against a budget, and recommends one; there always is a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from edgebench.core.accuracy_limits import Share
from edgebench.core.budget import Budget, Limit
from edgebench.core.compression import Recommendation, StrategyCheck, StrategyResult, StrategyState
from edgebench.core.figure import LATENCY, column_title
from edgebench.flows.judging import inaccuracies


def judged(result: StrategyResult, budget: Budget) -> StrategyResult:
    """A measured strategy with its checks and faults; others stay as they are."""
    if result.state is not StrategyState.MEASURED:
        return result
    checks = tuple(_check(limit, result) for limit in budget.limits)
    measured = set(result.figures)
    # A device that could not be measured has its reason already.
    broken = [check for check in checks if not check.holds and check.limit.device in measured]
    costs = [*result.hindrances, *map(_fault, broken)]
    inaccurate = [fault for item in result.accuracies for fault in inaccuracies(item, budget)]
    return replace(
        result,
        checks=checks,
        faults=(*costs, *(fault.text for fault in inaccurate)),
        undecided=not costs and bool(inaccurate) and all(fault.undecided for fault in inaccurate),
    )


def _check(limit: Limit, result: StrategyResult) -> StrategyCheck:
    found = result.figures.get(limit.device, {}).get(limit.figure)
    return StrategyCheck(
        limit=limit,
        found=found,
        holds=found is not None and limit.is_met(found.most),
        excess=None if found is None else limit.excess(found.most),
    )


def _fault(check: StrategyCheck) -> str:
    title = column_title(check.limit.column)
    if check.excess is None:
        return f"{title} is unknown"
    return f"{title} exceeds its limit by {_percent(check.excess)}"


def _percent(excess: float) -> str:
    return f"{excess:.1%}" if excess < 0.1 else f"{excess:.0%}"


def recommend(results: Sequence[StrategyResult], budget: Budget) -> Recommendation:
    """The strategy that meets every limit at the least accuracy lost, or else the nearest one.

    Accuracies whose difference could be chance count as equal: those within the interval of the best. Among them the
    one that leaves most room under its tightest limit wins, or without limits of cost the fastest.

    Args:
        results: Judged.
        budget: What they were judged by.
    """
    solutions = [result for result in results if result.solution]
    if solutions:
        return _best(solutions, budget)
    measured = [result for result in results if result.state is StrategyState.MEASURED and not result.hindrances]
    if not measured:
        return Recommendation(
            strategy="", meets=False, reason="no strategy ran on every device", binding=_why_none(results)
        )
    nearest = min(measured, key=lambda result: worst_excess(result, budget))
    return Recommendation(
        strategy=nearest.name,
        meets=False,
        reason=f"nothing meets every limit; this is the nearest: its worst excess is "
        f"{_percent(worst_excess(nearest, budget))} of a limit",
        binding=nearest.faults,
    )


def _best(solutions: Sequence[StrategyResult], budget: Budget) -> Recommendation:
    known = [result for result in solutions if result.worst_accuracy is not None]
    if not known:
        chosen = min(solutions, key=lambda result: _tightness(result, budget))
        reason = f"it meets every limit, and {_why(chosen, budget)}; accuracy is unknown without a task"
        return Recommendation(strategy=chosen.name, meets=True, reason=reason)
    top = max(known, key=lambda result: result.worst_accuracy or 0.0)
    least = _worst(top).low
    equal = [result for result in known if (result.worst_accuracy or 0.0) >= least]
    chosen = min(equal, key=lambda result: _tightness(result, budget))
    others = "" if len(equal) == 1 else f"; {len(equal) - 1} more are as accurate within the interval"
    accuracy = _worst(chosen)
    reason = f"it meets every limit at {accuracy} accuracy where that is lowest{others}"
    if len(equal) > 1:
        reason += f", and {_why(chosen, budget)}"
    return Recommendation(strategy=chosen.name, meets=True, reason=reason)


def _worst(result: StrategyResult) -> Share:
    return min((item.accuracy for item in result.accuracies), key=lambda share: share.value)


def _tightness(result: StrategyResult, budget: Budget) -> tuple[float, float]:
    """How much of its tightest limit a strategy uses, then how long it takes; small is good."""
    used = [check.excess for check in result.checks if check.excess is not None] if budget.limits else []
    latencies = [figures[LATENCY].value for figures in result.figures.values() if LATENCY in figures]
    relative = sum(math.log(max(value, 1e-12)) for value in latencies)
    return max(used, default=0.0), relative


def _why(result: StrategyResult, budget: Budget) -> str:
    if budget.limits:
        return f"leaves most room: it uses {1 + _tightness(result, budget)[0]:.0%} of its tightest limit"
    return "is the fastest over all devices"


def worst_excess(result: StrategyResult, budget: Budget) -> float:
    """By how much the most broken limit is exceeded, as a share of that limit; infinite if it is unknown."""
    found = [math.inf if check.excess is None else check.excess for check in result.checks]
    for item in result.accuracies:
        if budget.min_accuracy:
            found.append(budget.min_accuracy / max(item.accuracy.low, 1e-9) - 1)
        if budget.max_accuracy_drop and item.drop is not None:
            found.append(item.drop.high / budget.max_accuracy_drop - 1)
    return max(found, default=0.0)


def _why_none(results: Sequence[StrategyResult]) -> tuple[str, ...]:
    return tuple(f"{result.name}: {result.reason or '; '.join(result.hindrances)}" for result in results)
