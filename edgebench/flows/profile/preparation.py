"""Reads and converts models in child processes, once for all devices that need the same."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

from edgebench.core.device import Device
from edgebench.core.model import InputSource, ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, Outcome
from edgebench.errors import EdgebenchError, TargetUnavailableError
from edgebench.flows.profile.sampling import Cell
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.store.codec import from_plain, to_plain
from edgebench.targets.registry import create_target
from edgebench.workers.worker import ChildError, ChildProcess

_Key = tuple[str, tuple[ModelFormat, ...], str | None]


class Preparation:
    """Makes the cells of a profile.

    Args:
        folder: Where converted models are written.
        plan: Limits of the child processes.
        inputs: Shapes given by the user.
    """

    def __init__(self, folder: str, plan: MeasurementPlan, inputs: InputSource) -> None:
        self._folder = folder
        self._plan = plan
        self._inputs = inputs
        self._prepared: dict[_Key, Prepared | ChildError] = {}

    def cell(self, model: str, device: Device) -> Cell:
        """A model on a device, ready to be measured, or already failed with the reason."""
        cell = Cell(
            name=f"{Path(model).name} on {device.name}",
            model=_unread(model),
            device=device,
            plan=self._plan,
            inputs=self._inputs,
        )
        try:
            target = create_target(device)
            cell.versions = target.check()
        except TargetUnavailableError as error:
            cell.fail(Outcome.UNAVAILABLE, Failure(message=error.what, remedy=error.remedy))
            return cell
        except EdgebenchError as error:
            cell.fail(Outcome.BAD_INPUT, Failure(message=f"{error.where}: {error.what}", remedy=error.remedy))
            return cell
        cell.sampled = not target.deterministic
        cell.latency_provenance = target.latency_provenance
        prepared = self._prepare((model, target.formats, target.dtype))
        if isinstance(prepared, ChildError):
            cell.fail(prepared.outcome, Failure(message=prepared.message, remedy=prepared.remedy))
            return cell
        cell.model, cell.deployed, cell.path = prepared.info, prepared.deployed, prepared.path
        cell.notes.extend(prepared.notes)
        return cell

    def _prepare(self, key: _Key) -> Prepared | ChildError:
        if key not in self._prepared:
            self._prepared[key] = self._prepare_in_child(key)
        return self._prepared[key]

    def _prepare_in_child(self, key: _Key) -> Prepared | ChildError:
        source, formats, dtype = key
        request = PrepareRequest(
            source=source,
            formats=formats,
            dtype=dtype,
            shapes=self._inputs.shapes,
            inputs=self._inputs.file,
            calibration=self._inputs.calibration,
            seed=self._inputs.seed,
            folder=mkdtemp(dir=self._folder),
        )
        try:
            with ChildProcess(memory_limit_bytes=self._plan.memory_limit_bytes) as child:
                answer = child.ask({"do": "prepare", "request": to_plain(request)}, timeout_s=self._plan.time_limit_s)
        except ChildError as error:
            return error
        return from_plain(Prepared, answer, where="answer of the child process")


def _unread(model: str) -> ModelInfo:
    """What stands in a profile whose model could not be read."""
    name = Path(model).name.removeprefix("zoo:")
    return ModelInfo(name=name, source=model, format=ModelFormat.ONNX, digest="", size_bytes=0)
