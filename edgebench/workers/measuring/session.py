"""What happens inside the child process: one model, loaded once, run in bursts."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebench.core.board_link import times_itself
from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.profile import LayerCost, Sample
from edgebench.machine.resident_memory import ResidentMemory
from edgebench.meters.base import EnergyMeter
from edgebench.meters.command import CommandMeter
from edgebench.meters.idle import NetOfIdle
from edgebench.meters.registry import open_meter
from edgebench.targets.base import HeardLoops, MeasuresInLoops
from edgebench.targets.registry import create_target
from edgebench.workers.measuring.jobs import Finished, Loaded, Moment, TimedSample
from edgebench.workers.measuring.loop_meter import LoopMeter
from edgebench.workers.measuring.surroundings import read_surroundings

WARM_UP_RUNS = 30
WARM_UP_S = 0.3
BURST_S = 0.04
BURST_RUNS = 100
TRIAL_SHARE = 0.05
LOOP_MARGIN = 0.02
"""A loop of a board has inferences for a little more than its least time, as a short trial predicts it."""
METER_UPDATES = 20
"""A burst lasts at least this many updates of the energy meter, so that one update is at most 5 % of it."""


def open_device_meter(device: Device) -> EnergyMeter | None:
    """The meter of a device, less what the idle machine draws if its file says so; None if there is none.

    Raises:
        InputError: There is no such meter.
        TargetUnavailableError: It cannot be read.
    """
    meter = open_meter(device.meter)
    if times_itself(device):
        # What it draws when idle is measured once its firmware runs.
        return meter
    return NetOfIdle(meter, device.idle_s) if meter is not None and device.idle_s > 0 else meter


class MeasurementSession:
    """One model on one device in this process.

    Args:
        device: The device.
        model: A file that its target takes.
        inputs: Where inputs come from.
        meter: The device's meter if it is open already; it is left open.
    """

    def __init__(self, device: Device, model: Path, inputs: InputSource, meter: EnergyMeter | None = None) -> None:
        self._stack = ExitStack()
        self._target = create_target(device)
        self._memory = ResidentMemory()
        self._meter: EnergyMeter | None = None
        self._loop_meter: LoopMeter | None = None
        self._attached = meter if isinstance(meter, CommandMeter) else None
        # A board that times itself is another machine: this one's heat and power tell nothing about it.
        self._is_here = not self._target.deterministic and not isinstance(self._target, MeasuresInLoops)
        if self._is_here:
            self._meter = meter or open_device_meter(device)
        if self._meter is not None and meter is None:
            self._stack.enter_context(self._meter)
        self._device = device
        self._path = model
        self._inputs = inputs

    def load(self) -> Loaded:
        """Load, run once, warm up and find the length of a burst."""
        self._target.check()
        self._target.import_runtime()
        before = read_surroundings() if self._is_here else None
        self._memory.start()
        start = time.perf_counter()
        self._model = self._stack.enter_context(self._target.load(self._path, self._inputs))
        load_s = time.perf_counter() - start
        first = self._model.run(1)
        if self._target.deterministic:
            return Loaded(load_s=load_s, first=first, iterations=1, burst_s=0.0, method=self._model.method)
        if isinstance(self._target, MeasuresInLoops):
            return self._in_loops(self._target, first, load_s)
        inference_s = self._warm_up(first)
        wanted_s = BURST_S
        if self._meter is not None:
            wanted_s = max(wanted_s, METER_UPDATES * self._meter.resolution_s)
        iterations = max(1, round(wanted_s / inference_s)) if inference_s > 0 else BURST_RUNS
        if self._meter is None:
            iterations = min(iterations, BURST_RUNS)
        return Loaded(
            load_s=load_s,
            first=first,
            iterations=iterations,
            burst_s=iterations * inference_s,
            method=self._model.method,
            energy_scope=self._meter.scope if self._meter else None,
            before=before,
        )

    def run(self, iterations: int) -> Sample:
        """One burst, with the energy it took if there is a meter."""
        if self._loop_meter is not None and isinstance(self._model, HeardLoops):
            return self._loop_meter.metered(self._model.run(iterations), iterations, self._model.heard_s)
        if self._meter is None:
            return self._model.run(iterations)
        before = self._meter.read_j()
        sample = self._model.run(iterations)
        return replace(sample, energy_j=self._meter.read_j() - before)

    def run_timed(self, iterations: int) -> TimedSample:
        """One burst, and when it ran, for a meter elsewhere."""
        begin_s = time.monotonic()
        sample = self.run(iterations)
        # What follows the last inference, such as collecting its times, is not the model's.
        taken_s = sample.wall_s or time.monotonic() - begin_s
        moment = Moment(begin_s=begin_s, end_s=begin_s + taken_s, inferences=len(sample.latencies_s))
        return TimedSample(sample=sample, moment=moment)

    def finish(self, *, layers: bool) -> Finished:
        """Everything that is read only once, after the last burst."""
        after = read_surroundings() if self._is_here else None
        peak = self._memory.peak_growth_bytes()
        return Finished(
            peak_ram_bytes=peak,
            footprint=self._model.footprint,
            metrics=self._model.metrics(),
            notes=(
                *self._model.notes(),
                *self._output_notes(),
                *(self._loop_meter.notes() if self._loop_meter else ()),
            ),
            faults=tuple(self._model.faults()),
            layers=self.layers() if layers else (),
            after=after,
        )

    def layers(self) -> tuple[LayerCost, ...]:
        """What each operator costs."""
        return tuple(self._model.layers())

    def close(self) -> None:
        """Release the model."""
        self._stack.close()

    def _in_loops(self, target: MeasuresInLoops, first: Sample, load_s: float) -> Loaded:
        """Find how many inferences a loop needs: from a short one, because the first inference may be slower."""
        few = max(1, math.ceil(TRIAL_SHARE * target.loop_s / first.latencies_s[0]))
        inference_s = self._model.run(few).latencies_s[0]
        iterations = math.ceil((1 + LOOP_MARGIN) * target.loop_s / inference_s)
        if self._attached is not None and isinstance(self._model, HeardLoops):
            self._loop_meter = LoopMeter(self._attached, self._device.idle_s)
        return Loaded(
            load_s=load_s,
            first=first,
            iterations=iterations,
            burst_s=iterations * inference_s,
            energy_scope=self._loop_meter.scope if self._loop_meter else None,
            method=f"loops of {iterations:,} inferences, {self._model.method}",
            loops=target.loops,
        )

    def _warm_up(self, first: Sample) -> float:
        """Run until caches, branch predictors and clocks have settled; returns seconds per inference."""
        begin = time.perf_counter()
        latencies = list(first.latencies_s)
        while len(latencies) < WARM_UP_RUNS and time.perf_counter() - begin < WARM_UP_S:
            latencies.extend(self._model.run(1).latencies_s)
        return float(np.median(latencies[len(latencies) // 2 :]))

    def _output_notes(self) -> list[str]:
        broken = []
        for name, value in self._model.outputs().items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                kind = "not-a-number" if np.isnan(value).any() else "infinite"
                broken.append(f"output {name!r} contains {kind} values: check the weights and the inputs")
        return broken
