"""What a training process does for models that are not networks of ours: they stay files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebench.compress.base import FilePass, NotApplicableError, Pass
from edgebench.compress.pipeline import parse_pipeline
from edgebench.core.compression import StepDone
from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.models.artefact import Form
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.file_deployment import Sample, SampleMaker, sizes_of
from edgebench.models.input_shapes import shapes_by_tensor
from edgebench.models.inputs import make_inputs
from edgebench.models.inspect import inspect
from edgebench.models.source import identify, parse_source
from edgebench.store.artefacts import save_file_artefact
from edgebench.tasks.task import Task
from edgebench.workers.training.compress_jobs import ApplyPass, ArtefactFacts, KeepFiles

_SAMPLES = 128


def kept(job: KeepFiles, task: Task | None) -> ArtefactFacts:
    """Keep a model as files with fixed shapes, after a look at whether it fits the task.

    Raises:
        InputError: A file is not valid, or does not fit the task.
    """
    files, form = {}, Form()
    for suffix, name in job.files.items():
        path = Path(name)
        if identify(path) is ModelFormat.TFLITE:
            files[suffix], whole = _tflite(path, job.shapes)
            form = form if whole else replace(form, dtype="int8")
        else:
            files[suffix] = _onnx(path, job.shapes)
    accuracy = None
    # The format that the user gave, as far as it can be told: conversions add constants.
    suffix, content = next(iter(files.items()))
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(content)
        parameters, macs = sizes_of(path, {})
        if task is not None:
            accuracy = _accuracy(path, task)
    artefact = FileArtefact(
        files=files, refusals=job.refusals, unread=job.unread, parameters=parameters, macs=macs, form=form
    )
    step = StepDone(text="read", done=f"kept as a file: {job.unread}", accuracy=accuracy)
    artefact = artefact.after(step)
    save_file_artefact(artefact, Path(job.folder))
    return ArtefactFacts(digest=artefact.digest, steps=artefact.steps)


def _accuracy(path: Path, task: Task) -> float:
    """On validation samples, in the file's own runtime."""
    from edgebench.tasks.deployed import deployed_accuracy

    found = deployed_accuracy(path, task.validation, classes=task.classes)
    return float((found == task.validation.labels).mean())


def _onnx(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """The file with all its data in it, and with the user's shapes."""
    import onnx

    from edgebench.models.onnx.simplify import fix_shapes

    model = onnx.load(str(path))
    if shapes:
        specs = inspect(path, parse_source(str(path)), shapes).inputs
        names = [spec.name for spec in specs]
        fix_shapes(model, {(name or names[0]): shape for name, shape in shapes.items()})
    return bytes(model.SerializeToString())


def _tflite(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[bytes, bool]:
    """The file, with fixed shapes if it leaves some open, and whether it computes on real numbers."""
    from edgebench.models.tflite.inspect import other_names
    from edgebench.models.tflite.int8.plain_model import fix_shapes, read_plain

    plain = read_plain(path)
    given = shapes_by_tensor(shapes, other_names(path)) if shapes else {}
    if not (plain.is_open or plain.is_resized(given)):
        return path.read_bytes(), plain.computes_on_reals
    specs = inspect(path, parse_source(str(path)), given).inputs
    fix_shapes(plain, dict(make_inputs(specs, InputSource(shapes=given))))
    return plain.content, plain.computes_on_reals


def applied_to_file(job: ApplyPass, artefact: FileArtefact) -> ArtefactFacts:
    """Apply a pass that needs neither layers nor training."""
    try:
        for item in parse_pipeline(job.text):
            if not isinstance(item, FilePass):
                return _no_file_pass(item, artefact)
            artefact = item.apply_to_file(artefact)
    except NotApplicableError as error:
        return ArtefactFacts(not_applicable=error.what, remedy=error.remedy or "")
    save_file_artefact(artefact, Path(job.folder))
    return ArtefactFacts(digest=artefact.digest, steps=artefact.steps)


def _no_file_pass(item: Pass, artefact: FileArtefact) -> ArtefactFacts:
    why = "needs training" if item.trains else "changes the layers"
    return ArtefactFacts(
        not_applicable=f"it {why}, and the model cannot be read as a network: {artefact.unread}",
        remedy="passes that work on any file are int8, int8_weights, float16, sparse, share and fuse",
    )


def samples_of(task: Task | None) -> SampleMaker:
    """Training images as a file takes them, one by one; None if there is no task."""

    def samples(path: Path, specs: Sequence[TensorSpec]) -> list[Sample] | None:
        if task is None:
            return None
        from edgebench.tasks.deployed import Batches

        sizes = [1 if place == 0 else size for place, size in enumerate(specs[0].shape)]
        images, is_tflite = task.train.sample(_SAMPLES), identify(path) is ModelFormat.TFLITE
        batches = Batches(path, images, sizes, first_layout="last" if is_tflite else "first")
        return [{specs[0].name: np.asarray(batch)} for batch in batches.arrays()]

    return samples
