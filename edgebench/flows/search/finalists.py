"""The best networks of a search: trained in full, exported, profiled, and held against every limit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgebench.core.budget import Limit
from edgebench.core.device import Device, DeviceKind
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.search import DeviceAccuracy, Finalist, LimitCheck, Reference, Share, TrialResult
from edgebench.core.summary import summarise
from edgebench.errors import StorageError
from edgebench.flows.export import ExportForm, export_model
from edgebench.flows.lut.context import write
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.flows.search.request import SearchRequest
from edgebench.spaces.space import Architecture
from edgebench.store.codec import to_plain
from edgebench.store.files import read_json, write_json
from edgebench.targets.registry import create_target
from edgebench.tasks.accuracy import accuracy_drop, wilson_interval
from edgebench.workers.base import Workers
from edgebench.workers.training.jobs import ExportJob, Predictions, SpaceText, TaskText, TrainJob, exported_names
from edgebench.workers.training.pool import TrainingProcess

_C_FOLDER = "c"
_TRAINED = "training.json"
_SCHEMA = "edgebench.training/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """A network that was trained in full.

    Attributes:
        architecture: Which.
        weights: File of its weights.
        validation_accuracy: Of the best epoch.
    """

    architecture: Architecture
    weights: str
    validation_accuracy: float


class Finals:
    """Takes networks from the search to the devices.

    Args:
        request: What is searched.
        process: Trains and classifies.
        plan: How long finalists are measured.
        on_progress: Told of every step.
        least: Accuracy that networks must have where trials' accuracies are all that is known.
        task_digest: Of the task's data and split.
        workers: Who starts the processes that convert and measure.
    """

    def __init__(
        self,
        request: SearchRequest,
        process: TrainingProcess,
        plan: MeasurementPlan,
        on_progress: Callable[[ProfileProgress], None],
        least: float | None = None,
        task_digest: str = "",
        *,
        workers: Workers,
    ) -> None:
        self._request, self._process, self._plan = request, process, plan
        self._on_progress, self._workers = on_progress, workers
        self._least, self._task_digest = least, task_digest
        self._reference: tuple[Full, Predictions] | None = None
        self.profiles: list[Profile] = []

    def reference(self, search_accuracy: float | None) -> Reference:
        """Train the largest network in full: the teacher, and what accuracy drops are counted from."""
        space, task = self._request.space, self._request.task
        architecture = space.canonical_one(space.largest)
        if task is None:
            return Reference(architecture=space.text(architecture), search_accuracy=search_accuracy)
        full = self._trained(architecture, "reference", teacher=None)
        files = self._exported(full, "reference")
        predictions = self._process.predict(files[0], task, "test", reference=False)
        self._reference = (full, predictions)
        return Reference(
            architecture=space.text(architecture),
            search_accuracy=search_accuracy,
            test_accuracy=_share(predictions),
        )

    def finalist(self, trial: TrialResult) -> Finalist:
        """Train, export and profile one network, and hold it against the limits."""
        space, task = self._request.space, self._request.task
        architecture = space.parse(trial.architecture)
        full = None
        if task is not None:
            teacher = self._reference[0] if self._reference and self._request.final_recipe.distillation else None
            full = self._trained(architecture, trial.architecture, teacher=teacher)
            files = self._exported(full, trial.architecture)
        else:
            files = self._untrained(architecture, trial.architecture)
        profiles = self._profiled(files, trial.architecture)
        self.profiles.extend(profiles.values())
        checks = tuple(self._check(limit, trial.figures, profiles) for limit in self._request.budget.limits)
        accuracies = () if task is None else tuple(self._accuracies(files, task))
        return Finalist(
            architecture=trial.architecture,
            trial=trial.number,
            validation_accuracy=None if full is None else full.validation_accuracy,
            checks=checks,
            accuracies=accuracies,
            faults=tuple(self._faults(checks, accuracies, profiles, trial)),
            files=tuple(files) + self._c_project(files, trial.architecture),
        )

    def _folder(self, name: str) -> Path:
        return (self._request.folder / "networks" / name).resolve()

    def _trained(self, architecture: Architecture, name: str, teacher: Full | None) -> Full:
        """Train a network unless that was done before: a search that goes on does not train it again."""
        request = self._request
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        weights = str(folder / "weights.npz")
        recipe = request.final_recipe if teacher else replace(request.final_recipe, distillation=0.0)
        job = TrainJob(
            space=SpaceText.of(request.space),
            architecture=architecture,
            task=request.task or TaskText(text="", seed=0),
            recipe=recipe,
            seed=request.seed,
            weights=weights,
            teacher=(teacher.architecture, teacher.weights) if teacher else None,
            threads=1,
        )
        total = recipe.epochs

        def on_epoch(epoch: object) -> bool:
            number = getattr(epoch, "number", 0)
            text = f"training {name} in full: epoch {number} of {total}"
            self._on_progress(ProfileProgress(done=number / total, text=text))
            return True

        digest = _digest(job, self._task_digest)
        known = _known_training(folder, digest)
        if known is None:
            known = self._process.train(job, on_epoch).accuracy
            write_json(folder / _TRAINED, {"schema": _SCHEMA, "job": digest, "accuracy": known})
        return Full(architecture=architecture, weights=weights, validation_accuracy=known)

    def _exported(self, full: Full, name: str) -> list[str]:
        self._on_progress(ProfileProgress(done=1.0, text=f"exporting {name}"))
        return self._process.export(
            ExportJob(
                space=SpaceText.of(self._request.space),
                architecture=full.architecture,
                weights=full.weights,
                task=self._request.task or TaskText(text="", seed=0),
                folder=str(self._folder(name)),
                name=f"{self._request.space.name}-{name}",
            )
        )

    def _untrained(self, architecture: Architecture, name: str) -> list[str]:
        """Files with random weights, where accuracies come from a table: cost is all that is to be found."""
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        network = self._request.space.network(architecture)
        title = f"{self._request.space.name}-{name}"
        for format_ in (ModelFormat.ONNX, ModelFormat.TFLITE):
            write(network, format_, folder, title)
        paths = [folder / file for file in exported_names(title)]
        if any(self._dtype(device) == "int8" for device in self._request.devices):
            inputs = InputSource(seed=self._request.seed)
            export_model(str(paths[1]), ExportForm.INT8_TFLITE, paths[2], inputs, workers=self._workers)
        return [str(path) for path in paths if path.is_file()]

    def _dtype(self, device: Device) -> str:
        return self._request.tables[device.name].key.dtype

    def _file(self, device: Device, files: Sequence[str]) -> str:
        """What is deployed on a device."""
        if self._dtype(device) == "int8":
            return files[2]
        return files[0] if ModelFormat.ONNX in create_target(device).formats else files[1]

    def _profiled(self, files: Sequence[str], name: str) -> dict[str, Profile]:
        groups: dict[str, list[Device]] = {}
        for device in self._request.devices:
            groups.setdefault(self._file(device, files), []).append(device)
        found: dict[str, Profile] = {}
        for file, devices in groups.items():
            self._on_progress(
                ProfileProgress(done=0.0, text=f"profiling {name} on {', '.join(item.name for item in devices)}")
            )
            request = ProfileRequest(
                models=[file], devices=devices, plan=self._plan, inputs=InputSource(seed=self._request.seed)
            )
            results = profile(request, on_update=lambda _: None, on_progress=self._on_progress, workers=self._workers)
            for result in results:
                found[result.device.name] = result
        return found

    def _check(self, limit: Limit, predicted: Mapping[str, float], profiles: Mapping[str, Profile]) -> LimitCheck:
        result = profiles[limit.device]
        found = summarise(result).get(limit.figure) if result.outcome is Outcome.OK else None
        return LimitCheck(
            limit=limit,
            predicted=predicted[limit.column],
            found=found,
            holds=found is not None and found.most <= limit.value,
        )

    def _accuracies(self, files: Sequence[str], task: TaskText) -> list[DeviceAccuracy]:
        """Accuracy of what each device runs; equal files in equal runtimes are classified once."""
        known: dict[tuple[str, bool], Predictions] = {}
        found = []
        for device in self._request.devices:
            file = self._file(device, files)
            # Emulated and compiled kernels compute what LiteRT's reference kernels do.
            exact = self._dtype(device) == "int8" and device.kind is not DeviceKind.CPU
            key = (file, exact)
            if key not in known:
                self._on_progress(ProfileProgress(done=1.0, text=f"classifying test samples with {Path(file).name}"))
                known[key] = self._process.predict(file, task, "test", reference=exact)
            runtime = "LiteRT, reference kernels" if exact else _RUNTIMES[Path(file).suffix]
            found.append(
                DeviceAccuracy(
                    device=device.name,
                    file=file,
                    runtime=runtime,
                    accuracy=_share(known[key]),
                    drop=self._drop(known[key]),
                )
            )
        return found

    def _drop(self, predictions: Predictions) -> Share | None:
        if self._reference is None:
            return None
        reference = self._reference[1]
        drop = accuracy_drop(np.array(reference.classes), np.array(predictions.classes), np.array(predictions.labels))
        return Share(value=drop.value, low=drop.low, high=drop.high)

    def _faults(
        self,
        checks: Sequence[LimitCheck],
        accuracies: Sequence[DeviceAccuracy],
        profiles: Mapping[str, Profile],
        trial: TrialResult,
    ) -> list[str]:
        budget = self._request.budget
        faults = [
            f"{name}: {result.failure.message if result.failure else result.outcome}"
            for name, result in profiles.items()
            if result.outcome is not Outcome.OK
        ]
        faults += [
            f"{check.limit.column} does not hold" if check.found else f"{check.limit.column} was not found"
            for check in checks
            if not check.holds
        ]
        for item in accuracies:
            if budget.min_accuracy is not None and item.accuracy.value < budget.min_accuracy:
                faults.append(f"accuracy on {item.device} is {item.accuracy.value:.2%}")
            limit = budget.max_accuracy_drop
            if limit is not None and item.drop is not None and item.drop.value > limit:
                faults.append(f"accuracy on {item.device} drops by {item.drop.value:.2%}")
        if not accuracies and self._least is not None and (trial.accuracy is None or trial.accuracy < self._least):
            known = "not known" if trial.accuracy is None else f"{trial.accuracy:.2%}"
            faults.append(f"accuracy is {known}, not {self._least:.2%} or more")
        return faults

    def _c_project(self, files: Sequence[str], name: str) -> tuple[str, ...]:
        devices = [device for device in self._request.devices if device.target == "mcu"]
        folders = []
        for device in devices:
            folder = self._folder(name) / (_C_FOLDER if len(devices) == 1 else f"{_C_FOLDER}-{device.name}")
            inputs = InputSource(seed=self._request.seed)
            export_model(files[2], ExportForm.C, folder, inputs, device, workers=self._workers)
            folders.append(str(folder))
        return tuple(folders)


def _known_training(folder: Path, digest: str) -> float | None:
    """Validation accuracy of the weights that lie in a folder, if the job of this digest made them."""
    path = folder / _TRAINED
    if not path.is_file() or not (folder / "weights.npz").is_file():
        return None
    try:
        kept = read_json(path, kind="training", version=1)
    except StorageError:
        return None  # Damaged: the training is done again.
    return float(kept["accuracy"]) if kept.get("job") == digest else None


def _digest(job: TrainJob, task_digest: str) -> str:
    # A teacher's weights follow from the same seed and recipe, whichever folder they lie in.
    plain = to_plain(replace(job, weights=None, teacher=None)) | {"teacher": job.teacher and job.teacher[0]}
    text = json.dumps([plain, task_digest, version("edgebench")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


_RUNTIMES = {".onnx": "ONNX Runtime", ".tflite": "LiteRT"}


def _share(predictions: Predictions) -> Share:
    correct = sum(a == b for a, b in zip(predictions.classes, predictions.labels, strict=True))
    low, high = wilson_interval(correct, len(predictions.labels))
    return Share(value=correct / len(predictions.labels), low=low, high=high)
