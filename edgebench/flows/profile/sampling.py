"""One model on one device while it is measured: collects processes until the figures are good enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from edgebench.core.board_link import times_itself
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, LayerCost, Outcome, ProcessRun, Profile, Sample
from edgebench.core.statistics import Interval, median_interval
from edgebench.core.surroundings import throttling
from edgebench.errors import EdgebenchError
from edgebench.flows.profile.preparation import Ready
from edgebench.workers.base import Workers
from edgebench.workers.measuring.board_jobs import CoolDown
from edgebench.workers.measuring.jobs import Finish, Finished, ListLayers, Loaded, Run
from edgebench.workers.measuring.reserving import reserve
from edgebench.workers.protocol import Answer, Request
from edgebench.workers.worker import RETRIES, ChildError, Worker

BURSTS_S = 0.6
MIN_BURSTS = 3
MAX_BURSTS = 15
MAX_PROCESSES = 15
LOOP_SLACK = 1.2
COOL_SLACK_S = 60.0
"""Time for a process to start on a board, besides the time that cooling may take."""


class Sampling:
    """The state of one measurement.

    Args:
        ready: What is measured.
        plan: How long and how often.
        inputs: Where inputs come from.
        workers: Starts the processes it runs in.
        on_progress: Called when it has to wait for its board.

    Attributes:
        ready: What is measured.
        finished: Whether there is nothing left to do.
    """

    def __init__(
        self,
        ready: Ready,
        plan: MeasurementPlan,
        inputs: InputSource,
        workers: Workers,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.ready = ready
        self.finished = False
        self._plan = plan
        self._inputs = inputs
        self._workers = workers
        self._on_progress = on_progress
        self._outcome = Outcome.INTERRUPTED
        self._failure: Failure | None = Failure(message="the measurement was not finished")
        self._processes: list[ProcessRun] = []
        self._metrics: dict[str, Metric] = {}
        self._layers: tuple[LayerCost, ...] = ()
        self._layers_asked = False
        place = f"host {ready.host}" if ready.host else "the board"
        self._notes: list[str] = [*ready.notes, *(f"{place}: {text}" for text in ready.warnings)]
        self._method = ""
        self._energy_scope: str | None = None
        self._spent_s = 0.0
        self._loops: int | None = None
        self._loops_s = 0.0
        self._losses = 0
        self._lost = False
        self._worker: Worker | None = None
        self._loaded: Loaded | None = None
        self._bursts: list[Sample] = []

    @property
    def wants_burst(self) -> bool:
        """Whether the current process should run another burst."""
        loaded = self._loaded
        if self._worker is None or loaded is None or not self.ready.sampled:
            return False
        if loaded.loops is not None:
            return len(self._bursts) < loaded.loops and self._left_s() > loaded.burst_s
        taken = sum(burst.wall_s or 0.0 for burst in self._bursts)
        enough = len(self._bursts) >= MIN_BURSTS and taken >= BURSTS_S
        return not enough and len(self._bursts) < MAX_BURSTS and self._left_s() > loaded.burst_s

    def start(self, stack: ExitStack, number: int) -> bool:
        """Start a fresh process and load the model.

        Returns:
            Whether the process is ready for bursts.
        """
        self._loaded, self._bursts = None, []
        try:
            if self._lost:
                self._find_again()
            stack.enter_context(self._workers.holding(self.ready.device, self._waits_for))
        except ChildError as error:
            self._give_up(error)
            return False
        worker = self._workers.measuring(number=number, memory_limit_bytes=self._plan.memory_limit_bytes)
        self._worker = stack.enter_context(worker)
        if self.ready.sampled and not (self._reserved(worker) and self._cooled(worker)):
            return False
        self._loaded = self._ask(self.ready.load_request(self._inputs))
        if self._loaded is None:
            return False
        self._method = self._loaded.method
        self._energy_scope = self._loaded.energy_scope
        self._loops = self._loaded.loops
        # A protocol that prescribes loops of ten seconds prescribes their time: the limit is for everything else.
        self._loops_s = LOOP_SLACK * self._loaded.loops * self._loaded.burst_s if self._loaded.loops else 0.0
        return self.ready.sampled

    def _reserved(self, worker: Worker) -> bool:
        """Have the board; the time until then belongs to others, and does not count."""
        try:
            reserve(worker, self.ready.device, self.ready.name, self._on_progress)
        except ChildError as error:
            self._give_up(error)
            return False
        return True

    def _waits_for(self, owner: str) -> None:
        self._on_progress(f"{self.ready.name} waits for {owner}")

    def _find_again(self) -> None:
        """After its host was lost: what was measured on another one does not count, samples are of one machine.

        Raises:
            ChildError: No host has the device.
        """
        try:
            seen = self._workers.look(self.ready.device)
        except EdgebenchError as error:
            raise ChildError(Outcome.UNAVAILABLE, error.what, error.remedy) from None
        self._lost = False
        if seen.host != self.ready.host:
            self._processes, self._metrics, self._layers, self._spent_s = [], {}, (), 0.0
            self._layers_asked = False
            self.ready = replace(self.ready, versions=seen.versions, machine=seen.machine, host=seen.host)

    def burst(self) -> None:
        """Run one burst; a failure ends the sampling and keeps the samples so far."""
        if self._loaded is None:
            return
        burst = self._ask(Run(iterations=self._loaded.iterations))
        if burst is not None:
            self._bursts.append(burst)

    def finish(self) -> None:
        """Close the current process, keep its samples, and decide whether another one follows."""
        finished = self._last_figures() if self._worker is not None else None
        if self._loaded is not None:
            self._processes.append(self._process_run(self._loaded, finished))
        if self._worker is not None:
            self._worker.close()
        self._worker, self._loaded = None, None
        if not self.finished and not self._lost:
            self._decide()

    def fail(self, outcome: Outcome, failure: Failure) -> None:
        """End the sampling for a reason."""
        self._outcome, self._failure, self.finished = outcome, failure, True

    def interrupt(self) -> None:
        """End the sampling at the user's request."""
        if self._bursts and self._loaded is not None:
            self._processes.append(ProcessRun(load_s=self._loaded.load_s, bursts=tuple(self._bursts)))
        if not self.finished:
            self.fail(
                Outcome.INTERRUPTED,
                Failure(message=f"interrupted after {len(self._processes)} of {self._plan.repetitions} processes"),
            )

    def profile(self) -> Profile:
        """The profile so far."""
        return Profile(
            model=self.ready.model,
            device=self.ready.device,
            outcome=self._outcome,
            failure=self._failure,
            processes=tuple(self._processes),
            metrics=self._metrics,
            layers=self._layers,
            versions=self.ready.versions,
            notes=tuple(dict.fromkeys(self._notes)),
            latency_provenance=self.ready.latency_provenance,
            method=self._method,
            deployed=self.ready.deployed,
            energy_scope=self._energy_scope,
            machine=self.ready.machine,
        )

    def _cooled(self, worker: Worker) -> bool:
        """Wait until the processor is as cool as the device's file wants it; that time is not the model's."""
        limit_c, within_s = self.ready.device.cool_to_c, self.ready.device.cool_within_s
        if limit_c is None or times_itself(self.ready.device):
            return True
        try:
            cooled = worker.ask(CoolDown(device=self.ready.device), timeout_s=within_s + COOL_SLACK_S)
        except ChildError as error:
            self._give_up(error)
            return False
        if cooled.temperature_c is None:
            self._notes.append("cool_to has no effect: the processor's temperature cannot be read")
        elif cooled.temperature_c > limit_c:
            self._notes.append(
                f"still {cooled.temperature_c:.0f} °C after {cooled.waited_s:.0f} s, above cool_to = {limit_c:g} °C"
            )
        return True

    def _process_run(self, loaded: Loaded, finished: Finished | None) -> ProcessRun:
        if not self.ready.sampled:
            return ProcessRun(bursts=tuple(self._bursts))
        here = loaded.loops is None
        return ProcessRun(
            load_s=loaded.load_s if here else None,
            first_inference_s=loaded.first.latencies_s[0] if loaded.first.latencies_s else None,
            peak_ram_bytes=finished.peak_ram_bytes if finished and here else None,
            bursts=tuple(self._bursts),
            before=loaded.before,
            after=finished.after if finished else None,
        )

    def _last_figures(self) -> Finished | None:
        if self._loaded is None:
            return None
        wants_layers = self._plan.layers and not self._layers_asked
        finished = self._ask(Finish(layers=False, release=not wants_layers))
        if finished is None:
            return None
        self._metrics.update(finished.metrics)
        for name in ("ram_bytes", "flash_bytes"):
            figure: Metric | None = getattr(finished.footprint, name)
            if figure is not None:
                self._metrics[name] = figure
        self._notes.extend(finished.notes)
        if self._loaded.before is not None and finished.after is not None:
            slowed = throttling(self._loaded.before, finished.after)
            self._notes.extend(() if slowed is None else (slowed,))
        if finished.faults:
            self.fail(
                Outcome.WRONG_RESULTS,
                Failure(message="; ".join(finished.faults), remedy="do not ship on these numbers"),
            )
        if wants_layers and self._worker is not None:
            self._list_layers(self._worker)
        return finished

    def _list_layers(self, worker: Worker) -> None:
        """Ask for the costs of single operators; that has a time of its own, and its failure costs no other figure."""
        self._layers_asked = True
        try:
            self._layers = worker.ask(ListLayers(), timeout_s=self._plan.time_limit_s).layers
        except ChildError as error:
            self._lost = self._lost or error.lost
            self._notes.append(f"single operators were not measured: {error.message}")
            return
        if not self._layers:
            self._notes.append(f"target {self.ready.device.target} does not report single operators")

    def _decide(self) -> None:
        """Finished when deterministic, precise enough, or out of time."""
        if not self.ready.sampled:
            self._succeed()
            return
        if self._loops is not None:
            self._succeed_in_loops(self._loops)
            return
        interval = median_interval([_latencies(process) for process in self._processes])
        enough = len(self._processes) >= self._plan.repetitions
        if enough and (self._plan.repetitions == 1 or interval.relative_width <= self._plan.goal):
            self._succeed()
        elif self._left_s() <= self._spent_s / len(self._processes):
            self._stop_short(f"time limit of {self._plan.time_limit_s:g} s reached", interval)
        elif len(self._processes) >= MAX_PROCESSES:
            self._stop_short("stopped", interval)

    def _succeed_in_loops(self, wanted: int) -> None:
        """A board repeats itself: one process is enough."""
        taken = len(self._processes[-1].bursts)
        if taken < wanted:
            self._notes.append(
                f"time limit of {self._plan.time_limit_s:g} s reached after {taken} of {wanted} loops: "
                "raise --time-limit"
            )
        self._succeed()

    def _stop_short(self, why: str, interval: Interval) -> None:
        width = f", interval {interval.relative_width:.1%} wide" if interval.low is not None else ""
        self._notes.append(f"{why} after {len(self._processes)} processes{width} (goal {self._plan.goal:.1%})")
        self._succeed()

    def _succeed(self) -> None:
        self._outcome, self._failure, self.finished = Outcome.OK, None, True

    def _left_s(self) -> float:
        return self._plan.time_limit_s + self._loops_s - self._spent_s

    def _ask(self, request: Request[Answer]) -> Answer | None:
        """An answer, or None after a failure, which ends the sampling."""
        if self._worker is None:
            return None
        start = time.monotonic()
        try:
            return self._worker.ask(request, timeout_s=max(1.0, self._left_s()))
        except ChildError as error:
            self._give_up(error)
            return None
        finally:
            self._spent_s += time.monotonic() - start

    def _give_up(self, error: ChildError) -> None:
        if error.lost and self._losses < RETRIES:
            # This process is begun again in the next round.
            self._losses += 1
            self._lost, self._loaded = True, None
        else:
            self.fail(error.outcome, Failure(message=error.message, remedy=error.remedy))
        if self._worker is not None:
            self._worker.close()
        self._worker = None


def _latencies(process: ProcessRun) -> list[float]:
    return [latency for burst in process.bursts for latency in burst.latencies_s]
