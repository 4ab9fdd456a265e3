"""Several models in one process, burst by burst in turn: so that all of them see the machine in the same state."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from edgebench.core.board_link import times_itself
from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.meters.base import EnergyMeter
from edgebench.workers.measuring.jobs import Moment
from edgebench.workers.measuring.race_jobs import RaceResult
from edgebench.workers.measuring.session import MeasurementSession

BURST_S = 0.004
MIN_ROUNDS = 12
ROUNDS_ALONE = 3


def race(
    device: Device,
    models: Sequence[Path],
    inputs: InputSource,
    seconds: float,
    meter: EnergyMeter | None = None,
    *,
    least_burst_s: float = 0.0,
) -> tuple[RaceResult, ...]:
    """Run models in turn for some time, at least ``MIN_ROUNDS`` bursts each.

    Args:
        device: The device; its target must measure.
        models: Files that the target takes.
        inputs: Where their inputs come from.
        seconds: Total time, without loading. The device's own, where its time is simulated and passes faster.
        meter: The device's meter if it is open already.
        least_burst_s: See ``Race``.
    """
    if times_itself(device):
        # A board has one model at a time, and is never disturbed: turns would only cost writing its firmware again.
        return tuple(_alone(device, path, inputs, seconds / len(models), meter) for path in models)
    with ExitStack() as stack:
        sessions = []
        bursts = []
        for path in models:
            session = MeasurementSession(device, path, inputs, meter)
            stack.callback(session.close)
            loaded = session.load()
            inference_s = loaded.burst_s / loaded.iterations
            short = max(1, min(loaded.iterations, round(BURST_S / inference_s))) if inference_s > 0 else 1
            sessions.append(session)
            if least_burst_s > 0 and inference_s > 0:
                short = max(short, math.ceil(least_burst_s / inference_s))
            bursts.append(loaded.iterations if loaded.energy_scope else short)
        latencies: list[list[float]] = [[] for _ in models]
        energies: list[list[float]] = [[] for _ in models]
        moments: list[list[Moment]] = [[] for _ in models]
        end = time.perf_counter() + seconds
        turn = 0
        passed_s = 0.0
        while turn < MIN_ROUNDS or (passed_s < seconds and time.perf_counter() < end):
            for offset in range(len(models)):
                index = (offset + turn) % len(models)
                timed = sessions[index].run_timed(bursts[index])
                sample = timed.sample
                if least_burst_s > 0:
                    moments[index].append(timed.moment)
                passed_s += sum(sample.latencies_s)
                latencies[index].extend(sample.latencies_s)
                if sample.energy_j is not None:
                    energies[index].append(sample.energy_j / len(sample.latencies_s))
            turn += 1
    return tuple(
        RaceResult(
            latency_p5_s=float(np.percentile(taken, 5)),
            latency_s=float(np.median(taken)),
            energy_j=float(np.median(joules)) if joules else None,
            moments=tuple(when),
        )
        for taken, joules, when in zip(latencies, energies, moments, strict=True)
    )


def _alone(device: Device, path: Path, inputs: InputSource, seconds: float, meter: EnergyMeter | None) -> RaceResult:
    """One model on a board, for some seconds of the board's time."""
    with closing(MeasurementSession(device, path, inputs, meter)) as session:
        loaded = session.load()
        iterations = max(1, math.ceil(seconds / ROUNDS_ALONE * loaded.iterations / loaded.burst_s))
        samples = [session.run(iterations) for _ in range(ROUNDS_ALONE)]
    taken = [value for sample in samples for value in sample.latencies_s]
    joules = [sample.energy_j for sample in samples if sample.energy_j is not None]
    return RaceResult(
        latency_p5_s=float(np.percentile(taken, 5)),
        latency_s=float(np.median(taken)),
        energy_j=float(np.median(joules)) if joules else None,
    )
