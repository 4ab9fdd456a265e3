"""From what a user typed to a file that a target takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.core.dtype import DataType
from edgebench.core.model import PYTORCH, Converter, InputSource, ModelFormat, ModelInfo, TensorSpec
from edgebench.core.record import Record
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.input_file import array_shapes, input_shapes
from edgebench.models.input_shapes import shapes_by_tensor, with_name
from edgebench.models.inspect import inspect
from edgebench.models.source import ModelSource, identify, parse_source

if TYPE_CHECKING:
    from edgebench.models.calibration import Port
    from edgebench.models.convert import Conversion

_RUNS_ON: Mapping[ModelFormat, str] = {
    ModelFormat.ONNX: "host",
    ModelFormat.TFLITE: "host-litert",
    ModelFormat.TORCHSCRIPT: "host-torch",
    ModelFormat.TORCH_EXPORT: "host-torch",
}
_RUN_AS = {ModelFormat.ONNX, ModelFormat.TFLITE}
"""What PyTorch models are converted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest(Record):
    """What a target needs from a model.

    Attributes:
        source: What the user typed: a path, ``zoo:NAME``, or ``module:function`` of PyTorch.
        formats: Formats the target takes, the preferred one first.
        dtype: ``int8`` or ``float32`` if the target takes only that, otherwise None.
        shapes: Input shapes given by the user.
        inputs: An ``.npz`` with the inputs, whose shapes apply if the user gives no others.
        calibration: An ``.npz`` whose values set the ranges of quantised activations.
        seed: Seeds the weights of networks from the zoo, and random calibration data.
        folder: Where files may be written.
        signature: Which signature of a ``.tflite`` file; by default, that of its main graph.
        converter: What converts PyTorch models to TFLite.
    """

    source: str
    formats: tuple[ModelFormat, ...]
    dtype: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    inputs: str | None = None
    calibration: str | None = None
    seed: int = 0
    folder: str
    signature: str | None = None
    converter: Converter = Converter.EDGEBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Record):
    """A model ready for a target.

    Attributes:
        info: The model as given.
        path: The file to load.
        deployed: The file's description if the model had to be converted, otherwise None.
        notes: What the conversion did.
        beside: Further files with its weights, in the order in which it names them.
    """

    info: ModelInfo
    path: str
    deployed: ModelInfo | None = None
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def inputs_of_loaded(inputs: InputSource, model: ModelInfo, deployed: ModelInfo | None) -> InputSource:
    """How the file that is loaded gets its inputs, with what is known about them and the runtime does not know.

    Args:
        inputs: What the user gave for the model.
        model: The model as given.
        deployed: The file's description if the model had to be converted.
    """
    if deployed is not None and deployed.format is ModelFormat.TFLITE:
        # The shapes and the graph that were given are in the converted file, and its layout may be another.
        inputs = replace(inputs, shapes={}, signature=None)
    specs = (deployed or model).inputs
    return replace(inputs, upper={spec.name: spec.upper for spec in specs if spec.upper is not None})


def prepare(request: PrepareRequest) -> Prepared:
    """Inspect a model, and convert or quantise it if the target takes another form.

    Raises:
        InputError: The model is not valid, or a shape is missing or wrong.
        UnsupportedModelError: The model cannot be brought into a form that the target takes.
    """
    source = parse_source(request.source)
    folder = Path(request.folder)
    if source.zoo is not None:
        from edgebench.models.zoo import export

        format_ = request.formats[0]
        path = folder / f"{source.name}{format_.suffix}"
        export(source.zoo, format_, path, seed=request.seed)
    elif source.function is not None:
        from edgebench.models.pytorch.function import export_function

        format_ = ModelFormat.TORCH_EXPORT
        path = folder / f"{source.name}{format_.suffix}"
        export_function(source.function, path, request.shapes, request.inputs, seed=request.seed)
    else:
        path = source.path or Path(source.text)
        format_ = identify(path)
    shapes = _shapes(request, path, source, format_)
    info = inspect(path, source, shapes, request.signature)
    shapes = dict(with_name(shapes, [spec.name for spec in info.inputs]))
    conversion = _convert(request, path, format_, info.inputs, shapes, folder)
    if conversion.path == path:
        return Prepared(info=info, path=str(path), beside=_beside(path, format_))
    loaded = identify(conversion.path)
    deployed = inspect(conversion.path, source, shapes if loaded is ModelFormat.ONNX else {})
    deployed = replace(deployed, caveats=conversion.caveats)
    return Prepared(
        info=info,
        path=str(conversion.path),
        deployed=deployed,
        notes=conversion.notes,
        beside=_beside(conversion.path, loaded),
    )


