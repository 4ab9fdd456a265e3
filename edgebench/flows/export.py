"""The verb ``export``: a model in the form that a device ships."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.profile import Outcome
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.store.devices import find_device
from edgebench.store.files import write_atomically
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.jobs import Prepare
from edgebench.workers.worker import ChildError

_TIME_LIMIT_S = 300.0
_ANY_DEVICE = "nucleo-l4r5zi"


class ExportForm(StrEnum):
    """What a model can be exported to."""

    C = "c"
    INT8_TFLITE = "int8-tflite"
    TFLITE = "tflite"


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
        form: C for microcontrollers, or TFLite.
        output: A folder for C, else a file.
        inputs: Shapes, seed and calibration data.
        device: The microcontroller that C is for; without one it is for any core without vectors.
        workers: Who starts the process that converts.

    Returns:
        The files written, and what the conversion did to the outputs.

    Raises:
        InputError: The model is not valid.
        UnsupportedModelError: It cannot be converted.
        StorageError: The output cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        prepared = _prepare(model, form, folder, inputs, workers)
        if form is not ExportForm.C:
            write_atomically(output, Path(prepared.path).read_bytes())
            return [output], prepared.notes
        files = _c_project(Path(prepared.path), device)
    for name, content in files.items():
        write_atomically(output / name, content)
    return [output / name for name in files], prepared.notes


def _prepare(model: str, form: ExportForm, folder: str, inputs: InputSource, workers: Workers) -> Prepared:
    """In a child process: model files are not trusted."""
    request = PrepareRequest(
        source=model,
        formats=(ModelFormat.TFLITE,),
        dtype=None if form is ExportForm.TFLITE else DataType.INT8,
        shapes=inputs.shapes,
        calibration=inputs.calibration,
        seed=inputs.seed,
        folder=folder,
    )
    try:
        with workers.measuring() as worker:
            return worker.ask(Prepare(wanted=request), timeout_s=_TIME_LIMIT_S)
    except ChildError as error:
        kinds = {Outcome.UNAVAILABLE: TargetUnavailableError, Outcome.UNSUPPORTED: UnsupportedModelError}
        raise kinds.get(error.outcome, InputError)(error.message, remedy=error.remedy) from None


def _c_project(model: Path, device: Device | None) -> dict[str, bytes]:
    from edgebench.models.tflite.quantised_graph import read_quantised_graph
    from edgebench.targets.mcu.generator import generate
    from edgebench.targets.mcu.project import project_files
    from edgebench.targets.mcu.target import device_toolchain

    toolchain = device_toolchain(device or find_device(_ANY_DEVICE))
    return project_files(generate(read_quantised_graph(model), helium=toolchain.core.helium), toolchain)
