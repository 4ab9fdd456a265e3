"""What an exported file predicts in its runtime; nothing is timed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, MissingPackageError, UnsupportedModelError
from edgebench.models.tflite.quantize import Samples, run_tflite
from edgebench.tasks.task import Split

Runtime = Literal["onnxruntime", "litert"]
_RUNTIMES: dict[str, Runtime] = {".onnx": "onnxruntime", ".tflite": "litert"}
_OPEN_BATCH = 64
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}

Size = int | None


def deployed_accuracy(
    path: Path,
    split: Split,
    runtime: Runtime | None = None,
    *,
    reference: bool = False,
    classes: int | None = None,
) -> NDArray[np.int64]:
    """Classes that an exported file predicts, from which ``edgebench.tasks.accuracy`` makes accuracies.

    Images are resized to the file's input, converted to its layout, and quantised with its scale and zero point.
    Among equal outputs, which int8 files produce more often than float ones, the first class wins.

    Args:
        path: An ``.onnx`` or ``.tflite`` file with one image as input and one value per class as output.
        split: Images to classify.
        runtime: What runs it; by default that of the file's format.
        reference: Whether LiteRT uses its reference kernels, which microcontrollers reproduce bit by bit, instead
            of the optimised ones.
        classes: How many values the file must return; by default, at least as many as there are classes.

    Returns:
        Class of each image as [n].

    Raises:
        InputError: The file is not valid, or does not take these images.
        UnsupportedModelError: The runtime cannot run it.
        MissingPackageError: The runtime is not installed.
    """
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in _RUNTIMES or runtime not in {None, _RUNTIMES[suffix]}:
        raise InputError(
            f"{runtime or 'no runtime'} cannot run this file" if path.is_file() else "no such file",
            where=str(path),
            remedy="give an .onnx file for onnxruntime or a .tflite file for litert",
        )
    if _RUNTIMES[suffix] == "litert":
        outputs = _litert_outputs(path, split, reference=reference)
    else:
        if reference:
            raise InputError("ONNX Runtime has no reference kernels", where=str(path), remedy="give a .tflite file")
        outputs = _onnx_outputs(path, split)
    needed = int(split.labels.max()) + 1
    if outputs.shape[1] < needed or (classes is not None and outputs.shape[1] != classes):
        raise InputError(
            f"the file returns {outputs.shape[1]} values, but there are {classes or needed} classes", where=str(path)
        )
    predictions: NDArray[np.int64] = outputs.argmax(axis=1).astype(np.int64)
    return predictions


def _litert_outputs(path: Path, split: Split, *, reference: bool) -> NDArray[np.float64]:
    """Outputs as real values, [n, classes]."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError as error:
        raise MissingPackageError("LiteRT is not installed", remedy="pip install ai-edge-litert") from error
    try:
        details = Interpreter(model_path=str(path), num_threads=1).get_input_details()
        _check_one_input(path, [detail["name"] for detail in details])
        shape = [int(size) for size in details[0]["shape"]]
        batches = Batches(path, split, shape, first_layout="last")
        name = str(details[0]["name"])
        samples: Samples = [{name: batch} for batch in batches.arrays()]
        return batches.joined(run_tflite(path, samples, reference=reference))
    except (ValueError, RuntimeError) as error:
        raise UnsupportedModelError(
            f"LiteRT cannot run the model: {' '.join(str(error).split())[:300]}",
            where=str(path),
            remedy="check that the file is complete and has only LiteRT's own operators",
        ) from error


def _onnx_outputs(path: Path, split: Split) -> NDArray[np.float64]:
    """Outputs as [n, classes]."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as states
    except ModuleNotFoundError as error:
        raise MissingPackageError("ONNX Runtime is not installed", remedy="pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    failures = (
        states.Fail, states.InvalidArgument, states.InvalidGraph, states.InvalidProtobuf, states.NotImplemented,
        states.RuntimeException,
    )  # fmt: skip
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs = session.get_inputs()
        _check_one_input(path, [node.name for node in inputs])
        if inputs[0].type not in _FLOATS:
            raise UnsupportedModelError(
                f"the input is a {inputs[0].type}, whose scale .onnx files do not state",
                where=str(path),
                remedy="export with float inputs (QDQ format), or give a .tflite file",
            )
        shape = [size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape]
        batches = Batches(path, split, shape, first_layout="first")
        dtype, name = _FLOATS[inputs[0].type], inputs[0].name
        return batches.joined([session.run(None, {name: batch.astype(dtype)})[0] for batch in batches.arrays()])
    except failures as error:
        raise UnsupportedModelError(
            f"ONNX Runtime cannot run the model: {' '.join(str(error).split())[:300]}", where=str(path)
        ) from error


def _check_one_input(path: Path, names: Sequence[str]) -> None:
    if len(names) != 1:
        raise InputError(
            f"the model has {len(names)} inputs, but a task provides one image",
            where=str(path),
            remedy="give another model",
        )


class Batches:
    """Images as a file takes them: its size, its layout, its batch."""

    def __init__(self, path: Path, split: Split, shape: Sequence[Size], first_layout: Literal["first", "last"]) -> None:
        self._path, self._count = path, len(split)
        channels = split.images.shape[3]
        layouts = {"first": (1, 2, 3), "last": (3, 1, 2)}
        order = [first_layout, *({"first", "last"} - {first_layout})]
        fitting = [name for name in order if len(shape) == 4 and shape[layouts[name][0]] in {None, channels}]
        if not fitting:
            raise InputError(
                f"the input has shape {['?' if size is None else size for size in shape]}, which does not take images "
                f"with {channels} channels",
                where=str(path),
                remedy="export the network for such images",
            )
        _, rows, columns = layouts[fitting[0]]
        self._batch = shape[0] or _OPEN_BATCH
        self._fixed = shape[0] is not None
        resized = split.resized(shape[rows] or split.images.shape[1], shape[columns] or split.images.shape[2])
        self._images = resized.images.transpose(0, 3, 1, 2) if fitting[0] == "first" else resized.images

    def arrays(self) -> list[NDArray[np.float32]]:
        """The batches in order; an incomplete batch of fixed size is filled up with the last image."""
        parts = []
        for start in range(0, self._count, self._batch):
            part = self._images[start : start + self._batch]
            missing = self._batch - len(part) if self._fixed else 0
            filled = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part
            parts.append(np.ascontiguousarray(filled))
        return parts

    def joined(self, outputs: Sequence[NDArray[np.generic]]) -> NDArray[np.float64]:
        """Outputs of the batches as one row per image, without those of filling images."""
        parts = []
        for index, output in enumerate(outputs):
            rows = self._batch if self._fixed else min(self._batch, self._count - index * self._batch)
            size = math.prod(output.shape)
            if size % rows or size < 2 * rows:
                raise InputError(
                    f"the output has shape {list(output.shape)} for {rows} images, not one value for each class",
                    where=str(self._path),
                )
            parts.append(output.reshape(rows, -1).astype(np.float64))
        return np.concatenate(parts)[: self._count]
