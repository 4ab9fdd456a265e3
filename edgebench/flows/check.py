"""The verb ``check``: what is in model files, and which devices run them, without measuring anything."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.model import SUFFIXES, InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.support import DeviceSupport, LeftOperators, ModelSupport, Support, Verdict
from edgebench.errors import InputError
from edgebench.flows.profile.preparation import Preparation, Ready, conversion_limit_s
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.targets.registry import target_type
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.jobs import Prepare
from edgebench.workers.measuring.model_jobs import Try
from edgebench.workers.worker import ChildError

DEVICES = ("host", "host-litert", "ethos-u55-128", "nucleo-l4r5zi")
"""One device of each kind, used if none is named."""
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to check.

    Attributes:
        models: Paths, ``zoo:`` names or ``module:function``.
        devices: Devices with their options applied.
        plan: Limits of each process.
        inputs: Shapes, and everything else that conversion depends on.
        only_fitting: Whether devices that no form of a model can reach are left out.
    """

    models: Sequence[str]
    devices: Sequence[Device]
    plan: MeasurementPlan
    inputs: InputSource
    only_fitting: bool = False


def find_models(paths: Sequence[str]) -> list[str]:
    """Model files, with folders replaced by the model files in them, at any depth.

    Raises:
        InputError: A folder has no model files, or too many.
    """
    found: list[str] = []
    for text in paths:
        folder = Path(text)
        if not folder.is_dir():
            found.append(text)
            continue
        suffixes = {suffix for some in SUFFIXES.values() for suffix in some}
        files = sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
        if not files:
            raise InputError(f"it contains no model files ({', '.join(sorted(suffixes))})", where=text)
        found += files
    if len(found) > _MOST_FILES:
        raise InputError(f"{len(found):,} files are more than can be checked at once", remedy="choose a smaller folder")
    return list(dict.fromkeys(found))


def check(
    request: CheckRequest,
    *,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> tuple[ModelSupport, ...]:
    """Check every model on every device.

    Args:
        request: What to check.
        on_progress: Called before each model.
        workers: Starts the processes that models are read in.

    Returns:
        One entry for each model, in the order in which they were named.
    """
    found = []
    for number, model in enumerate(request.models):
        on_progress(ProfileProgress(done=number / len(request.models), text=model))
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            found.append(_check_one(model, request, folder, workers))
    return tuple(found)


def _check_one(model: str, request: CheckRequest, folder: str, workers: Workers) -> ModelSupport:
    try:
        prepared = _read(model, request, folder, workers)
    except ChildError as error:
        return ModelSupport(source=model, failure=error.message, remedy=error.remedy)
    preparation = Preparation(folder, request.plan, request.inputs, workers, to_run=False)
    format_ = prepared.info.format
    wanted = [
        device for device in request.devices if not request.only_fitting or format_ is None or _reaches(format_, device)
    ]
    devices = tuple(_on_device(model, device, preparation, request, workers) for device in wanted)
    return ModelSupport(source=model, model=prepared.info, devices=devices)


def _read(model: str, request: CheckRequest, folder: str, workers: Workers) -> Prepared:
    """The file unchanged: every format is taken."""
    inputs = request.inputs
    wanted = PrepareRequest(
        source=model,
        formats=tuple(ModelFormat),
        shapes=inputs.shapes,
        inputs=inputs.file,
        seed=inputs.seed,
        signature=inputs.signature,
        folder=folder,
    )
    with workers.measuring(memory_limit_bytes=request.plan.memory_limit_bytes) as worker:
        return worker.ask(Prepare(wanted=wanted), timeout_s=conversion_limit_s(model, request.plan.time_limit_s))


def _on_device(
    model: str, device: Device, preparation: Preparation, request: CheckRequest, workers: Workers
) -> DeviceSupport:
    ready = preparation.prepare(model, device)
    if isinstance(ready, Profile):
        return _refused(device, ready)
    form = "as it is" if ready.deployed is None else _form(ready)
    try:
        with workers.measuring(memory_limit_bytes=request.plan.memory_limit_bytes) as worker:
            order = Try(device=device, model=ready.path, inputs=ready.input_source(request.inputs))
            support = worker.ask(order, timeout_s=request.plan.time_limit_s)
    except ChildError as error:
        left = tuple(LeftOperators(operator=name) for name in error.operators)
        support = Support(left=left, runs=False, reason=error.message, remedy=error.remedy)
        unavailable = error.outcome is Outcome.UNAVAILABLE
        verdict = Verdict.UNAVAILABLE if unavailable else Verdict.NO
        return DeviceSupport(device=device, verdict=verdict, form=form, support=support)
    if request.inputs.calibration is not None:
        support = replace(support, notes=(*support.notes, *ready.loaded.caveats))
    return DeviceSupport(device=device, verdict=support.verdict, form=form, support=support)


def _reaches(format_: ModelFormat, device: Device) -> bool:
    """Whether a target takes a format, or one that it can be converted to."""
    reachable = {
        ModelFormat.TFLITE: {ModelFormat.TFLITE},
        ModelFormat.ONNX: {ModelFormat.ONNX, ModelFormat.TFLITE},
    }.get(format_, set(ModelFormat))
    return not reachable.isdisjoint(target_type(device.target).formats)


def _form(ready: Ready) -> str:
    format_ = ready.loaded.format
    int8 = any("int8" in spec.dtype for spec in ready.loaded.inputs)
    return f"{format_ or 'converted'}{', int8' if int8 else ''}"


def _refused(device: Device, profile: Profile) -> DeviceSupport:
    failure = profile.failure
    left = tuple(LeftOperators(operator=name) for name in (failure.operators if failure else ()))
    support = Support(
        left=left,
        runs=False,
        reason=failure.message if failure else None,
        remedy=failure.remedy if failure else None,
    )
    verdict = Verdict.UNAVAILABLE if profile.outcome is Outcome.UNAVAILABLE else Verdict.NO
    return DeviceSupport(device=device, verdict=verdict, form="", support=support)
