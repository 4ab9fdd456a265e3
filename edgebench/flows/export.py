"""The verb ``export``: a model in the form that a device ships."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Outcome
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.prepare import PrepareRequest, inputs_of_loaded
from edgebench.store.devices import find_device
from edgebench.store.files import write_atomically
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.jobs import Prepare
from edgebench.workers.measuring.model_jobs import WriteProject
from edgebench.workers.worker import ChildError

_TIME_LIMIT_S = 300.0
_ANY_DEVICE = "nucleo-l4r5zi"


class ExportForm(StrEnum):
    """What a model can be exported to."""

    C = "c"
    INT8_TFLITE = "int8-tflite"
    TFLITE = "tflite"
    VELA = "vela"


def export_model(
    model: str,
    form: ExportForm,
    output: Path,
    inputs: InputSource,
    device: Device | None = None,
    *,
    workers: Workers = LOCAL,
) -> tuple[list[Path], tuple[str, ...]]:
    """Convert a model and write it.

    Args:
        model: A path or ``zoo:NAME``.
        form: C for microcontrollers, TFLite, or TFLite that Vela compiled for an Ethos-U.
        output: A folder for C, otherwise a file.
        inputs: Shapes, seed, calibration data, signature and converter.
        device: What the C code or the compiled file is for; by default, any core without vectors.
        workers: Starts the process that converts.

    Returns:
        The files written, and what the conversion did to the outputs.

    Raises:
        InputError: The model is not valid.
        UnsupportedModelError: It cannot be converted.
        StorageError: The output cannot be written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="edgebench-") as folder,
        _errors_of_the_child(),
        workers.measuring() as worker,
    ):
        request = PrepareRequest(
            source=model,
            formats=(ModelFormat.TFLITE,),
            dtype=None if form is ExportForm.TFLITE else DataType.INT8,
            shapes=inputs.shapes,
            calibration=inputs.calibration,
            seed=inputs.seed,
            signature=inputs.signature,
            converter=inputs.converter,
            folder=folder,
        )
        prepared = worker.ask(Prepare(wanted=request), timeout_s=_TIME_LIMIT_S)
        notes = (*prepared.notes, *(prepared.deployed.caveats if prepared.deployed else ()))
        if form not in {ExportForm.C, ExportForm.VELA}:
            write_atomically(output, Path(prepared.path).read_bytes())
            return [output], notes
        project = Path(folder) / "project"
        project.mkdir()
        fed = inputs_of_loaded(inputs, prepared.info, prepared.deployed)
        order = WriteProject(
            device=device or find_device(_ANY_DEVICE), model=prepared.path, inputs=fed, folder=str(project)
        )
        written = worker.ask(order, timeout_s=_TIME_LIMIT_S)
        if form is ExportForm.VELA:
            write_atomically(output, (project / written.files[0]).read_bytes())
            return [output], (*notes, *written.notes)
        for name in written.files:
            write_atomically(output / name, (project / name).read_bytes())
    return [output / name for name in written.files], (*notes, *written.notes)


@contextmanager
def _errors_of_the_child() -> Iterator[None]:
    """Model files are not trusted: they are read in a child process, whose errors are reported as if they were ours."""
    try:
        yield
    except ChildError as error:
        kinds = {Outcome.UNAVAILABLE: TargetUnavailableError, Outcome.UNSUPPORTED: UnsupportedModelError}
        raise kinds.get(error.outcome, InputError)(error.message, remedy=error.remedy) from None
