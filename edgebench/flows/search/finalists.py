"""The best networks of a search: trained fully, exported, profiled, and checked against every limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgebench.core.budget import Limit
from edgebench.core.device import Device, DeviceKind
from edgebench.core.dtype import DataType
from edgebench.core.figure import column_title
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.core.search import DeviceAccuracy, Finalist, LimitCheck, Reference, TrialResult
from edgebench.flows.judging import (
    broken_profiles,
    device_accuracy,
    inaccuracies,
    limited_figure,
    share_right,
    unlimited_latencies,
)
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.flows.search.full_training import Full, FullTraining
from edgebench.flows.search.request import SearchRequest
from edgebench.store.tables import IMPORTED
from edgebench.targets.registry import create_target
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import Predictions
from edgebench.workers.training.pool import TrainingProcess


class Finals:
    """Takes networks from the search to the devices.

    Args:
        request: What is searched.
        process: Trains and classifies.
        plan: How long finalists are measured.
        on_progress: Called for every step.
        least: Accuracy that networks must have if only the accuracies of trials are known.
        task_digest: Of the task's data and split.
        workers: Starts the processes that convert and measure.
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
        workers: Workers = LOCAL,
    ) -> None:
        self._request, self._process, self._plan = request, process, plan
        self._on_progress, self._least, self._workers = on_progress, least, workers
        self._training = FullTraining(request, process, on_progress, task_digest, workers)
        self._reference: tuple[Full, Predictions] | None = None
        self.profiles: list[Profile] = []

    def reference(self, search_accuracy: float | None) -> Reference:
        """Fully train the largest network: the teacher, and the reference for accuracy drops."""
        space, task = self._request.space, self._request.task
        architecture = space.canonical_one(space.largest)
        if task is None:
            return Reference(architecture=space.text(architecture), search_accuracy=search_accuracy)
        full = self._training.trained(architecture, "reference", task, teacher=None)
        files = self._training.exported(full, "reference", task)
        predictions = self._process.predict(files[0], task, "test", reference=False)
        self._reference = (full, predictions)
        return Reference(
            architecture=space.text(architecture),
            search_accuracy=search_accuracy,
            test_accuracy=share_right(predictions),
        )

    def finalist(self, trial: TrialResult) -> Finalist:
        """Train, export and profile one network, and check it against the limits."""
        full, files = self._made(trial)
        profiles = self._profiled(files, trial.architecture)
        self.profiles.extend(profiles.values())
        checks = tuple(self._check(limit, trial.figures, profiles) for limit in self._request.budget.limits)
        accuracies = tuple(self._accuracies(files))
        faults = list(self._faults(checks, profiles, trial))
        inaccurate = [fault for item in accuracies for fault in inaccuracies(item, self._request.budget)]
        boards = [device for device in self._request.devices if device.target == "mcu"]
        projects = self._training.c_projects(files[2], trial.architecture, boards) if boards else ()
        return Finalist(
            architecture=trial.architecture,
            trial=trial.number,
            validation_accuracy=None if full is None else full.validation_accuracy,
            checks=checks,
            accuracies=accuracies,
            faults=(*faults, *(fault.text for fault in inaccurate)),
            files=(*files, *projects),
            undecided=not faults and bool(inaccurate) and all(fault.undecided for fault in inaccurate),
            latencies=unlimited_latencies(self._request.budget, profiles),
        )

    def _made(self, trial: TrialResult) -> tuple[Full | None, list[str]]:
        """The fully trained network, if there is a task, and its files."""
        name, task = trial.architecture, self._request.task
        architecture = self._request.space.parse(name)
        if task is None:
            quantised = any(self._dtype(device) == DataType.INT8 for device in self._request.devices)
            return None, self._training.untrained(architecture, name, quantised=quantised)
        teacher = self._reference[0] if self._reference and self._request.final_recipe.distillation else None
        full = self._training.trained(architecture, name, task, teacher=teacher)
        return full, self._training.exported(full, name, task)

    def _dtype(self, device: Device) -> str:
        return self._request.tables[device.name].key.dtype

    def _file(self, device: Device, files: Sequence[str]) -> str:
        """What is deployed on a device."""
        if self._dtype(device) == DataType.INT8:
            return files[2]
        return files[0] if ModelFormat.ONNX in create_target(device).formats else files[1]

    def _profiled(self, files: Sequence[str], name: str) -> dict[str, Profile]:
        groups: dict[str, list[Device]] = {}
        for device in self._request.devices:
            if device.target != IMPORTED:
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
        if limit.device not in profiles:
            margins = dict(zip(self._request.budget.limits, self._request.margins, strict=True))
            met = limit.is_met(predicted[limit.column], margins[limit])
            return LimitCheck(
                limit=limit, predicted=predicted[limit.column], found=None, holds=met, only_predicted=True
            )
        found, holds = limited_figure(limit, profiles)
        return LimitCheck(
            limit=limit,
            predicted=predicted[limit.column],
            found=found,
            holds=holds,
        )

    def _accuracies(self, files: Sequence[str]) -> list[DeviceAccuracy]:
        """Accuracy of what each device runs, if there is a task; equal files in equal runtimes are tested once."""
        task = self._request.task
        if task is None:
            return []
        known: dict[tuple[str, bool], Predictions] = {}
        found = []
        for device in self._request.devices:
            file = self._file(device, files)
            # Emulated and compiled kernels compute what LiteRT's reference kernels do.
            exact = self._dtype(device) == DataType.INT8 and device.kind is not DeviceKind.CPU
            key = (file, exact)
            if key not in known:
                self._on_progress(ProfileProgress(done=1.0, text=f"classifying test samples with {Path(file).name}"))
                known[key] = self._process.predict(file, task, "test", reference=exact)
            reference = self._reference[1] if self._reference else None
            found.append(device_accuracy(device.name, file, known[key], reference, exact=exact))
        return found

    def _faults(
        self,
        checks: Sequence[LimitCheck],
        profiles: Mapping[str, Profile],
        trial: TrialResult,
    ) -> list[str]:
        faults = broken_profiles(profiles)
        faults += [
            f"{column_title(check.limit.column)} does not meet its limit"
            if check.found or check.only_predicted
            else f"{column_title(check.limit.column)} is unknown"
            for check in checks
            if not check.holds
        ]
        if (
            self._request.task is None
            and self._least is not None
            and (trial.accuracy is None or trial.accuracy < self._least)
        ):
            known = "unknown" if trial.accuracy is None else f"{trial.accuracy:.2%}"
            faults.append(f"accuracy is {known}, not {self._least:.2%} or more")
        return faults
