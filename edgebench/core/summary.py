"""Derives the figures of a profile from its raw samples."""

from __future__ import annotations

import statistics as standard
import weakref
from collections.abc import Callable, Mapping

import numpy as np

from edgebench.core.board_link import times_itself
from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import Profile
from edgebench.core.statistics import Interval, count_outliers, median_interval, percentile, spread

PREEMPTED_SHARE = 0.05
"""A burst that ran for less than 95 % of its wall time was disturbed."""
RESTLESS_SPREAD = 0.10
"""Process medians that are further apart than this indicate a disturbed machine."""

_known: dict[int, tuple[weakref.ref[Profile], dict[str, Metric]]] = {}
"""Figures of living profiles by their identity; they cannot be hashed."""


def summarise(profile: Profile) -> dict[str, Metric]:
    """All figures of a profile by name; what is absent is left out.

    Names: ``latency_s`` (the median), ``latency_p5_s``, ``latency_p90_s``, ``latency_p99_s``,
    ``latency_min_s``, ``throughput_per_s``, ``load_s``, ``first_inference_s``, ``peak_ram_bytes``,
    ``model_bytes``, ``energy_j``, and whatever the target added itself. A figure that the target gave
    replaces one derived from samples.
    """
    number = id(profile)
    known = _known.get(number)
    if known is None or known[0]() is not profile:
        # A profile never changes, and a report asks for its figures a dozen times.
        known = weakref.ref(profile, lambda _: _known.pop(number, None)), _summarised(profile)
        _known[number] = known
    return dict(known[1])


def _summarised(profile: Profile) -> dict[str, Metric]:
    figures: dict[str, Metric] = {}
    if any(process.bursts for process in profile.processes) and profile.latency_provenance:
        figures.update(_latencies(profile))
    figures.update(_per_process(profile))
    figures["model_bytes"] = Metric(
        value=profile.model.size_bytes,
        unit="bytes",
        provenance=Provenance.EXACT,
        method="size of the model file",
    )
    figures.update(profile.metrics)
    energy = figures.get("energy_j") or _metered_energy(profile) or _declared_energy(profile, figures.get("latency_s"))
    if energy is not None:
        figures["energy_j"] = energy
    return figures


def process_latencies(profile: Profile) -> list[list[float]]:
    """Latencies in seconds, one list per fresh process."""
    return [
        [latency for burst in process.bursts for latency in burst.latencies_s]
        for process in profile.processes
        if process.bursts
    ]


def sample_count(profile: Profile) -> int:
    """Number of latencies behind the figures."""
    return sum(len(latencies) for latencies in process_latencies(profile))


def disturbances(profile: Profile) -> list[str]:
    """What the samples themselves say about the quiet of the machine, one sentence each."""
    if times_itself(profile.device):
        # A board measured itself.
        return []
    found = []
    bursts = [burst for process in profile.processes for burst in process.bursts]
    clocked = [burst for burst in bursts if burst.cpu_s is not None and burst.wall_s]
    taken = [b for b in clocked if b.cpu_s is not None and b.wall_s and b.cpu_s < (1 - PREEMPTED_SHARE) * b.wall_s]
    if clocked and len(taken) > 0.1 * len(clocked):
        found.append(f"the processor was taken away during {len(taken)} of {len(clocked)} bursts")
    latencies = process_latencies(profile)
    if len(latencies) > 1:
        medians = spread([standard.median(values) for values in latencies])
        if medians > RESTLESS_SPREAD:
            found.append(f"the medians of {len(latencies)} processes are {medians:.0%} apart")
    flat = [value for values in latencies for value in values]
    outliers = count_outliers(flat)
    if outliers > 0.05 * len(flat):
        found.append(f"{outliers} of {len(flat)} samples are far outliers")
    return found


def _latencies(profile: Profile) -> dict[str, Metric]:
    provenance = profile.latency_provenance
    if provenance is None:
        return {}
    processes = process_latencies(profile)
    flat = np.concatenate([np.asarray(values) for values in processes])
    source = None if provenance is not Provenance.ESTIMATED else profile.method

    def metric(value: float, what: str, interval: Interval | None = None, unit: str = "s") -> Metric:
        return Metric(
            value=value,
            unit=unit,
            provenance=provenance,
            method=f"{what} of {len(flat)} inferences in {len(processes)} processes; {profile.method}",
            low=interval.low if interval else None,
            high=interval.high if interval else None,
            source=source,
        )

    median = median_interval(processes)
    figures = {"latency_s": metric(median.value, "median over processes of the median", median)}
    for name, percent in (("p5", 5), ("p90", 90), ("p99", 99)):
        figures[f"latency_{name}_s"] = metric(percentile(flat, percent), f"{name[1:]}th percentile")
    figures["latency_min_s"] = metric(float(flat.min()), "minimum")
    mean = float(flat.mean())
    if mean > 0:
        figures["throughput_per_s"] = metric(1 / mean, "1 / mean latency, one after the other,", unit="1/s")
    return figures


def _per_process(profile: Profile) -> dict[str, Metric]:
    columns: Mapping[str, tuple[str, str, list[float | None], Callable[[list[float]], float]]] = {
        "load_s": (
            "s",
            "median over processes of reading and preparing the model in a fresh process",
            [process.load_s for process in profile.processes],
            standard.median,
        ),
        "first_inference_s": (
            "s",
            "median over processes of the first inference after loading",
            [process.first_inference_s for process in profile.processes],
            standard.median,
        ),
        "peak_ram_bytes": (
            "bytes",
            "largest growth of resident memory of the process, from before loading to its highest",
            [process.peak_ram_bytes for process in profile.processes],
            max,
        ),
    }
    figures = {}
    for name, (unit, method, column, reduce) in columns.items():
        known = [value for value in column if value is not None]
        if known:
            figures[name] = Metric(
                value=reduce(known),
                unit=unit,
                provenance=profile.latency_provenance or Provenance.MEASURED,
                method=method,
                source=profile.method,
            )
    return figures


def _metered_energy(profile: Profile) -> Metric | None:
    processes = []
    for process in profile.processes:
        metered = [burst for burst in process.bursts if burst.energy_j is not None]
        inferences = sum(len(burst.latencies_s) for burst in metered)
        if inferences:
            processes.append([sum(burst.energy_j or 0.0 for burst in metered) / inferences])
    if not processes:
        return None
    interval = median_interval(processes)
    idle = "" if profile.device.idle_s > 0 else ", idle included"
    return Metric(
        value=interval.value,
        unit="J",
        provenance=Provenance.MEASURED,
        method=f"energy of whole bursts / inferences, {profile.energy_scope or 'meter of the device'}{idle}",
        low=interval.low,
        high=interval.high,
    )


def _declared_energy(profile: Profile, latency: Metric | None) -> Metric | None:
    power = profile.device.power
    if power is None or latency is None:
        return None
    return Metric(
        value=power.active_w * latency.value,
        unit="J",
        provenance=Provenance.ESTIMATED,
        method=f"declared power {power.active_w:g} W ({power.supply}) x {latency.provenance} latency",
        low=power.active_w * (1 - power.relative_error) * latency.least,
        high=power.active_w * (1 + power.relative_error) * latency.most,
        source=power.source,
    )
