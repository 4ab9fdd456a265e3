"""Profiles small networks by the hundred: one warm worker for a simulator, short races for a runtime."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Outcome
from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.models.network import Network
from edgebench.models.prepare import PrepareRequest
from edgebench.models.write import write_network
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.board_jobs import CoolDown
from edgebench.workers.measuring.jobs import Finish, Load, Prepare
from edgebench.workers.measuring.model_jobs import CountOperators
from edgebench.workers.measuring.race_jobs import Race, RaceResult
from edgebench.workers.measuring.reserving import reserve
from edgebench.workers.protocol import Answer, Request
from edgebench.workers.worker import RETRIES, ChildError, Worker

T = TypeVar("T")
TIMEOUT_S = 300.0
RACE_PROCESSES = 3
REFERENCE_PROCESSES = 5
REFERENCE_S = 0.4
WHOLE_S = 0.5


class Bench:
    """Workers for one device.

    Args:
        device: Where networks are profiled.
        dtype: ``float32`` or ``int8``.
        folder: Where model files are written.
        reference: A network that takes part in every race: when it is slow, so is the machine.
        reference_s: Its latency when nothing disturbs it, or None to measure that first.
        workers: Starts the processes.
        on_wait: Called with who uses the device's board or machine meanwhile.

    Attributes:
        reference_s: What latencies are relative to; None until something is measured.
        disturbed: Keys of blocks that were measured while processes did not agree.
        notes: What a reader of the table must know.
        versions: Of the target and what it builds on, where the device is.
        cpu: The processor there.

    Raises:
        TargetUnavailableError: The device cannot be used here.
        UnsupportedModelError: Its target takes no file that edgebench writes, or not this type.
    """

    def __init__(
        self,
        device: Device,
        dtype: str,
        folder: Path,
        reference: Network,
        reference_s: float | None = None,
        *,
        workers: Workers = LOCAL,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.device = device
        self.reference_s = reference_s
        self.disturbed: set[str] = set()
        self.notes: list[str] = []
        self._reference = reference
        self._reference_path: Path | None = None
        target = create_target(device)
        self._seen = seen = workers.look(device)
        self.versions, self.cpu = seen.versions, seen.machine.get("cpu", "")
        self.deterministic = target.deterministic
        self.latency_provenance = target.latency_provenance
        self._formats = target.formats
        if target.dtype is not None and target.dtype != dtype:
            raise UnsupportedModelError(
                f"{device.name} takes only {target.dtype} networks", remedy=f"use --dtype {target.dtype}"
            )
        written = [form for form in target.formats if form in {ModelFormat.ONNX, ModelFormat.TFLITE}]
        if not written or (dtype == DataType.INT8 and ModelFormat.TFLITE not in written):
            kinds = ", ".join(target.formats)
            raise UnsupportedModelError(
                f"no {dtype} table can be built for {device.name}: its target takes {kinds} files",
                remedy="use a device whose target takes .tflite files, or --dtype float32",
            )
        self._format = ModelFormat.TFLITE if dtype == DataType.INT8 else written[0]
        self._dtype = dtype
        self._folder = folder
        self._numbers = itertools.count()
        self._workers = workers
        self._on_wait = on_wait
        self._worker: Worker | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._again(self._hold)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._stack.close()

    def profile(self, network: Network) -> Mapping[str, Metric]:
        """All figures of one network on a target that need not be sampled.

        If layers have their own code, its total size is the figure ``layer_code_bytes``.

        Raises:
            UnsupportedModelError: The network does not run there.
            TargetUnavailableError: A compiler or simulator is missing.
        """
        return self._again(lambda: self._profiled(network))

    def _profiled(self, network: Network) -> Mapping[str, Metric]:
        path = self._prepared(network)
        self._ask(Load(device=self.device, model=str(path), inputs=InputSource()))
        finished = self._ask(Finish(layers=True))
        path.unlink(missing_ok=True)
        if finished.faults:
            raise UnsupportedModelError("; ".join(finished.faults), where=network.name)
        figures = dict(finished.metrics)
        own = [layer.metrics["code_bytes"] for layer in finished.layers if "code_bytes" in layer.metrics]
        if own:
            figures["layer_code_bytes"] = replace(own[0], value=sum(metric.value for metric in own))
        for name in ("ram_bytes", "flash_bytes"):
            metric: Metric | None = getattr(finished.footprint, name)
            if metric is not None:
                figures[name] = metric
        return figures

    def operators(self, networks: Sequence[Network]) -> tuple[Mapping[str, int], ...] | None:
        """How often the runtime executes each operator in each network; None where the target does not tell.

        Raises:
            UnsupportedModelError: A network does not run there.
        """
        return self._again(lambda: self._counted(networks))

    def _counted(self, networks: Sequence[Network]) -> tuple[Mapping[str, int], ...] | None:
        paths = [self._prepared(network) for network in networks]
        found = self._ask(CountOperators(device=self.device, models=tuple(map(str, paths)))).counts
        for path in paths:
            path.unlink(missing_ok=True)
        return found

    def race(self, networks: Sequence[Network], seconds: float) -> tuple[RaceResult, ...]:
        """Run networks and the reference in turn in several fresh processes.

        What slows a process down (another tenant of the machine, a lower clock) slows the reference down as well, so
        that each network's share of the reference's latency repeats better than its latency.

        Args:
            networks: The networks to compare.
            seconds: Time for each process and network.

        Returns:
            For each network its share of the reference's 5th percentile, times the reference's latency when nothing
            disturbs it: the median over processes.

        Raises:
            UnsupportedModelError: A network does not run there.
        """
        return over_processes(self.race_each(networks, seconds))

    def race_each(self, networks: Sequence[Network], seconds: float) -> list[tuple[RaceResult, ...]]:
        """The same for each process on its own."""
        return self._again(lambda: self._raced_each(networks, seconds))

    def _raced_each(self, networks: Sequence[Network], seconds: float) -> list[tuple[RaceResult, ...]]:
        if self._reference_path is None:
            self._reference_path = self._prepared(self._reference)
        if self.reference_s is None:
            alone = [self._raced([], REFERENCE_S) for _ in range(REFERENCE_PROCESSES)]
            self.reference_s = min(results[-1].latency_p5_s for results in alone)
        paths = [self._prepared(network) for network in networks]
        taken = [self._raced(paths, seconds) for _ in range(RACE_PROCESSES)]
        self._end()
        for path in paths:
            path.unlink(missing_ok=True)
        return [
            tuple(_in_terms_of(result, results[-1], self.reference_s) for result in results[: len(paths)])
            for results in taken
        ]

    def race_whole(self, network: Network) -> RaceResult:
        """A race of one network of the space against the reference.

        Raises:
            UnsupportedModelError: The network does not run there.
        """
        return self.race([network], WHOLE_S)[0]

    def _raced(self, paths: Sequence[Path], seconds: float) -> Sequence[RaceResult]:
        """One fresh process; the last result is that of the reference."""
        entered = tuple(str(path) for path in [*paths, self._reference_path])
        self._end()
        self._reserve()
        if self.device.cool_to_c is not None:
            self._ask(CoolDown(device=self.device), TIMEOUT_S + self.device.cool_within_s)
        return self._ask(Race(device=self.device, models=entered, seconds=seconds * len(entered))).results

    def _prepared(self, network: Network) -> Path:
        """A file that the target takes."""
        name = f"network{next(self._numbers)}"
        path = self._folder / f"{name}{self._format.suffix}"
        write_network(network, self._format, path)
        if self._dtype == DataType.FLOAT32:
            return path
        folder = self._folder / name
        folder.mkdir()
        request = PrepareRequest(source=str(path), formats=self._formats, dtype=self._dtype, folder=str(folder))
        prepared = self._ask(Prepare(wanted=request))
        path.unlink()
        return Path(prepared.path)

    def _ask(self, request: Request[Answer], timeout_s: float = TIMEOUT_S) -> Answer:
        with self._reported():
            return self._opened().ask(request, timeout_s=timeout_s)

    def _reserve(self) -> None:
        """Have the board or machine for the next process; the wait is not the networks'."""
        with self._reported():
            reserve(self._opened(), self.device, self.device.name, self._on_wait)

    def _opened(self) -> Worker:
        if self._worker is None:
            self._worker = self._workers.measuring()
        return self._worker

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except ChildError as error:
            self._end()
            if error.lost:
                raise _HostLostError(error.message, remedy=error.remedy) from None
            if error.outcome is Outcome.UNAVAILABLE:
                raise TargetUnavailableError(error.message, remedy=error.remedy) from None
            raise UnsupportedModelError(error.message, where=self.device.name, remedy=error.remedy) from None

    def _hold(self) -> None:
        try:
            self._stack.enter_context(self._workers.holding(self.device, self._on_wait))
        except ChildError as error:
            kind = _HostLostError if error.lost else TargetUnavailableError
            raise kind(error.message, remedy=error.remedy) from None

    def _again(self, step: Callable[[], T]) -> T:
        """Do something as a whole; again if its host is lost meanwhile.

        Raises:
            TargetUnavailableError: It was lost again and again, or only another machine has the device.
        """
        for attempt in range(RETRIES + 1):
            try:
                if attempt:
                    self._find_again()
                return step()
            except _HostLostError:
                if attempt == RETRIES:
                    raise
        raise TargetUnavailableError("the device's host was lost again and again")

    def _find_again(self) -> None:
        """After the host was lost: a table is of one machine."""
        self._end()
        self._stack.close()
        seen = self._workers.look(self.device)
        if seen.versions != self.versions or not (self.deterministic or seen.host == self._seen.host):
            raise TargetUnavailableError(
                f"host {self._seen.host} has left, and {seen.host} is another machine",
                where=self.device.name,
                remedy="run the same command when it is back: what was measured is in the table",
            )
        self._hold()

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


class _HostLostError(TargetUnavailableError):
    """The device's host is gone."""


def _in_terms_of(result: RaceResult, reference: RaceResult, reference_s: float) -> RaceResult:
    scale = reference_s / reference.latency_p5_s
    return replace(result, latency_p5_s=result.latency_p5_s * scale, latency_s=result.latency_s * scale)


def over_processes(processes: Sequence[Sequence[RaceResult]]) -> tuple[RaceResult, ...]:
    """For each network the median over processes.

    Args:
        processes: For each process a result for each network.
    """
    return tuple(_median(results) for results in zip(*processes, strict=True))


def _median(results: Sequence[RaceResult]) -> RaceResult:
    energies = [result.energy_j for result in results if result.energy_j is not None]
    return RaceResult(
        latency_p5_s=statistics.median(result.latency_p5_s for result in results),
        latency_s=statistics.median(result.latency_s for result in results),
        energy_j=statistics.median(energies) if energies else None,
    )
