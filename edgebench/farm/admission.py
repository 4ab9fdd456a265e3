"""What a host does for others: on devices that it announces, with programs that its own files name, on sent files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.profile import Outcome
from edgebench.machine.folders import cache_folder
from edgebench.store.trust import named_programs
from edgebench.tasks.registry import task_names
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.protocol import Request
from edgebench.workers.training.jobs import TrainJob
from edgebench.workers.worker import ChildError


def admitted(request: Request[Any], devices: Mapping[str, Device], weights: Path) -> Request[Any]:
    """A request as the host carries it out.

    Args:
        request: As it came.
        devices: What the host announces, by name.
        weights: Where weights that are trained here go.

    Raises:
        ChildError: It is not one for this host.
    """
    asked: Any = request
    if isinstance(asked, TrainJob):
        return _training(asked, weights)
    if not hasattr(asked, "device"):
        return request
    device = own_device(asked.device, devices)
    if isinstance(asked, AtDevice):
        for path in asked.model_paths():
            _require_sent(path)
        inputs = getattr(asked, "inputs", None)
        if isinstance(inputs, InputSource):
            for file in filter(None, (inputs.file, inputs.calibration)):
                _require_sent(file)
    found: Request[Any] = replace(asked, device=device)
    return found


def own_device(device: Device, devices: Mapping[str, Device]) -> Device:
    """The host's own description of a device, with the options that were asked for.

    A device of a sweep, ``host:threads=2``, is the one that it was made from.

    Raises:
        ChildError: The host does not have it, or an option names a program that the host's file does not name.
    """
    own = devices.get(device.name) or devices.get(device.name.partition(":")[0])
    if own is None:
        raise _refused(f"this host does not announce {device.name}", f"it has {', '.join(devices) or 'no device'}")
    wanted, known = (named_programs({"options": dict(one.options)}) for one in (device, own))
    foreign = {key: value for key, value in wanted.items() if known.get(key) != value}
    if foreign:
        shown = ", ".join(f"{key} = {value!r}" for key, value in foreign.items())
        raise _refused(
            f"a host runs only programs that its own device files name, not {shown}",
            f"put it into the file of {own.name} there",
        )
    return replace(own, name=device.name, options=device.options)


def _training(job: TrainJob, weights: Path) -> TrainJob:
    if job.task.text not in task_names():
        _require_sent(job.task.text)
    named = named_programs({"options": dict(job.space.options)})
    if named:
        raise _refused(f"a host does not run what others name: {', '.join(named.values())}", None)
    if job.teacher is not None:
        _require_sent(job.teacher[1])
    return replace(job, weights=None if job.weights is None else str(weights))


def _require_sent(path: str) -> None:
    if not Path(path).resolve().is_relative_to(cache_folder("models").resolve()):
        raise _refused(f"{path} was not sent here", None)


def _refused(what: str, remedy: str | None) -> ChildError:
    return ChildError(Outcome.BAD_INPUT, what, remedy)
