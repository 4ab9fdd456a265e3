"""Reads and converts models in workers, once for all devices that need the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from edgebench.core.board_link import runs_workers
from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import PYTORCH, InputSource, ModelFormat, ModelInfo, format_of_suffix
from edgebench.core.place import Seen
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, Outcome, Profile
from edgebench.errors import EdgebenchError, UnavailableError
from edgebench.models.prepare import Prepared, PrepareRequest, inputs_of_loaded
from edgebench.models.source import parse_source
from edgebench.targets.base import MadeReadyOnce, Target
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.measuring.jobs import Load, MakeReady, Prepare
from edgebench.workers.worker import ChildError

_MAKE_READY_S = 1800.0
"""A time limit as a last resort: what is done once does not count towards the user's limits."""
_EXPORT_S = 600.0
"""At least, for a model that PyTorch exports."""
_Key = tuple[str, tuple[ModelFormat, ...], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A model on a device, ready to be measured.

    Attributes:
        model: The model as given.
        device: Where it will run.
        path: The file to load.
        beside: Further files with its weights.
        deployed: Description of that file if the model had to be converted, otherwise None.
        versions: Of the runtime and of what it builds on.
        notes: What the conversion did, and the device's caveats.
        sampled: Whether running again gives new information.
        latency_provenance: What the samples' latencies will be.
        machine: The board that it will run on, if it is not this machine.
        host: Name of the farm's host that has the device; empty without a farm.
        warnings: What may disturb a measurement on that board or host.
    """

    model: ModelInfo
    device: Device
    path: str
    deployed: ModelInfo | None
    versions: Mapping[str, str]
    notes: tuple[str, ...]
    sampled: bool
    latency_provenance: Provenance
    beside: tuple[str, ...] = ()
    machine: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For progress: which model, and where."""
        return f"{Path(self.model.source).name} on {self.device.name}"

    @property
    def loaded(self) -> ModelInfo:
        """The file that is loaded."""
        return self.deployed or self.model

    def input_source(self, inputs: InputSource) -> InputSource:
        """How the file that is loaded gets its inputs."""
        return inputs_of_loaded(inputs, self.model, self.deployed)

    def load_request(self, inputs: InputSource) -> Load:
        """What a measuring process is asked to load: this file, with the content that it had when it was prepared."""
        return Load(
            device=self.device,
            model=self.path,
            inputs=self.input_source(inputs),
            digest=self.loaded.digest or None,
            beside=self.beside,
        )


class Preparation:
    """Brings models into the form that devices take.

    Args:
        folder: Where converted models are written.
        plan: Limits of the workers.
        inputs: Shapes given by the user.
        workers: Starts the processes.
        on_progress: Called before each step that is done once for a device.
        to_run: Whether models will be run, so that devices must be made ready for it.
    """

    def __init__(
        self,
        folder: str,
        plan: MeasurementPlan,
        inputs: InputSource,
        workers: Workers,
        on_progress: Callable[[str], None] = lambda _: None,
        *,
        to_run: bool = True,
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._inputs = inputs
        self._workers = workers
        self._on_progress = on_progress
        self._to_run = to_run
        self._prepared: dict[_Key, Prepared | ChildError] = {}

    def prepare(self, model: str, device: Device) -> Ready | Profile:
        """A model on a device, ready to be measured, or the profile of its failure."""
        try:
            target = create_target(device)
            seen = self._workers.look(device)
            versions = seen.versions
        except UnavailableError as error:
            failure = Failure(message=error.what, remedy=error.remedy)
            return failed_profile(model, device, Outcome.UNAVAILABLE, failure)
        except EdgebenchError as error:
            place = f"{error.where}: " if error.where else ""
            failure = Failure(message=f"{place}{error.what}", remedy=error.remedy)
            return failed_profile(model, device, Outcome.BAD_INPUT, failure)
        prepared = self._once((model, target.formats, target.dtype))
        if isinstance(prepared, ChildError):
            failure = Failure(message=prepared.message, remedy=prepared.remedy, operators=prepared.operators)
            return failed_profile(model, device, prepared.outcome, failure, target, versions)
        hindrance = self._made_ready(target, seen)
        if hindrance is not None:
            failure = Failure(message=hindrance.message, remedy=hindrance.remedy)
            return failed_profile(model, device, hindrance.outcome, failure, target, versions)
        return Ready(
            model=prepared.info,
            device=device,
            path=prepared.path,
            beside=prepared.beside,
            deployed=prepared.deployed,
            versions=versions,
            notes=(*device.notes, *prepared.notes),
            sampled=not target.deterministic,
            latency_provenance=target.latency_provenance,
            machine=seen.machine if seen.host or runs_workers(device) else {},
            host=seen.host,
            warnings=seen.warnings if seen.host or runs_workers(device) else (),
        )

    def _made_ready(self, target: Target, seen: Seen) -> ChildError | None:
        """Let a target do what it does once; returns why it cannot, or None."""
        try:
            pending = target.pending() if self._to_run and isinstance(target, MadeReadyOnce) else None
            if self._to_run and isinstance(target, MadeReadyOnce) and seen.host:
                # What is ready here says nothing about another host.
                pending = f"preparing {target.device.name} on {seen.host}"
            if pending is not None:
                self._on_progress(pending)
                with self._workers.measuring() as worker:
                    worker.ask(MakeReady(device=target.device), timeout_s=_MAKE_READY_S)
        except ChildError as error:
            return error
        return None

    def _once(self, key: _Key) -> Prepared | ChildError:
        if key not in self._prepared:
            self._prepared[key] = self._in_worker(key)
        return self._prepared[key]

    def _in_worker(self, key: _Key) -> Prepared | ChildError:
        source, formats, dtype = key
        request = PrepareRequest(
            source=source,
            formats=formats,
            dtype=dtype,
            shapes=self._inputs.shapes,
            inputs=self._inputs.file,
            calibration=self._inputs.calibration,
            seed=self._inputs.seed,
            signature=self._inputs.signature,
            converter=self._inputs.converter,
            folder=mkdtemp(dir=self._folder),
        )
        try:
            with self._workers.measuring(memory_limit_bytes=self._plan.memory_limit_bytes) as worker:
                return worker.ask(
                    Prepare(wanted=request), timeout_s=conversion_limit_s(source, self._plan.time_limit_s)
                )
        except ChildError as error:
            return error


def conversion_limit_s(source: str, limit_s: float) -> float:
    """Time for reading and converting a model.

    The user's limit is for the model; how long PyTorch's exporters take says nothing about it.

    Args:
        source: What the user typed.
        limit_s: The user's limit.
    """
    model = parse_source(source)
    suffix = "" if model.path is None else model.path.suffix
    by_pytorch = model.function is not None or format_of_suffix(suffix) in PYTORCH
    return max(limit_s, _EXPORT_S) if by_pytorch else limit_s


def failed_profile(
    model: str,
    device: Device,
    outcome: Outcome,
    failure: Failure,
    target: Target | None = None,
    versions: Mapping[str, str] | None = None,
) -> Profile:
    """The profile of a model that was never measured.

    Args:
        model: What the user typed.
        device: Where it was to run.
        outcome: What happened to it.
        failure: Why.
        target: The device's target, if it is available.
        versions: Of what the target builds on.
    """
    return Profile(
        model=ModelInfo(name=Path(model).name.removeprefix("zoo:"), source=model, format=None, digest="", size_bytes=0),
        device=device,
        outcome=outcome,
        failure=failure,
        versions=versions or {},
        notes=tuple(dict.fromkeys(device.notes)),
        latency_provenance=None if target is None else target.latency_provenance,
    )
