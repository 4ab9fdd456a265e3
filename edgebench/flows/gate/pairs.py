"""Two models in interleaved fresh processes: what one pair of processes says of their ratio."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from edgebench.core.board_link import times_itself
from edgebench.core.figure import ENERGY, LATENCY
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, ProcessRun, Profile, Sample
from edgebench.flows.profile.preparation import Ready
from edgebench.gate.limits import P90
from edgebench.gate.rule import Levels
from edgebench.workers.base import Workers
from edgebench.workers.measuring.jobs import Finish, Finished, Loaded, Run
from edgebench.workers.measuring.reserving import reserve
from edgebench.workers.protocol import Answer, Request
from edgebench.workers.worker import ChildError, Worker

BURSTS = 30
MIN_BURSTS = 6
BURST_S = 0.007
MIN_RUNS = 3
MAX_RUNS = 100
PAIR_S = 2.0
"""Time of both models' bursts together, unless the fewest bursts take longer."""
_TAIL_RUNS = 30
"""A 90th percentile of fewer runs is about their maximum."""
LOAD, FIRST, PROCESS_RAM = "load_s", "first_inference_s", "peak_ram_bytes"
PAIRED = (LATENCY, P90, ENERGY, LOAD, FIRST, PROCESS_RAM)
"""Figures that a pair of processes gives a ratio of."""


