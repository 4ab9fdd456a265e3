"""What edgebench knows about a model before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edgebench.core.record import Record


class ModelFormat(StrEnum):
    """File formats a target can ask for."""

    ONNX = "onnx"
    TFLITE = "tflite"
    TORCHSCRIPT = "torchscript"
    TORCH_EXPORT = "pt2"

    @property
    def suffix(self) -> str:
        """How files of this format end, such as ``.onnx``."""
        return SUFFIXES[self][0]


PYTORCH = frozenset({ModelFormat.TORCHSCRIPT, ModelFormat.TORCH_EXPORT})
"""Formats that PyTorch writes and reads."""
SUFFIXES: Mapping[ModelFormat, tuple[str, ...]] = {
    ModelFormat.ONNX: (".onnx",),
    ModelFormat.TFLITE: (".tflite",),
    ModelFormat.TORCHSCRIPT: (".pt", ".pth", ".ts"),
    ModelFormat.TORCH_EXPORT: (".pt2",),
}
"""Suffixes of each format's files, the usual one first. A file's actual format is read from its content."""


def format_of_suffix(suffix: str) -> ModelFormat | None:
    """The format whose files have this suffix."""
    return next((form for form, suffixes in SUFFIXES.items() if suffix.lower() in suffixes), None)


class Converter(StrEnum):
    """What converts a model to another format."""

    EDGEBENCH = "edgebench"
    LITERT_TORCH = "litert-torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec(Record):
    """One input or output of a model.

    Attributes:
        name: As the model file spells it.
        dtype: A numpy type name.
        shape: Sizes; ``None`` for a dimension that the file leaves open.
        dimensions: The file's own names of the dimensions, ``""`` if it has none.
        upper: For positions in a table, the first value that is out of range, if the graph shows it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    dimensions: tuple[str, ...] = ()
    upper: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo(Record):
    """A model file read without running it.

    Attributes:
        name: Short name for tables.
        source: What the user typed: a path or ``zoo:NAME``.
        format: File format, or None for a file that could not be read.
        digest: SHA-256 of the file and of its external data, in hex.
        size_bytes: Size of the file and of its external data.
        parameters: Learned values, or None if the format does not show them.
        macs: Multiply-accumulates of convolutions and matrix products for one inference at the given
            input shapes, or None if they cannot be counted.
        macs_partial: Whether operators that multiply are not counted, so that it is the least.
        inputs: Inputs in the order of the file.
        outputs: Outputs in the order of the file.
        operators: How often each operator occurs.
        caveats: What limits how far its figures can be trusted, shown beside them: a batch taken as 1, random ranges.
        notes: What a reader of the numbers should know.
    """

    name: str
    source: str
    format: ModelFormat | None
    digest: str
    size_bytes: int
    parameters: int | None = None
    macs: int | None = None
    macs_partial: bool = False
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    operators: Mapping[str, int] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.size_bytes, self.parameters or 0, self.macs or 0) < 0:
            raise ValueError("size_bytes, parameters and macs cannot be below zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSource(Record):
    """Where the inputs of a run come from.

    Attributes:
        seed: Seeds the random values.
        shapes: Shapes given by the user, by input name.
        file: An ``.npz`` with one array per input, instead of random values.
        upper: First value out of range of inputs that are positions in a table, by name, if the graph shows it.
        calibration: An ``.npz`` with samples that set the ranges of quantised activations.
        signature: Which signature of a ``.tflite`` file to run; by default, that of its main graph.
        converter: What converts PyTorch models to TFLite.
    """

    seed: int = 0
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    file: str | None = None
    upper: Mapping[str, int] = field(default_factory=dict)
    calibration: str | None = None
    signature: str | None = None
    converter: Converter = Converter.EDGEBENCH
