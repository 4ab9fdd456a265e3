"""One model on one device while it is measured: collects processes until the figures are good enough."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from edgebench.core.device import Device
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, LayerCost, Outcome, ProcessRun, Profile, Sample
from edgebench.core.statistics import Interval, median_interval
from edgebench.store.codec import from_plain, to_plain
from edgebench.workers.measuring.session import Finished, Loaded
from edgebench.workers.worker import ChildError, ChildProcess

BURSTS_S = 0.6
MIN_BURSTS = 3
MAX_BURSTS = 15
MAX_PROCESSES = 15


class Cell:
    """The state of one profile.

    Attributes:
        sampled: Whether running again gives new information.
        finished: Whether nothing more is to be done.
    """

    def __init__(
        self, *, name: str, model: ModelInfo, device: Device, plan: MeasurementPlan, inputs: InputSource
    ) -> None:
        self.name = name
        self.model = model
        self.device = device
        self.path = ""
        self.deployed: ModelInfo | None = None
        self.sampled = True
        self.latency_provenance: Provenance | None = None
        self.versions: dict[str, str] = {}
        self.notes: list[str] = list(device.notes)
        self.finished = False
        self._plan = plan
        self._inputs = inputs
        self._outcome = Outcome.INTERRUPTED
        self._failure: Failure | None = Failure(message="the measurement was not finished")
        self._processes: list[ProcessRun] = []
        self._metrics: dict[str, Metric] = {}
        self._layers: tuple[LayerCost, ...] = ()
        self._method = ""
        self._energy_scope: str | None = None
        self._spent_s = 0.0
        self._child: ChildProcess | None = None
        self._loaded: Loaded | None = None
        self._bursts: list[Sample] = []

    @property
    def model_bytes(self) -> int:
        """Size of the file that is loaded."""
        return (self.deployed or self.model).size_bytes

    @property
    def wants_burst(self) -> bool:
        """Whether the process at hand should run another burst."""
        loaded = self._loaded
        if self._child is None or loaded is None or not self.sampled:
            return False
        taken = sum(burst.wall_s or 0.0 for burst in self._bursts)
        enough = len(self._bursts) >= MIN_BURSTS and taken >= BURSTS_S
        return not enough and len(self._bursts) < MAX_BURSTS and self._left_s() > loaded.burst_s

    def start(self, stack: ExitStack, number: int) -> bool:
        """Start a fresh process and load the model.

        Returns:
            Whether the process is ready for bursts.
        """
        self._loaded, self._bursts = None, []
        self._child = stack.enter_context(ChildProcess(number=number, memory_limit_bytes=self._plan.memory_limit_bytes))
        answer = self._ask(
            {
                "do": "load",
                "device": to_plain(self.device),
                "model": self.path,
                "inputs": to_plain(self._input_source()),
            }
        )
        if answer is None:
            return False
        self._loaded = from_plain(Loaded, answer, where="answer of the child process")
        self._method = self._loaded.method
        self._energy_scope = self._loaded.energy_scope
        return self.sampled

    def burst(self) -> None:
        """Run one burst; a failure ends the cell and keeps what was sampled."""
        if self._loaded is None:
            return
        answer = self._ask({"do": "run", "iterations": self._loaded.iterations})
        if answer is not None:
            self._bursts.append(from_plain(Sample, answer, where="answer of the child process"))

    def finish(self) -> None:
        """Close the process at hand, keep its samples, and decide whether there is another."""
        finished = self._last_figures() if self._child is not None else None
        if self._loaded is not None:
            self._processes.append(
                ProcessRun(
                    load_s=self._loaded.load_s if self.sampled else None,
                    first_inference_s=self._loaded.first.latencies_s[0] if self.sampled else None,
                    peak_ram_bytes=finished.peak_ram_bytes if finished and self.sampled else None,
                    bursts=tuple(self._bursts),
                )
            )
        if self._child is not None:
            self._child.close()
        self._child, self._loaded = None, None
        if not self.finished:
            self._decide()

    def fail(self, outcome: Outcome, failure: Failure) -> None:
        """End the cell for a reason."""
        self._outcome, self._failure, self.finished = outcome, failure, True

    def interrupt(self) -> None:
        """End the cell because the user wants to."""
        if self._bursts and self._loaded is not None:
            self._processes.append(ProcessRun(load_s=self._loaded.load_s, bursts=tuple(self._bursts)))
        if not self.finished:
            self.fail(
                Outcome.INTERRUPTED,
                Failure(message=f"interrupted after {len(self._processes)} of {self._plan.repetitions} processes"),
            )

    def profile(self) -> Profile:
        """The profile as far as it has come."""
        return Profile(
            model=self.model,
            device=self.device,
            outcome=self._outcome,
            failure=self._failure,
            processes=tuple(self._processes),
            metrics=self._metrics,
            layers=self._layers,
            versions=self.versions,
            notes=tuple(dict.fromkeys(self.notes)),
            latency_provenance=self.latency_provenance,
            method=self._method,
            deployed=self.deployed,
            energy_scope=self._energy_scope,
        )

    def _input_source(self) -> InputSource:
        """Inputs, with what the file knows of them and the runtime does not."""
        specs = (self.deployed or self.model).inputs
        return replace(self._inputs, upper={spec.name: spec.upper for spec in specs if spec.upper is not None})

    def _last_figures(self) -> Finished | None:
        if self._loaded is None:
            return None
        wants_layers = self._plan.layers and not self._layers
        answer = self._ask({"do": "finish", "layers": wants_layers})
        if answer is None:
            return None
        finished = from_plain(Finished, answer, where="answer of the child process")
        self._metrics.update(finished.metrics)
        for name in ("ram_bytes", "flash_bytes"):
            figure: Metric | None = getattr(finished.footprint, name)
            if figure is not None:
                self._metrics[name] = figure
        self.notes.extend(finished.notes)
        if finished.faults:
            self.fail(
                Outcome.WRONG_RESULTS,
                Failure(message="; ".join(finished.faults), remedy="do not ship on these numbers"),
            )
        if wants_layers:
            self._layers = finished.layers
            if not finished.layers:
                self.notes.append(f"target {self.device.target} cannot tell operators apart")
        return finished

    def _decide(self) -> None:
        """Finished when deterministic, precise enough, or out of time."""
        if not self.sampled:
            self._succeed()
            return
        interval = median_interval([_latencies(process) for process in self._processes])
        enough = len(self._processes) >= self._plan.repetitions
        if enough and (self._plan.repetitions == 1 or interval.relative_width <= self._plan.goal):
            self._succeed()
        elif self._left_s() <= self._spent_s / len(self._processes):
            self._stop_short(f"time limit of {self._plan.time_limit_s:g} s reached", interval)
        elif len(self._processes) >= MAX_PROCESSES:
            self._stop_short("stopped", interval)

    def _stop_short(self, why: str, interval: Interval) -> None:
        width = f", interval {interval.relative_width:.1%} wide" if interval.low is not None else ""
        self.notes.append(f"{why} after {len(self._processes)} processes{width} (goal {self._plan.goal:.1%})")
        self._succeed()

    def _succeed(self) -> None:
        self._outcome, self._failure, self.finished = Outcome.OK, None, True

    def _left_s(self) -> float:
        return self._plan.time_limit_s - self._spent_s

    def _ask(self, request: dict[str, Any]) -> Any:
        if self._child is None:
            return None
        start = time.monotonic()
        try:
            return self._child.ask(request, timeout_s=max(1.0, self._left_s()))
        except ChildError as error:
            self.fail(error.outcome, Failure(message=error.message, remedy=error.remedy))
            self._child.close()
            self._child = None
            return None
        finally:
            self._spent_s += time.monotonic() - start


def _latencies(process: ProcessRun) -> list[float]:
    return [latency for burst in process.bursts for latency in burst.latencies_s]
