"""What a reader must know besides the figures of profiles; everything is said once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from edgebench.core.certainty import undecided_latency
from edgebench.core.conditions import conditions
from edgebench.core.figure import LATENCY, LATENCY_P5, figure_of
from edgebench.core.memory_fit import memory_fits
from edgebench.core.metric import Provenance
from edgebench.core.profile import Profile
from edgebench.core.run import Run
from edgebench.core.summary import disturbances, sample_count, summarise
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Remark

Profiles = Sequence[tuple[Run, Profile]]
_NAMED = 3
"""How many pairs of model and device a remark names; the rest are only counted."""

_CLOSE = 1.1
"""Ratio of p5 to the fastest run up to which p5 is that of an undisturbed machine."""

_WIDE = 1.5
"""Ratio of the ends of an estimate's band from which its source is told without being asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """A remark and the pair of model and device that it is about."""

    model: str
    device: str
    remark: Remark


def profile_remarks(runs: Sequence[Run]) -> Iterator[Remark]:
    """Failures, what disturbed the measurement, notes, and conditions that differ."""
    profiles = [(run, profile) for run in runs for profile in run.profiles]
    yield from _said_once([about for run, profile in profiles for about in _of_profile(run, profile)], profiles)
    for run in runs:
        if not any(sample_count(profile) for profile in run.profiles):
            continue  # Nothing was measured: how quiet the machine was changes no figure.
        subject = run.title if len(runs) > 1 else "this machine"
        for warning in run.warnings:
            yield Remark(kind=Kind.WARNING, code=Code.MACHINE, subject=subject, text=warning)
    yield from _differences(profiles)


def _of_profile(run: Run, profile: Profile) -> Iterator[_About]:
    def about(kind: Kind, code: Code, text: str, remedy: str | None = None, *, detail: bool = False) -> _About:
        remark = Remark(kind=kind, code=code, subject="", text=text, remedy=remedy, detail=detail)
        return _About(model=profile.model.name, device=profile.device.name, remark=remark)

    if profile.failure is not None:
        text = f"{profile.outcome}: {profile.failure.message}"
        yield about(Kind.FAILURE, Code.PROFILE_FAILED, text, profile.failure.remedy)
    for text in _too_large(profile):
        yield about(
            Kind.FAILURE,
            Code.DOES_NOT_FIT,
            text,
            None if profile.layers else "--layers shows which operators need them",
        )
    undecided = undecided_latency(profile, run.plan)
    if undecided is not None:
        times = (undecided.most - undecided.least) / undecided.value / run.plan.goal
        text = f"the latency is unknown: its 95 % interval is {times:,.0f} times as wide as the goal"
        remedy = "measure again when the machine is quiet, or with more --repetitions and --time-limit"
        yield about(Kind.FAILURE, Code.UNDECIDED, text, remedy)
    found, moved = disturbances(profile), _moved(profile)
    if moved:
        yield about(Kind.WARNING, Code.DISTURBED, moved, "measure again when the machine is quiet")
    if found:
        advice = "measure again when it is quiet" if moved else "compare on p5, or measure again when it is quiet"
        remedy = f"{advice}; --details says what disturbed it"
        yield about(Kind.WARNING, Code.DISTURBED, "the machine was not quiet while this was measured", remedy)
    for sentence in found:
        yield about(Kind.WARNING, Code.DISTURBANCE, sentence, detail=True)
    latency = summarise(profile).get(LATENCY)
    if latency is not None and latency.provenance is Provenance.ESTIMATED and latency.most > _WIDE * latency.least:
        yield about(Kind.NOTE, Code.WIDE_BAND, f"the latency is an estimate with a wide band: {latency.source}")
    for note in profile.notes:
        yield about(Kind.NOTE, Code.DEVICE_NOTE, note, detail=True)
    for caveat in (*profile.model.caveats, *(profile.deployed.caveats if profile.deployed else ())):
        yield about(Kind.NOTE, Code.MODEL_CAVEAT, caveat)
    for note in profile.model.notes:
        yield about(Kind.NOTE, Code.MODEL_NOTE, note, detail=True)


def _too_large(profile: Profile) -> Iterator[str]:
    for fit in memory_fits(profile).values():
        if fit.left < 0:
            needed = f"{fit.needed.value:,.0f} bytes of {figure_of(fit.figure).title}"
            yield f"does not fit: needs {needed}, {-fit.left:,.0f} more than the device has"


def _moved(profile: Profile) -> str:
    """Whether even the fast runs were slowed down, so that p5 is no better to compare on than the median."""
    figures = summarise(profile)
    p5, least = figures.get(LATENCY_P5), figures.get("latency_min_s")
    if p5 is None or least is None or p5.provenance is not Provenance.MEASURED or p5.value <= _CLOSE * least.value:
        return ""
    return (
        f"p5 is {p5.value / least.value - 1:.0%} above the fastest run: it was slowed down too, so do not compare on it"
    )


def _said_once(remarks: Sequence[_About], profiles: Profiles) -> Iterator[Remark]:
    """Remarks that say the same about several models or devices, merged into one."""
    grouped: dict[Remark, list[tuple[str, str]]] = defaultdict(list)
    for about in remarks:
        pair = (about.model, about.device)
        if pair not in grouped[about.remark]:
            grouped[about.remark].append(pair)
    pairs = list(dict.fromkeys((profile.model.name, profile.device.name) for _, profile in profiles))
    for remark, concerned in grouped.items():
        yield replace(remark, subject=_subject(concerned, pairs))


def _subject(concerned: Sequence[tuple[str, str]], pairs: Sequence[tuple[str, str]]) -> str:
    """The shortest name of pairs of model and device: just the device if all its models are meant, or the reverse."""
    for position in (1, 0):
        names = list(dict.fromkeys(pair[position] for pair in concerned))
        meant = [pair for pair in pairs if pair[position] in names]
        if len(meant) == len(concerned) and len(names) < len(concerned):
            return ", ".join(names)
    named = [f"{model} on {device}" for model, device in concerned]
    left = len(named) - _NAMED
    return ", ".join(named) if left <= 1 else f"{', '.join(named[:_NAMED])} and {left} more"


def _differences(profiles: Profiles) -> Iterator[Remark]:
    """Conditions that differ between figures of one device."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for run, profile in profiles:
        for key, value in conditions(run, profile).items():
            seen[profile.device.name][key].add(value)
    for device, items in seen.items():
        differing = [f"{key} ({' | '.join(sorted(values))})" for key, values in items.items() if len(values) > 1]
        if differing:
            yield Remark(
                kind=Kind.WARNING,
                code=Code.CONDITIONS_DIFFER,
                subject=device,
                text=f"these figures were taken under different conditions: {', '.join(differing)}",
                remedy="do not compare them; measure again in one run",
            )
