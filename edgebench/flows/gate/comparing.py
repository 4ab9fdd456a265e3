"""The verb ``compare``: runs as they are stored, or model files in interleaved processes."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgebench.core.baseline import BaselineEntry
from edgebench.core.conditions import conditions, differences
from edgebench.core.device import Device
from edgebench.core.figure import ENERGY, LATENCY, LATENCY_P5
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run
from edgebench.core.statistics import percentile
from edgebench.core.summary import process_latencies
from edgebench.errors import InputError
from edgebench.flows.gate.entries import entry_of, metric_of, other_interface
from edgebench.flows.gate.pairs import Side, SideFailedError, run_pair
from edgebench.flows.gate.stored import profiled_once
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.gate.comparison import Ratio, difference_interval, mean_interval
from edgebench.gate.judging import relative_change
from edgebench.gate.limits import P90
from edgebench.gate.rule import Estimate
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL

_SAMPLED = {LATENCY_P5: 5.0, P90: 90.0}
"""Figures of latency samples that are compared, and the percentile that they are."""
_PAIRED = {LATENCY: LATENCY_P5, P90: P90, ENERGY: ENERGY}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """Model files to compare.

    Attributes:
        models: The files, the first of which the others are compared with.
        names: What each is called.
        devices: Devices with their options applied.
        plan: Limits of each process.
        inputs: Where inputs come from.
        pairs: Pairs of fresh processes for figures that are measured.
    """

    models: Sequence[str]
    names: Sequence[str]
    devices: Sequence[Device]
    plan: MeasurementPlan
    inputs: InputSource
    pairs: int = 8


def compare_runs(runs: Sequence[Run], names: Sequence[str], *, force: bool = False) -> list[Ratio]:
    """Every figure that the first run and another have of a model on a device.

    Args:
        runs: The first of which the others are compared with.
        names: What each is called.
        force: Whether to form ratios of what cannot be compared.

    Raises:
        InputError: Two runs have no device in common.
    """
    found: list[Ratio] = []
    for run, name in zip(runs[1:], names[1:], strict=True):
        matched = _matched(runs[0], run)
        if not matched:
            raise InputError(f"{names[0]} and {name} have no model on a device in common")
        for before, after in matched:
            base = Ratio(model=after.model.name, device=after.device.name, first=names[0], second=name)
            failed = [one for one in (before, after) if one.outcome is not Outcome.OK]
            if failed:
                found.append(
                    replace(base, reason=f"{failed[0].outcome} in {names[0] if failed[0] is before else name}")
                )
                continue
            found += _of_profiles(
                before, after, base, differences(conditions(runs[0], before), conditions(run, after)), force
            )
    return found


def compare_files(
    request: FileRequest,
    *,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> list[Ratio]:
    """Every figure of files on devices; measured ones in interleaved fresh processes.

    Args:
        request: What to compare.
        on_progress: Called before each step.
        workers: Start the processes.
    """
    found: list[Ratio] = []
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:

        def say(text: str) -> None:
            on_progress(ProfileProgress(done=0.0, text=text))

        preparation = Preparation(folder, request.plan, request.inputs, workers, say)
        for device in request.devices:
            prepared = [preparation.prepare(model, device) for model in request.models]
            for one, name in zip(prepared[1:], request.names[1:], strict=True):
                base = Ratio(model=one.model.name, device=device.name, first=request.names[0], second=name)
                found += _of_files(prepared[0], one, base, request, workers, say)
    return found


def _of_files(
    before: Ready | Profile,
    after: Ready | Profile,
    base: Ratio,
    request: FileRequest,
    workers: Workers,
    say: Callable[[str], None],
) -> list[Ratio]:
    if isinstance(before, Profile):
        return [replace(base, reason=_failed(before, base.first))]
    if isinstance(after, Profile):
        return [replace(base, reason=_failed(after, base.second))]
    if after.sampled:
        return _measured(before, after, base, request, workers, say)
    profiles = []
    for one, name in ((before, base.first), (after, base.second)):
        say(f"simulating {one.name}")
        profile = profiled_once(one, request.plan, request.inputs, workers)
        if profile.outcome is not Outcome.OK:
            return [replace(base, reason=_failed(profile, name))]
        profiles.append(profile)
    return _of_profiles(profiles[0], profiles[1], base, [], force=False)


def _measured(
    before: Ready, after: Ready, base: Ratio, request: FileRequest, workers: Workers, say: Callable[[str], None]
) -> list[Ratio]:
    """Both files in interleaved fresh processes."""
    sides = tuple(Side(one, request.plan, request.inputs, workers, say) for one in (before, after))
    ratios: list[dict[str, float]] = []
    try:
        for number in range(request.pairs):
            say(f"{after.name}: pair {number + 1} of {request.pairs}")
            ratios.append(dict(run_pair(sides[0], sides[1], number).ratios))
    except SideFailedError as error:
        name = base.first if error.ready is before else base.second
        return [replace(base, reason=f"{name}: {error.error.outcome}: {error.error.message}")]
    entries = [entry_of(side.profile()) for side in sides]
    other = other_interface(*entries)
    if other is not None:
        return [replace(base, reason=other)]
    found = []
    for figure, shown in _PAIRED.items():
        values = [one[figure] for one in ratios if figure in one]
        if len(values) == len(ratios) and shown in entries[0].figures and shown in entries[1].figures:
            found.append(_known(_shown(base, entries, shown), mean_interval(values), paired=True))
    return [*found, *_exact(entries, base, skipped={*_PAIRED.values(), LATENCY})]


def _failed(profile: Profile, name: str) -> str:
    message = profile.failure.message if profile.failure else "no figures"
    return f"{name}: {profile.outcome}: {message}"


def _matched(first: Run, second: Run) -> list[tuple[Profile, Profile]]:
    """Profiles of the same model on the same device; where each run has one model, that of either."""
    models = [{profile.model.name for profile in run.profiles} for run in (first, second)]
    only = len(models[0]) == len(models[1]) == 1
    return [
        (before, after)
        for after in second.profiles
        for before in first.profiles
        if before.device.name == after.device.name and (only or before.model.name == after.model.name)
    ]


def _of_profiles(before: Profile, after: Profile, base: Ratio, differing: list[str], force: bool) -> list[Ratio]:
    entries = [entry_of(before), entry_of(after)]
    other = other_interface(*entries)
    reason = "; ".join([*differing, *([other] if other else [])])
    if reason and not force:
        return [replace(base, reason=reason)]
    base = replace(base, reason=reason, forced=bool(reason))
    found = []
    processes = [process_latencies(profile) for profile in (before, after)]
    if all(processes):
        for figure, percent in _SAMPLED.items():
            logs = [[math.log(max(percentile(one, percent), 1e-12)) for one in some] for some in processes]
            found.append(_known(_shown(base, entries, figure), difference_interval(*logs), paired=False))
    return [*found, *_exact(entries, base, skipped={*_SAMPLED, LATENCY} if found else set())]


def _exact(entries: Sequence[BaselineEntry], base: Ratio, skipped: set[str]) -> list[Ratio]:
    """Figures that repeat exactly: any difference is one; of measured ones without samples, nobody can say."""
    found = []
    for name, figure in entries[1].figures.items():
        known = entries[0].figures.get(name)
        if name in skipped or known is None:
            continue
        ratio = _shown(base, entries, name)
        significant = None if figure.provenance == "measured" else known.value != figure.value
        found.append(replace(ratio, change=relative_change(known.value, figure.value), significant=significant))
    return found


def _shown(base: Ratio, entries: Sequence[BaselineEntry], figure: str) -> Ratio:
    before, after = (metric_of(entry.figures[figure], entry) for entry in entries)
    return replace(base, figure=figure, before=before, after=after)


def _known(ratio: Ratio, found: Estimate, *, paired: bool) -> Ratio:
    finite = math.isfinite(found.low)
    return replace(
        ratio,
        change=found.change,
        low=found.least if finite else None,
        high=found.most if finite else None,
        significant=not found.low <= 0 <= found.high if finite else None,
        paired=paired,
    )


def model_file(text: str) -> bool:
    """Whether an argument names a model: a file that is not a run, or a network of the zoo."""
    return text.startswith("zoo:") or (Path(text).is_file() and Path(text).suffix.lower() != ".json")
