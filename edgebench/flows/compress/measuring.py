"""What a strategy's network is worth on every device; what was measured before is not measured again."""

from __future__ import annotations

import hashlib
import json
import lzma
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from edgebench.core.compression import DeployedFile, StrategyResult, StrategyState
from edgebench.core.device import Device, DeviceKind
from edgebench.core.dtype import DataType
from edgebench.core.figure import LATENCY
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.search import DeviceAccuracy
from edgebench.core.summary import summarise
from edgebench.errors import StorageError
from edgebench.flows.compress.artefacts import Made
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.export import ExportForm, export_model
from edgebench.flows.judging import broken_profiles, device_accuracy
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.models.artefact import Artefact
from edgebench.models.deployment import Deployment
from edgebench.models.file_artefact import FileArtefact
from edgebench.store.artefacts import WEIGHTS, load_either
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, write_atomically, write_json
from edgebench.store.strategies import Strategy
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.training.compress_jobs import Deploy
from edgebench.workers.training.jobs import Predictions
from edgebench.workers.training.pool import TrainingProcess

_PASSING = {
    Outcome.CRASHED,
    Outcome.TIMED_OUT,
    Outcome.OUT_OF_MEMORY,
    Outcome.UNAVAILABLE,
    Outcome.INTERRUPTED,
}
"""What may go better another time, so that it is measured again."""
_OPTIMISES: Mapping[str, Mapping[str, str]] = {"onnxruntime": {"optimization": "none"}}
"""Options with which a target leaves out graph optimisation; others always have it."""
KIND, RESULT, MANIFEST = "strategy", "result.json", "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A strategy that was measured, and the profiles behind its figures."""

    result: StrategyResult
    profiles: tuple[Profile, ...]


