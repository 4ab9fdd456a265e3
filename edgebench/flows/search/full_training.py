"""Networks fully trained and exported; finished work is not repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.model import InputSource, ModelFormat
from edgebench.errors import StorageError
from edgebench.flows.export import ExportForm, export_model
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.request import SearchRequest
from edgebench.models.write import write_network
from edgebench.spaces.space import Architecture
from edgebench.store.codec import to_plain
from edgebench.store.files import read_json, write_json
from edgebench.workers.base import Workers
from edgebench.workers.training.jobs import Epoch, ExportJob, SpaceText, TaskText, TrainJob, exported_names
from edgebench.workers.training.pool import TrainingProcess

_C_FOLDER = "c"
_TRAINED = "training.json"
_SCHEMA = "edgebench.training/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """A fully trained network.

    Attributes:
        architecture: Its architecture.
        weights: File of its weights.
        validation_accuracy: Of the best epoch.
    """

    architecture: Architecture
    weights: str
    validation_accuracy: float


class FullTraining:
    """Makes the files of networks, each in its own folder.

    Args:
        request: What is searched.
        process: Trains and exports.
        on_progress: Called for every step.
        task_digest: Of the task's data and split.
        workers: Starts the processes that convert.
    """

    def __init__(
        self,
        request: SearchRequest,
        process: TrainingProcess,
        on_progress: Callable[[ProfileProgress], None],
        task_digest: str,
        workers: Workers,
    ) -> None:
        self._request, self._process = request, process
        self._on_progress, self._task_digest, self._workers = on_progress, task_digest, workers

    def trained(self, architecture: Architecture, name: str, task: TaskText, teacher: Full | None) -> Full:
        """Train a network unless that was done before: a resumed search does not train it again.

        Args:
            architecture: The network's architecture.
            name: Of its folder.
            task: What it is trained on.
            teacher: Network that it imitates too, or None.
        """
        request = self._request
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        weights = str(folder / "weights.npz")
        recipe = request.final_recipe if teacher else replace(request.final_recipe, distillation=0.0)
        job = TrainJob(
            space=SpaceText.of(request.space),
            architecture=architecture,
            task=task,
            recipe=recipe,
            seed=request.seed,
            weights=weights,
            teacher=(teacher.architecture, teacher.weights) if teacher else None,
            threads=1,
        )
        total = recipe.epochs

        def on_epoch(epoch: Epoch) -> bool:
            text = f"training {name} fully: epoch {epoch.number} of {total}"
            self._on_progress(ProfileProgress(done=epoch.number / total, text=text))
            return True

        digest = _digest(job, self._task_digest)
        known = _known_training(folder, digest)
        if known is None:
            known = self._process.train(job, on_epoch).accuracy
            write_json(folder / _TRAINED, {"schema": _SCHEMA, "job": digest, "accuracy": known})
        return Full(architecture=architecture, weights=weights, validation_accuracy=known)

    def exported(self, full: Full, name: str, task: TaskText) -> list[str]:
        """Write the files of a trained network; returns their paths."""
        self._on_progress(ProfileProgress(done=1.0, text=f"exporting {name}"))
        return self._process.export(
            ExportJob(
                space=SpaceText.of(self._request.space),
                architecture=full.architecture,
                weights=full.weights,
                task=task,
                folder=str(self._folder(name)),
                name=f"{self._request.space.name}-{name}",
            )
        )

    def untrained(self, architecture: Architecture, name: str, *, quantised: bool) -> list[str]:
        """Write files with random weights, if accuracies come from a table, so that only costs are measured.

        Args:
            architecture: The network's architecture.
            name: Of its folder.
            quantised: Whether an int8 file is needed too.

        Returns:
            Their paths.
        """
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        network = self._request.space.network(architecture)
        title = f"{self._request.space.name}-{name}"
        for format_ in (ModelFormat.ONNX, ModelFormat.TFLITE):
            write_network(network, format_, folder / f"{title}{format_.suffix}")
        paths = [folder / file for file in exported_names(title)]
        if quantised:
            inputs = InputSource(seed=self._request.seed)
            export_model(str(paths[1]), ExportForm.INT8_TFLITE, paths[2], inputs, workers=self._workers)
        return [str(path) for path in paths if path.is_file()]

    def c_projects(self, model: str, name: str, devices: list[Device]) -> tuple[str, ...]:
        """Write a C project for each microcontroller; returns their folders."""
        folders = []
        for device in devices:
            folder = self._folder(name) / (_C_FOLDER if len(devices) == 1 else f"{_C_FOLDER}-{device.name}")
            inputs = InputSource(seed=self._request.seed)
            export_model(model, ExportForm.C, folder, inputs, device, workers=self._workers)
            folders.append(str(folder))
        return tuple(folders)

    def _folder(self, name: str) -> Path:
        return (self._request.folder / "networks" / name).resolve()


def _known_training(folder: Path, digest: str) -> float | None:
    """Validation accuracy of the weights in a folder, if the job with this digest made them."""
    path = folder / _TRAINED
    if not path.is_file() or not (folder / "weights.npz").is_file():
        return None
    try:
        kept = read_json(path, kind="training", version=1)
    except StorageError:
        return None  # Damaged: the training is done again.
    return float(kept["accuracy"]) if kept.get("job") == digest else None


def _digest(job: TrainJob, task_digest: str) -> str:
    # A teacher's weights follow from the same seed and recipe, whichever folder they are in.
    plain = to_plain(replace(job, weights=None, teacher=None)) | {"teacher": job.teacher and job.teacher[0]}
    text = json.dumps([plain, task_digest, version("edgebench")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
