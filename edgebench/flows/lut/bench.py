"""Profiles small networks by the hundred: one warm child process for a simulator, short races for a runtime."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edgebench.core.device import Device
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Outcome
from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.flows.lut.context import write
from edgebench.flows.measurement.process import ChildError, ChildProcess
from edgebench.flows.measurement.race import RaceResult
from edgebench.flows.measurement.session import Finished
from edgebench.models.network import Network
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.store.codec import from_plain, to_plain
from edgebench.targets.registry import create_target

TIMEOUT_S = 300.0
RACE_PROCESSES = 3
MAX_PROCESSES = 8
QUIET = 1.02
"""How far the reference network may lie above its fastest tenth of processes before the machine counts as disturbed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """What a race found.

    Attributes:
        results: Of each network.
        quiet: Whether enough processes saw a machine that nothing else disturbed.
    """

    results: tuple[RaceResult, ...]
    quiet: bool


class Bench:
    """Child processes for one device.

    Args:
        device: Where networks are profiled.
        dtype: ``float32`` or ``int8``.
        folder: Where model files are written.
        reference: A large network that takes part in every race: when it is slow, so is the machine.

    Raises:
        TargetUnavailableError: The device cannot be used here.
        UnsupportedModelError: Its target takes no file that edgebench writes, or not this type.
    """

    def __init__(self, device: Device, dtype: str, folder: Path, reference: Network | None = None) -> None:
        self.device = device
        self._reference = reference
        self._reference_path: Path | None = None
        self._reference_s: list[float] = []
        target = create_target(device)
        self.versions = target.check()
        self.deterministic = target.deterministic
        self.latency_provenance = target.latency_provenance
        self._formats = target.formats
        if target.dtype is not None and target.dtype != dtype:
            raise UnsupportedModelError(
                f"{device.name} takes {target.dtype} networks alone", remedy=f"use --dtype {target.dtype}"
            )
        written = [form for form in target.formats if form in {ModelFormat.ONNX, ModelFormat.TFLITE}]
        if not written or (dtype == "int8" and ModelFormat.TFLITE not in written):
            kinds = ", ".join(target.formats)
            raise UnsupportedModelError(
                f"no {dtype} table can be built for {device.name}: its target takes {kinds} files",
                remedy="use a device whose target takes .tflite files, or --dtype float32",
            )
        self._format = ModelFormat.TFLITE if dtype == "int8" else written[0]
        self._dtype = dtype
        self._folder = folder
        self._numbers = itertools.count()
        self._child: ChildProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def profile(self, network: Network) -> Mapping[str, Metric]:
        """All figures of one network on a target that need not be sampled.

        Where layers have code of their own, its sum is the figure ``layer_code_bytes``.

        Raises:
            UnsupportedModelError: The network does not run there.
            TargetUnavailableError: A compiler or simulator is missing.
        """
        path = self._prepared(network)
        self._ask(
            {"do": "load", "device": to_plain(self.device), "model": str(path), "inputs": to_plain(InputSource())}
        )
        finished = from_plain(Finished, self._ask({"do": "finish", "layers": True}), where="answer of the child")
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

    def race(self, networks: Sequence[Network], seconds: float) -> Race:
        """Run networks in turn in several fresh processes, and in more while the machine is disturbed.

        Args:
            networks: What is compared.
            seconds: For each process.

        Returns:
            For each network the median latency over processes, and the lowest 5th percentile of any, as other
            tenants of the machine only ever make a process slower. Processes in which the reference network was
            slow are left out where there are others.

        Raises:
            UnsupportedModelError: A network does not run there.
        """
        paths = [self._prepared(network) for network in networks]
        if self._reference is not None and self._reference_path is None:
            self._reference_path = self._prepared(self._reference)
        entered = paths if self._reference_path is None else [*paths, self._reference_path]
        request = {
            "do": "race",
            "device": to_plain(self.device),
            "models": [str(path) for path in entered],
            "seconds": seconds * len(entered) / len(paths),
        }
        taken: list[list[RaceResult]] = []
        quiet: list[list[RaceResult]] = []
        while len(quiet) < RACE_PROCESSES and len(taken) < max(RACE_PROCESSES, MAX_PROCESSES):
            self._end()
            answer = self._ask(request)
            taken.append([from_plain(RaceResult, item, where="answer of the child") for item in answer])
            if self._reference_path is not None:
                self._reference_s.append(taken[-1][-1].latency_p5_s)
            quiet = [results for results in taken if self._was_quiet(results)]
        self._end()
        for path in paths:
            path.unlink(missing_ok=True)
        used = zip(*(quiet or taken), strict=True)
        return Race(
            results=tuple(_over_processes(results) for results in used)[: len(paths)],
            quiet=len(quiet) >= RACE_PROCESSES,
        )

    def _was_quiet(self, results: Sequence[RaceResult]) -> bool:
        if self._reference_path is None:
            return True
        return results[-1].latency_p5_s <= QUIET * float(np.quantile(self._reference_s, 0.1))

    def _prepared(self, network: Network) -> Path:
        """A file that the target takes."""
        name = f"network{next(self._numbers)}"
        path = write(network, self._format, self._folder, name)
        if self._dtype == "float32":
            return path
        folder = self._folder / name
        folder.mkdir()
        request = PrepareRequest(source=str(path), formats=self._formats, dtype=self._dtype, folder=str(folder))
        answer = self._ask({"do": "prepare", "request": to_plain(request)})
        path.unlink()
        return Path(from_plain(Prepared, answer, where="answer of the child").path)

    def _ask(self, request: dict[str, object]) -> list[object]:
        if self._child is None:
            self._child = ChildProcess()
        try:
            answer: list[object] = self._child.ask(request, timeout_s=TIMEOUT_S)
        except ChildError as error:
            self._end()
            if error.outcome is Outcome.UNAVAILABLE:
                raise TargetUnavailableError(error.message, remedy=error.remedy) from None
            raise UnsupportedModelError(error.message, where=self.device.name, remedy=error.remedy) from None
        return answer

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None


def _over_processes(results: Sequence[RaceResult]) -> RaceResult:
    energies = [result.energy_j for result in results if result.energy_j is not None]
    return RaceResult(
        latency_p5_s=min(result.latency_p5_s for result in results),
        latency_s=statistics.median(result.latency_s for result in results),
        energy_j=statistics.median(energies) if energies else None,
    )
