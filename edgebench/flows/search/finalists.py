"""The best networks of a search: trained fully, exported, profiled, and checked against every limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgebench.core.accuracy_limits import AccuracyFault, Share, above_most, below_least, no_better_than_guessing
from edgebench.core.budget import Limit
from edgebench.core.device import Device, DeviceKind
from edgebench.core.dtype import DataType
from edgebench.core.figure import LATENCY, column_name, column_title
from edgebench.core.metric import Metric
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.search import DeviceAccuracy, Finalist, LimitCheck, Reference, TrialResult
from edgebench.core.summary import summarise
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.flows.search.full_training import Full, FullTraining
from edgebench.flows.search.request import SearchRequest
from edgebench.store.tables import IMPORTED
from edgebench.targets.registry import create_target
from edgebench.tasks.accuracy import accuracy_drop, wilson_interval
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
            test_accuracy=_share(predictions),
        )

    def finalist(self, trial: TrialResult) -> Finalist:
        """Train, export and profile one network, and check it against the limits."""
        full, files = self._made(trial)
        profiles = self._profiled(files, trial.architecture)
        self.profiles.extend(profiles.values())
        checks = tuple(self._check(limit, trial.figures, profiles) for limit in self._request.budget.limits)
        accuracies = tuple(self._accuracies(files))
        faults = list(self._faults(checks, profiles, trial))
        inaccurate = [fault for item in accuracies for fault in self._inaccuracies(item)]
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
            latencies=self._unlimited_latencies(profiles),
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
        result = profiles[limit.device]
        found = summarise(result).get(limit.figure) if result.outcome is Outcome.OK else None
        return LimitCheck(
            limit=limit,
            predicted=predicted[limit.column],
            found=found,
            holds=found is not None and limit.is_met(found.most),
        )

    def _unlimited_latencies(self, profiles: Mapping[str, Profile]) -> dict[str, Metric]:
        """Latencies of devices that were given without a limit of it."""
        limited = {limit.column for limit in self._request.budget.limits}
        found = {column_name(LATENCY, name): summarise(result).get(LATENCY) for name, result in profiles.items()}
        return {name: metric for name, metric in found.items() if metric is not None and name not in limited}

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
            runtime = "LiteRT, reference kernels" if exact else _RUNTIMES[Path(file).suffix]
            found.append(
                DeviceAccuracy(
                    device=device.name,
                    file=file,
                    runtime=runtime,
                    accuracy=_share(known[key]),
                    drop=self._drop(known[key]),
                    samples=len(known[key].labels),
                    most_frequent=max(Counter(known[key].labels).values()) / len(known[key].labels),
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
        profiles: Mapping[str, Profile],
        trial: TrialResult,
    ) -> list[str]:
        faults = [
            f"{name}: {result.failure.message if result.failure else result.outcome}"
            for name, result in profiles.items()
            if result.outcome is not Outcome.OK
        ]
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

    def _inaccuracies(self, item: DeviceAccuracy) -> list[AccuracyFault]:
        """Limits of accuracy that the bad end of the interval does not meet."""
        budget, place = self._request.budget, f"on {item.device}"
        faults = [no_better_than_guessing(f"accuracy {place}", item.accuracy, item.most_frequent)]
        if budget.min_accuracy is not None:
            faults.append(below_least(f"accuracy {place}", item.accuracy, budget.min_accuracy, item.samples))
        if budget.max_accuracy_drop is not None and item.drop is not None:
            what = f"the drop of accuracy {place}"
            faults.append(above_most(what, item.drop, budget.max_accuracy_drop, item.samples))
        return [fault for fault in faults if fault is not None]


_RUNTIMES = {".onnx": "ONNX Runtime", ".tflite": "LiteRT"}


def _share(predictions: Predictions) -> Share:
    correct = sum(a == b for a, b in zip(predictions.classes, predictions.labels, strict=True))
    low, high = wilson_interval(correct, len(predictions.labels))
    return Share(value=correct / len(predictions.labels), low=low, high=high)
