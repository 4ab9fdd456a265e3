"""Measured figures: baseline and candidate in interleaved fresh processes, until the rule has an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from edgebench.core.figure import ACCURACY, ENERGY, LATENCY, LATENCY_P5
from edgebench.core.metric import Metric
from edgebench.core.profile import LayerCost, Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.errors import InputError
from edgebench.flows.gate.entries import entry_of, layer_costs
from edgebench.flows.gate.pairs import PAIRED, Side, SideFailedError, run_pair
from edgebench.flows.gate.request import GateRequest
from edgebench.flows.gate.stored import Comparison, compare_exact
from edgebench.flows.profile.preparation import Ready
from edgebench.gate.judging import judge_trial, slower_layers
from edgebench.gate.limits import GateLimit, LimitKind, figure_title
from edgebench.gate.rule import Answer, Rule, Trial
from edgebench.gate.verdict import Finding, LayerChange, Mode, Verdict
from edgebench.workers.base import Workers
from edgebench.workers.worker import RETRIES, ChildError

_SHOWN = {LATENCY: LATENCY_P5}
"""What is shown beside a ratio: the figure that it is the ratio of."""
_MORE_TIME = "raise --time-limit, or measure where less else runs"


@dataclass(slots=True)
class PairedOutcome:
    """What measuring in pairs found.

    Attributes:
        findings: One for each figure.
        profile: The candidate's, or None if it was not measured.
    """

    findings: list[Finding]
    profile: Profile | None = None


def refuse_steps(request: GateRequest, device: str) -> None:
    """Measured figures have relative limits above 0.

    Raises:
        InputError: One has not.
    """
    for name in PAIRED:
        limit = request.limits.tolerance(name, device)
        if limit is not None and (limit.kind is not LimitKind.RELATIVE or limit.value <= 0):
            raise InputError(
                f"{figure_title(name)} on {device} is measured, which takes a percentage above 0",
                where=f"--limit {limit.text!r}",
                remedy=f"write {limit.text.split()[0]} 2%, or an absolute limit: {limit.text.split()[0]} <= ...",
            )


def compare_paired(
    before: Ready,
    after: Ready,
    request: GateRequest,
    workers: Workers,
    on_progress: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> PairedOutcome:
    """Measure two models until every figure has a verdict, or the time is over.

    Args:
        before: The baseline.
        after: The candidate.
        request: Limits, and how long it may take.
        workers: Starts the processes.
        on_progress: Called before each pair.
        clock: Tells the time in seconds.
    """
    for attempt in range(RETRIES + 1):
        try:
            with workers.holding(after.device, lambda owner: on_progress(f"{after.name} waits for {owner}")):
                return _compare(before, after, request, workers, on_progress, clock)
        except ChildError as error:
            # Pairs are of one host: all are measured again.
            if not error.lost or attempt == RETRIES:
                return PairedOutcome(findings=[_failed(SideFailedError(after, error), before, after)])
    raise RuntimeError("a host that is lost again and again ends the comparison")


def _compare(
    before: Ready,
    after: Ready,
    request: GateRequest,
    workers: Workers,
    on_progress: Callable[[str], None],
    clock: Callable[[], float],
) -> PairedOutcome:
    device = after.device.name
    sides = tuple(Side(one, request.plan, request.inputs, workers, on_progress) for one in (before, after))
    trials = {
        limit.figure: Trial(rule=Rule(limit=limit.value, looks=request.looks, alpha=request.alpha))
        for limit in _limits(request, device)
    }
    ratios: dict[str, list[float]] = {name: [] for name in trials}
    start, longest, out_of_time = clock(), 0.0, False
    try:
        number = 0
        while any(trial.answer is Answer.MORE for trial in trials.values()) and not out_of_time:
            on_progress(f"{after.name}: pair {number + 1}")
            pair = run_pair(sides[0], sides[1], number, clock)
            number += 1
            for name in list(trials):
                if name not in pair.ratios:
                    del trials[name]
                    continue
                trials[name].add(pair.ratios[name], pair.levels.get(name))
                ratios[name].append(pair.ratios[name])
            longest = max(longest, pair.seconds)
            waited_s = sum(side.waited_s for side in sides)
            out_of_time = clock() - start - waited_s + longest > request.plan.time_limit_s
        profiles = [side.profile() for side in sides]
        surveyed = [_surveyed(side, profile) for side, profile in zip(sides, profiles, strict=True)]
    except SideFailedError as error:
        if error.error.lost:
            raise error.error from None
        return PairedOutcome(findings=[_failed(error, before, after)])
    findings = [
        _finding(limit, trials.get(limit.figure), ratios.get(limit.figure, []), surveyed, request)
        for limit in _limits(request, device)
        if limit.figure in trials or request.limits.asked_for(limit.figure, device)
    ]
    rest = Comparison(
        before=entry_of(surveyed[0]),
        after=entry_of(surveyed[1]),
        limits=request.limits,
        mode=Mode.COMPUTED,
        skipped=frozenset({*PAIRED, ACCURACY}),
    )
    return PairedOutcome(findings=[*findings, *compare_exact(rest)], profile=profiles[1])


def _limits(request: GateRequest, device: str) -> Iterator[GateLimit]:
    for name in PAIRED:
        limit = request.limits.tolerance(name, device)
        if limit is not None:
            yield limit


def _surveyed(side: Side, profile: Profile) -> Profile:
    """A profile with its layers, from one more process; without them if their profiler fails."""
    try:
        with ExitStack() as stack:
            side.load(stack, len(side.processes))
            return replace(profile, layers=side.finish(layers=True).layers)
    except SideFailedError:
        return profile


def _finding(
    limit: GateLimit, trial: Trial | None, ratios: list[float], profiles: list[Profile], request: GateRequest
) -> Finding:
    name = limit.figure
    base = Finding(
        model=profiles[1].model.name,
        device=profiles[1].device.name,
        figure=name,
        verdict=Verdict.NOT_MEASURED,
        mode=Mode.PAIRED,
        before=_shown(profiles[0], name),
        after=_shown(profiles[1], name),
        limit=limit.text,
        ratios=tuple(ratios),
    )
    if trial is None or not trial.first:
        reason = "there is no energy meter" if name == ENERGY else f"there is no {figure_title(name)} to compare"
        return replace(base, reason=reason)
    estimate = trial.estimate
    verdict, reason = judge_trial(trial)
    remedy = None
    if verdict is Verdict.INCONCLUSIVE:
        out_of_time = trial.answer is Answer.MORE
        if out_of_time:
            reason = f"{reason} within the time limit of {request.plan.time_limit_s:g} s"
        remedy = _MORE_TIME if out_of_time else _what_would_decide(limit, estimate.change, _threads(profiles[1]))
    finite = estimate.pairs > 1
    return replace(
        base,
        verdict=verdict,
        change=estimate.change,
        low=estimate.least if finite else None,
        high=estimate.most if finite else None,
        pairs=len(trial.first) + len(trial.second),
        reason=reason,
        remedy=remedy,
        layers=_slower(profiles) if verdict is Verdict.REGRESSED and name == LATENCY else (),
    )


def _what_would_decide(limit: GateLimit, change: float, threads: int) -> str:
    if change > limit.value / 2:
        word = limit.text.split()[0]
        return (
            f"the change is about as large as the limit of {limit.value:.1%}: a limit well above or below {change:.1%} "
            f"decides it ({word} {max(2 * change, 2 * limit.value):.0%})"
        )
    fewer = ", --threads 1" if threads > 1 else ""
    return f"a quieter machine{fewer}, or a wider limit"


def _threads(profile: Profile) -> int:
    chosen = profile.device.options.get("threads", 1)
    return chosen if isinstance(chosen, int) else 1


def _shown(profile: Profile, name: str) -> Metric | None:
    figures = summarise(profile)
    return figures.get(_SHOWN.get(name, name))


def _slower(profiles: list[Profile]) -> tuple[LayerChange, ...]:
    """Layers whose time grew, from their shares if the target does not give times."""
    costs = [_costs(profile) for profile in profiles]
    if not costs[0] or not costs[1]:
        return ()
    return slower_layers(costs[0], costs[1], "s")


def _costs(profile: Profile) -> dict[str, float]:
    whole = summarise(profile).get(LATENCY_P5)
    known = [layer for layer in profile.layers if layer.share is not None]
    if whole is None or not known:
        costs, unit = layer_costs(profile.layers)
        return costs if unit == "s" else {}
    found: dict[str, float] = {}
    for layer in known:
        key = _layer_name(layer)
        found[key] = found.get(key, 0.0) + (layer.share or 0.0) * whole.value
    return found


def _layer_name(layer: LayerCost) -> str:
    return f"{layer.name} ({layer.operator})" if layer.operator and layer.operator != layer.name else layer.name


def _failed(error: SideFailedError, before: Ready, after: Ready) -> Finding:
    who = "the baseline" if error.ready is before else "the candidate"
    return Finding(
        model=after.model.name,
        device=after.device.name,
        verdict=Verdict.NOT_MEASURED,
        mode=Mode.PAIRED,
        reason=f"{who}: {error.error.outcome}: {error.error.message}",
        remedy=error.error.remedy,
        unavailable=error.error.outcome is Outcome.UNAVAILABLE,
    )