@dataclass(slots=True, kw_only=True)
class Measuring:
    """Takes artefacts to the devices, each strategy in its own folder.

    Attributes:
        request: What is compressed.
        process: Writes files and classifies.
        plan: How long files are measured.
        on_progress: Called for every step.
        workers: Starts the processes that convert and measure.
        part: Samples that accuracies are found with: ``test``, or ``validation`` while pipelines are still chosen.
    """

    request: CompressRequest
    process: TrainingProcess
    plan: MeasurementPlan
    on_progress: Callable[[ProfileProgress], None]
    workers: Workers
    part: Literal["test", "validation"] = "test"
    _reference: Predictions | None = field(default=None, init=False)
    _known: dict[tuple[str, bool], Predictions] = field(default_factory=dict, init=False)
    _updates: dict[str, int] = field(default_factory=dict, init=False)

    def reference(self, original: Made) -> Predictions | None:
        """What the original in float32 predicts, or None without a task."""
        task = self.request.task
        if task is not None and self._reference is None:
            files = self._deployed(original, self.request.folder / "original", "original")
            self._reference = self._predicted(files.onnx or files.tflite or "", exact=False)
        return self._reference

    def measured(self, strategy: Strategy, made: Made, original: Made, *, accuracy: bool = True) -> Measured:
        """A strategy's files, costs and accuracies.

        Args:
            strategy: Names its folder.
            made: Its network.
            original: The network that drops are relative to.
            accuracy: Whether accuracies are wanted.

        Raises:
            UnsupportedModelError: The network cannot be written in its form.
            StorageError: A file cannot be written.
        """
        final = self.part == "test"
        folder = self.request.folder / ("strategies" if final else "trials") / strategy.name
        key = self._key(made, accuracy=accuracy)
        known = _known_result(folder, key)
        if known is not None:
            return known
        artefact = load_either(made.folder)
        written = self._deployed(made, folder, strategy.name)
        files = {device.name: self._file(device, written, artefact) for device in self.request.devices}
        refused = tuple(f"{name}: {text}" for name, text in files.items() if isinstance(text, str))
        deployed = {name: item for name, item in files.items() if isinstance(item, DeployedFile)}
        profiles = self._profiled(deployed, strategy.name)
        result = StrategyResult(
            name=strategy.name,
            pipeline=self.request.pipeline(strategy),
            state=StrategyState.MEASURED,
            steps=artefact.steps,
            files=tuple(deployed.values()),
            accuracies=tuple(self._accuracies(deployed, original) if accuracy else ()),
            unfused=self._unfused(deployed, strategy.name) if artefact.form.compares_unfused else {},
            figures={name: summarise(item) for name, item in profiles.items() if item.outcome is Outcome.OK},
            hindrances=(*refused, *broken_profiles(profiles)),
        )
        paths = self._artefacts(folder, made, written, result) if final else ()
        finished = Measured(result=replace(result, artefacts=paths), profiles=tuple(profiles.values()))
        if not any(profile.outcome in _PASSING for profile in finished.profiles):
            _write_result(folder, key, finished)
        return finished

    def _deployed(self, made: Made, folder: Path, name: str) -> Deployment:
        self.on_progress(ProfileProgress(done=0.0, text=f"writing {name}"))
        request = Deploy(artefact=str(made.folder), folder=str(folder), name=name, task=self.request.task)
        return self.process.deploy(request)

    def _file(self, device: Device, written: Deployment, artefact: Artefact | FileArtefact) -> DeployedFile | str:
        """What a device gets, or why it gets nothing."""
        target, form = create_target(device), artefact.form
        if target.dtype == DataType.INT8 and form.dtype != "int8":
            stays = "keeps activations in float32" if form.dtype == "int8 weights" else f"stays in {form.dtype}"
            return f"takes int8 only, and this strategy {stays}"
        if target.dtype == DataType.FLOAT32 and form.dtype == "int8":
            return "takes float32 only, and this strategy is int8"
        onnx = ModelFormat.ONNX in target.formats
        path = written.onnx if onnx else written.tflite
        if path is None:
            return written.refusals.get(".onnx" if onnx else ".tflite", "this form is not written for it")
        file_bytes, update_bytes = self._sizes(path)
        own = "int8, " + ", ".join(form.float_layers) + " in float32" if form.float_layers else form.dtype
        return DeployedFile(
            device=device.name,
            path=path,
            form=own,
            file_bytes=file_bytes,
            update_bytes=update_bytes,
            note=written.notes.get(Path(path).suffix, ""),
        )

    def _sizes(self, path: str) -> tuple[int, int]:
        """Of a file, and of an update with it; devices share files, and compressing one takes seconds."""
        content = Path(path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._updates:
            self._updates[digest] = len(lzma.compress(content))
        return len(content), self._updates[digest]

    def _profiled(self, files: Mapping[str, DeployedFile], name: str) -> dict[str, Profile]:
        groups: dict[str, list[Device]] = {}
        for device in self.request.devices:
            if device.name in files:
                groups.setdefault(files[device.name].path, []).append(device)
        found: dict[str, Profile] = {}
        for path, devices in groups.items():
            where = ", ".join(device.name for device in devices)
            self.on_progress(ProfileProgress(done=0.0, text=f"profiling {name} on {where}"))
            request = ProfileRequest(
                models=[path], devices=devices, plan=self.plan, inputs=InputSource(seed=self.request.seed)
            )
            results = profile(request, on_update=lambda _: None, on_progress=self.on_progress, workers=self.workers)
            found |= {result.device.name: result for result in results}
        return found

    def _unfused(self, files: Mapping[str, DeployedFile], name: str) -> dict[str, Metric]:
        """Latencies without graph optimisation, where a runtime can leave it out."""
        found = {}
        for device in self.request.devices:
            if device.name not in files or device.target not in _OPTIMISES:
                continue
            self.on_progress(ProfileProgress(done=0.0, text=f"profiling {name} on {device.name} without fusion"))
            plain = replace(device, options={**device.options, **_OPTIMISES[device.target]})
            request = ProfileRequest(
                models=[files[device.name].path],
                devices=[plain],
                plan=self.plan,
                inputs=InputSource(seed=self.request.seed),
            )
            (result,) = profile(request, on_update=lambda _: None, workers=self.workers)
            latency = summarise(result).get(LATENCY) if result.outcome is Outcome.OK else None
            if latency is not None:
                found[device.name] = latency
        return found

    def _accuracies(self, files: Mapping[str, DeployedFile], original: Made) -> list[DeviceAccuracy]:
        if self.request.task is None:
            return []
        reference = self.reference(original)
        found = []
        for device in self.request.devices:
            if device.name in files:
                file = files[device.name]
                # Emulated and compiled kernels compute what LiteRT's reference kernels do.
                exact = file.form == "int8" and device.kind is not DeviceKind.CPU
                predictions = self._predicted(file.path, exact=exact)
                found.append(device_accuracy(device.name, file.path, predictions, reference, exact=exact))
        return found

    def _predicted(self, path: str, *, exact: bool) -> Predictions:
        task = self.request.task
        if task is None:
            raise StorageError("there is no task to classify samples of", where=path)
        if (path, exact) not in self._known:
            self.on_progress(ProfileProgress(done=0.0, text=f"classifying {self.part} samples with {Path(path).name}"))
            self._known[path, exact] = self.process.predict(path, task, self.part, reference=exact)
        return self._known[path, exact]

    def _artefacts(self, folder: Path, made: Made, written: Deployment, result: StrategyResult) -> tuple[str, ...]:
        """Weights, C projects and the manifest beside the model files; returns all paths."""
        weights = folder / WEIGHTS
        paths = [path for path in (written.onnx, written.tflite) if path]
        if (made.folder / WEIGHTS).is_file():  # The weights of a model that stays a file are in the file.
            write_atomically(weights, (made.folder / WEIGHTS).read_bytes())
            paths.append(str(weights))
        # Where a board could not be measured, its profile says why it does not take the file.
        boards = [item for item in self.request.devices if item.target == "mcu" and item.name in result.figures]
        for device in boards:
            project = folder / ("c" if len(boards) == 1 else f"c-{device.name}")
            inputs = InputSource(seed=self.request.seed)
            export_model(written.tflite or "", ExportForm.C, project, inputs, device, workers=self.workers)
            paths.append(str(project))
        manifest = folder / MANIFEST
        write_json(manifest, _manifest(self.request, made, result, paths))
        return (*paths, str(manifest))

    def _key(self, made: Made, *, accuracy: bool) -> str:
        """Digest of all that a result depends on; limits do not count, they are checked afterwards."""
        devices = [to_plain(device) for device in self.request.devices]
        parts: list[Any] = [made.key, devices, to_plain(self.plan), version("edgebench"), self.part, accuracy]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _manifest(request: CompressRequest, made: Made, result: StrategyResult, paths: list[str]) -> dict[str, Any]:
    """What a strategy's files are, and what to do to make them again."""
    task = [] if request.task is None else ["--task", request.task.text]
    shapes = [
        word
        for name, shape in request.shapes.items()
        for word in ("--shape", f"{name}={','.join(map(str, shape))}".removeprefix("="))
    ]
    devices = [word for device in request.devices for word in ("-d", device.name)]
    strategy = ["--strategy", result.pipeline or result.name]
    numbers = ["--epochs", str(request.epochs), "--seed", str(request.seed)]
    return {
        "schema": "edgebench.manifest/1",
        "model": request.model,
        "source": made.key,
        "strategy": result.name,
        "pipeline": result.pipeline,
        "task": None if request.task is None else request.task.text,
        "seed": request.seed,
        "epochs": request.epochs,
        "edgebench": version("edgebench"),
        "steps": [to_plain(step) for step in result.steps],
        "files": [to_plain(file) for file in result.files],
        "accuracies": [to_plain(item) for item in result.accuracies],
        "figures": {
            device: {name: to_plain(metric) for name, metric in figures.items()}
            for device, figures in result.figures.items()
        },
        "paths": paths,
        "repeat": shlex.join(["edgebench", "compress", request.model, *shapes, *task, *devices, *strategy, *numbers]),
    }


def _write_result(folder: Path, key: str, measured: Measured) -> None:
    document = {
        "schema": f"edgebench.{KIND}/1",
        "key": key,
        "result": to_plain(measured.result),
        "profiles": [to_plain(item) for item in measured.profiles],
    }
    write_json(folder / RESULT, document)


def _known_result(folder: Path, key: str) -> Measured | None:
    """What was measured before, if it is still what was asked for and its files are there."""
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        document = read_json(path, kind=KIND, version=1)
        if document.get("key") != key:
            return None
        result = from_plain(StrategyResult, document["result"], where=str(path))
        profiles = tuple(from_plain(Profile, item, where=str(path)) for item in document["profiles"])
    except (StorageError, KeyError):
        return None  # Damaged: it is measured again.
    return Measured(result=result, profiles=profiles) if all(Path(item).exists() for item in result.artefacts) else None