class SideFailedError(Exception):
    """One of two models could not be measured.

    Attributes:
        ready: Which of them.
        error: What happened to its process.
    """

    def __init__(self, ready: Ready, error: ChildError) -> None:
        super().__init__(error.message)
        self.ready = ready
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One pair of fresh processes.

    Attributes:
        ratios: By figure, the logarithm of candidate over baseline; a figure that either lacks is left out.
        seconds: How long it took, without waiting for others.
        levels: By figure, how fast the two processes were, where being slowed falsifies the figure.
    """

    ratios: Mapping[str, float]
    seconds: float
    levels: Mapping[str, Levels]


class Side:
    """One of two models, over all its processes.

    Args:
        ready: What is measured.
        plan: Limits of each process.
        inputs: Where inputs come from.
        workers: Starts the processes.
        on_wait: Called with who uses the device's board or machine meanwhile.

    Attributes:
        ready: What is measured.
        processes: Those that have ended.
        waited_s: How long others were waited for.
    """

    def __init__(
        self,
        ready: Ready,
        plan: MeasurementPlan,
        inputs: InputSource,
        workers: Workers,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.ready = ready
        self.processes: list[ProcessRun] = []
        self.waited_s = 0.0
        self._plan, self._inputs, self._workers, self._on_wait = plan, inputs, workers, on_wait
        self._worker: Worker | None = None
        self._bursts: list[Sample] = []
        self._metrics: dict[str, Metric] = {}
        self._notes: list[str] = list(ready.notes)
        self._loaded: Loaded | None = None

    def load(self, stack: ExitStack, number: int) -> Loaded:
        """Start a fresh process and load the model.

        Raises:
            SideFailedError: It could not be loaded.
        """
        self._bursts = []
        worker = self._workers.measuring(number=number, memory_limit_bytes=self._plan.memory_limit_bytes)
        self._worker = stack.enter_context(worker)
        begin_s = time.monotonic()
        try:
            reserve(worker, self.ready.device, self.ready.name, self._on_wait)
        except ChildError as error:
            raise SideFailedError(self.ready, error) from None
        finally:
            self.waited_s += time.monotonic() - begin_s
        self._loaded = self._ask(self.ready.load_request(self._inputs))
        return self._loaded

    def burst(self, iterations: int) -> None:
        """Run one burst.

        Raises:
            SideFailedError: The process died or did not answer.
        """
        self._bursts.append(self._ask(Run(iterations=iterations)))

    def finish(self, *, layers: bool = False) -> Finished:
        """Read the last figures and end the process.

        Raises:
            SideFailedError: The process died or did not answer.
        """
        finished = self._ask(Finish(layers=layers))
        if self._worker is not None:
            self._worker.close()
        self._metrics.update(finished.metrics)
        for name in ("ram_bytes", "flash_bytes"):
            figure: Metric | None = getattr(finished.footprint, name)
            if figure is not None:
                self._metrics[name] = figure
        self._notes.extend((*finished.notes, *finished.faults))
        loaded = self._loaded
        if loaded is not None and self._bursts:
            first, here = loaded.first.latencies_s, loaded.loops is None
            self.processes.append(
                ProcessRun(
                    load_s=loaded.load_s if here else None,
                    first_inference_s=first[0] if first else None,
                    peak_ram_bytes=finished.peak_ram_bytes if here else None,
                    bursts=tuple(self._bursts),
                )
            )
        return finished

    def profile(self) -> Profile:
        """Everything that was sampled, as a profile."""
        return Profile(
            model=self.ready.model,
            device=self.ready.device,
            outcome=Outcome.OK,
            processes=tuple(self.processes),
            metrics=self._metrics,
            versions=self.ready.versions,
            notes=tuple(dict.fromkeys(self._notes)),
            latency_provenance=self.ready.latency_provenance,
            method="" if self._loaded is None else self._loaded.method,
            deployed=self.ready.deployed,
            energy_scope=None if self._loaded is None else self._loaded.energy_scope,
            machine=self.ready.machine,
        )

    def _ask(self, request: Request[Answer]) -> Answer:
        if self._worker is None:
            raise RuntimeError("no process was started")
        try:
            return self._worker.ask(request, timeout_s=self._plan.time_limit_s)
        except ChildError as error:
            raise SideFailedError(self.ready, error) from None


def run_pair(before: Side, after: Side, number: int, clock: Callable[[], float] = time.monotonic) -> Pair:
    """One fresh process for each of two models, burst by burst in turn.

    Which of them is first changes from pair to pair and from burst to burst, so that neither always follows the other.

    Args:
        before: The baseline.
        after: The candidate.
        number: Of the pair, from 0.
        clock: Tells the time in seconds.

    Raises:
        SideFailedError: One of them could not be measured.
    """
    start, waited_s = clock(), before.waited_s + after.waited_s
    order = (before, after) if number % 2 == 0 else (after, before)
    if times_itself(after.ready.device):
        for side in order:
            _alone(side, number)
    else:
        _in_turn(order, number)
    runs_of = before.processes[-1], after.processes[-1]
    return Pair(
        ratios=pair_ratios(*runs_of),
        seconds=clock() - start - (before.waited_s + after.waited_s - waited_s),
        levels=pair_levels(*runs_of),
    )


def _in_turn(order: Sequence[Side], number: int) -> None:
    with ExitStack() as stack:
        loaded = {side: side.load(stack, number) for side in order}
        runs, bursts = _plan(list(loaded.values()))
        for turn in range(bursts):
            for side in order if turn % 2 == 0 else reversed(order):
                side.burst(runs)
        for side in order:
            side.finish()


def _alone(side: Side, number: int) -> None:
    """A board has one model at a time, and nothing disturbs it."""
    with ExitStack() as stack:
        loaded = side.load(stack, number)
        runs = max(1, round(PAIR_S / 2 / MIN_BURSTS * loaded.iterations / loaded.burst_s))
        for _ in range(MIN_BURSTS):
            side.burst(runs)
        side.finish()


def _plan(loaded: Sequence[Loaded]) -> tuple[int, int]:
    """Runs in a burst, and bursts of each model."""
    metered = [item.iterations for item in loaded if item.energy_scope]
    slowest = max((item.burst_s / item.iterations for item in loaded), default=0.0)
    if slowest <= 0:
        return MAX_RUNS, BURSTS
    runs = max(metered) if metered else min(MAX_RUNS, max(MIN_RUNS, round(BURST_S / slowest)))
    return runs, min(BURSTS, max(MIN_BURSTS, math.floor(PAIR_S / (len(loaded) * runs * slowest))))


def pair_ratios(before: ProcessRun, after: ProcessRun) -> dict[str, float]:
    """By figure, the logarithm of candidate over baseline.

    For the latency it is that of a low percentile of all runs of the process: what comes and goes while it runs does
    not change it, if it leaves the process alone for a twentieth of its time. For the tail it is the first quartile
    over groups of bursts: a tail of the model's own is in all of them, one that the machine made is not. For energy it
    is the median over bursts of the ratio of neighbouring bursts.
    """
    levels = pair_levels(before, after)
    found = {
        LATENCY: levels[LATENCY][1] - levels[LATENCY][0] if LATENCY in levels else None,
        P90: _log_ratio(_tail(before), _tail(after)),
        ENERGY: _over_bursts(_energies(before), _energies(after)),
        LOAD: _log_ratio(before.load_s, after.load_s),
        FIRST: _log_ratio(before.first_inference_s, after.first_inference_s),
        PROCESS_RAM: _log_ratio(before.peak_ram_bytes, after.peak_ram_bytes),
    }
    return {name: value for name, value in found.items() if value is not None}


def pair_levels(before: ProcessRun, after: ProcessRun) -> dict[str, Levels]:
    """By figure that a slowed process falsifies, how fast the two were: logarithms of low percentiles of latencies."""
    one, other = _level(before), _level(after)
    return {} if one is None or other is None else {LATENCY: (one, other), ENERGY: (one, other)}


def _level(process: ProcessRun) -> float | None:
    latencies = [latency for burst in process.bursts for latency in burst.latencies_s]
    value = float(np.percentile(latencies, 5)) if latencies else 0.0
    return math.log(value) if value > 0 else None


def _tail(process: ProcessRun) -> float | None:
    """The 90th percentile of each group of bursts that has enough runs, and of these the first quartile."""
    runs = min((len(burst.latencies_s) for burst in process.bursts), default=0)
    together = min(-(-_TAIL_RUNS // runs), len(process.bursts)) if runs else 1
    bursts = process.bursts
    groups = [bursts[start : start + together] for start in range(0, len(bursts) - together + 1, together)]
    tails = [np.percentile([latency for burst in group for latency in burst.latencies_s], 90) for group in groups]
    return float(np.quantile(tails, 0.25)) if tails else None


def _energies(process: ProcessRun) -> list[float]:
    known = [burst for burst in process.bursts if burst.energy_j is not None]
    return [(burst.energy_j or 0.0) / len(burst.latencies_s) for burst in known]


def _over_bursts(before: Sequence[float], after: Sequence[float]) -> float | None:
    ratios = [_log_ratio(one, other) for one, other in zip(before, after, strict=False)]
    known = [ratio for ratio in ratios if ratio is not None]
    return float(np.median(known)) if known else None


def _log_ratio(before: float | None, after: float | None) -> float | None:
    return math.log(after / before) if before and after and before > 0 and after > 0 else None