def _beside(path: Path, format_: ModelFormat) -> tuple[str, ...]:
    if format_ is not ModelFormat.ONNX:
        return ()
    from edgebench.models.onnx.file import external_files, parse_graph

    return tuple(map(str, external_files(parse_graph(path), path)))


def _shapes(
    request: PrepareRequest, path: Path, source: ModelSource, format_: ModelFormat
) -> dict[str, tuple[int, ...]]:
    """Shapes of inputs: those given, and those of the arrays in a file."""
    file = Path(request.inputs) if request.inputs else None
    if file is not None and format_ is ModelFormat.TORCHSCRIPT:
        held = array_shapes(file)
        if request.inputs == request.calibration:
            # The first axis is that of the samples.
            held = {name: (1, *shape[1:]) for name, shape in held.items()}
        return {**held, **request.shapes}
    if format_ is not ModelFormat.TFLITE:
        shapes, names = dict(request.shapes), {}
        specs = inspect(path, source, shapes, request.signature, open_shapes=True).inputs if file is not None else ()
    else:
        from edgebench.models.tflite.inspect import open_inputs, other_names

        names = other_names(path, request.signature)
        shapes, specs = shapes_by_tensor(request.shapes, names), open_inputs(path, request.signature)
    if file is None:
        return shapes
    samples_first = request.inputs == request.calibration
    return {**input_shapes(specs, file, names, samples_first=samples_first), **shapes}


def _convert(
    request: PrepareRequest,
    path: Path,
    format_: ModelFormat,
    specs: Sequence[TensorSpec],
    shapes: Mapping[str, tuple[int, ...]],
    folder: Path,
) -> Conversion:
    from edgebench.models.convert import Conversion, quantise

    result = Conversion(path=path, notes=())
    ports: Sequence[Port] = ()
    ranges: Mapping[str, tuple[float, float]] = {}
    source = InputSource(seed=request.seed, shapes=shapes, file=request.inputs, calibration=request.calibration)
    if format_ not in request.formats and ModelFormat.TFLITE in request.formats and _other_converter(request, format_):
        from edgebench.models.pytorch.litert_torch import convert_litert_torch

        converted = convert_litert_torch(path, folder / "converted.tflite", specs, source)
        result = Conversion(path=converted.path, notes=converted.notes)
        ports, format_ = converted.inputs, ModelFormat.TFLITE
    if format_ not in request.formats and format_ in PYTORCH and not _RUN_AS.isdisjoint(request.formats):
        from edgebench.models.pytorch.to_onnx import export_onnx

        exported = export_onnx(path, folder / "exported.onnx", specs, source)
        result, format_ = Conversion(path=exported.path, notes=exported.notes), ModelFormat.ONNX
        specs = inspect(exported.path, parse_source(request.source), shapes).inputs
    if format_ not in request.formats:
        if format_ is not ModelFormat.ONNX or ModelFormat.TFLITE not in request.formats:
            raise _not_taken(request, format_)
        from edgebench.models.onnx.to_tflite import convert_onnx

        converted = convert_onnx(result.path, folder / "converted.tflite", specs, source)
        result = Conversion(path=converted.path, notes=(*result.notes, *converted.notes))
        ports, ranges = converted.inputs, converted.ranges
    if request.dtype == DataType.INT8:
        quantised = quantise(
            result.path,
            folder / "quantised.tflite",
            Path(request.calibration) if request.calibration else None,
            request.seed,
            shapes=shapes if result.path == path else None,
            signature=request.signature,
            ranges=ranges,
            ports=ports,
        )
        result = replace(quantised, notes=(*result.notes, *quantised.notes))
    return result


def _other_converter(request: PrepareRequest, format_: ModelFormat) -> bool:
    """Whether a model is for a converter that is not ours."""
    if request.converter is Converter.EDGEBENCH:
        return False
    if format_ not in PYTORCH:
        raise InputError(
            f"{request.converter} converts PyTorch models, this is {format_}",
            where=f"--converter {request.converter}",
            remedy=f"leave out --converter, or give {request.source!r} as the PyTorch model it was made from",
        )
    return True


def _not_taken(request: PrepareRequest, format_: ModelFormat) -> UnsupportedModelError:
    """There is no way from a format to what a device takes."""
    wanted = " or ".join(request.formats)
    elsewhere = f"profile it with -d {_RUNS_ON[format_]}"
    if PYTORCH.isdisjoint(request.formats):
        remedy = f"{elsewhere}, or give the ONNX or PyTorch model that it was made from"
    else:
        remedy = f"{elsewhere}, or give the PyTorch model that it was made from"
    return UnsupportedModelError(
        f"the device takes {wanted} files, but this is {format_}", where=request.source, remedy=remedy
    )
