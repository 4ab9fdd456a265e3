"""PyTorch programs to ONNX by PyTorch's own exporters, compared with the original on random inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import MissingPackageError, UnsupportedModelError
from edgebench.models.output_difference import relative_difference
from edgebench.models.pytorch.exported import exported_from_script
from edgebench.models.pytorch.layer_names import name_layers
from edgebench.models.pytorch.load import TRAIN_EXTRA, Program, compared_inputs, load_program, quiet, with_tables

_TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}
"""Relative difference of outputs above which an export is wrong, not rounded, by type of an input; 1e-3 for others."""
_LARGEST_RENAMED_BYTES = 1 << 30
_OPERATOR = re.compile(r"OpOverload\(op='(?:aten\.|prims\.)?([\w.]+)'|the operator '([\w:.]+)'|prim::\w+")
_BY_TORCH = "profile the model on a CPU with PyTorch itself: -d host-torch"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxExport:
    """An exported file.

    Attributes:
        path: The ``.onnx`` file.
        opset: Version of its operators.
        difference: Largest difference of an output, as a share of the largest value of that output.
        notes: What was done.
    """

    path: Path
    opset: int
    difference: float
    notes: tuple[str, ...]


def export_onnx(path: Path, target: Path, specs: Sequence[TensorSpec], source: InputSource) -> OnnxExport:
    """Write a TorchScript or ``torch.export`` file as ONNX.

    Args:
        path: The file.
        target: File to write.
        specs: What is known about its inputs: the length of tables that they index.
        source: Values, or shapes and seed, of the inputs that both are compared on.

    Raises:
        InputError: The file is not valid, or a shape is missing.
        UnsupportedModelError: The exporter does not support an operator, or outputs differ.
        MissingPackageError: PyTorch or its exporter is not installed.
    """
    program = with_tables(load_program(path, source.shapes, source.file), specs)
    arrays = compared_inputs(program, source)
    wanted = [program.outputs(values) for values in arrays]
    tolerance = max((_TOLERANCE.get(spec.dtype, 1e-3) for spec in program.specs), default=1e-3)
    if _difference(wanted[0], program.outputs(arrays[0])) > tolerance:
        raise UnsupportedModelError(
            "the model gives other outputs when it runs again on the same inputs: it is random, or keeps a state",
            where=path.name,
            remedy="save it in evaluation mode, model.eval(); make a state an input and an output of the model",
        )
    with quiet():
        _export(program, arrays[0], len(wanted[0]), target, path.name)
    opset = _named(program, target)
    difference = max(
        _difference(outputs, _run(target, values, path.name)) for outputs, values in zip(wanted, arrays, strict=True)
    )
    if difference > tolerance:
        raise UnsupportedModelError(
            f"the export to ONNX by torch.onnx.export is not faithful: outputs differ by {difference:.1%}",
            where=path.name,
            remedy=_BY_TORCH,
        )
    note = (
        f"exported from PyTorch to ONNX by torch.onnx.export, opset {opset}, "
        f"outputs differ by {difference:.1e} of their size"
    )
    return OnnxExport(path=target, opset=opset, difference=difference, notes=(note,))


def _export(
    program: Program, arrays: Mapping[str, NDArray[np.generic]], outputs: int, target: Path, where: str
) -> None:
    args, _ = program.arguments(program.tensors(arrays))
    try:
        if program.exported is not None:
            _export_program(program.exported, target)
        else:
            _export_script(program, args, outputs, target)
    except MemoryError:
        raise
    except Exception as error:  # the exporters raise what is below them: a dozen kinds without a common base
        if program.exported is not None or not _exported_otherwise(program.script, args, target):
            raise _refused(error, where, program) from error


def _export_program(exported: Any, target: Path) -> None:
    import torch

    torch.onnx.export(exported, dynamo=True, verbose=False).save(str(target))


def _export_script(program: Program, args: tuple[Any, ...], outputs: int, target: Path) -> None:
    import torch

    torch.onnx.export(
        program.script,
        args,
        str(target),
        dynamo=False,
        input_names=[spec.name for spec in program.specs],
        output_names=[f"output_{number}" for number in range(outputs)],
        verbose=False,
    )


def _exported_otherwise(script: Any, args: tuple[Any, ...], target: Path) -> bool:
    """Export by way of an exported program, which supports more operators than TorchScript, such as ``unflatten``."""
    exported = exported_from_script(script, args)
    if exported is None:
        return False
    try:
        _export_program(exported, target)
    except MemoryError:
        raise
    except Exception:  # as above; the first refusal is the one to report
        return False
    return True


def _refused(error: BaseException, where: str, program: Program) -> Exception:
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    for link in chain:
        if isinstance(link, ModuleNotFoundError):
            return MissingPackageError(f"PyTorch's exporter to ONNX needs {link.name}", remedy=TRAIN_EXTRA)
        if isinstance(link, MemoryError):
            return link
    texts = [" ".join(str(link).split()) for link in chain]
    found = [match.group(1) or match.group(2) or match.group(0) for text in texts for match in _OPERATOR.finditer(text)]
    operators = tuple(sorted({name.removeprefix("aten::").removesuffix(".default") for name in found[:1]}))
    if operators:
        what = f"torch.onnx.export has no ONNX form for {', '.join(operators)}"
    else:
        what = f"torch.onnx.export cannot write the model as ONNX: {_first_sentence(texts)}"
    remedy = f"replace what it names, or {_BY_TORCH}"
    if program.script is not None:
        remedy = "save it with torch.jit.trace or torch.export.save, which leave out what is not computed; or " + remedy
    return UnsupportedModelError(what, operators=operators, where=where, remedy=remedy)


def _first_sentence(texts: Sequence[str]) -> str:
    """The innermost message, which names the cause."""
    return next((text for text in reversed(texts) if text), "no reason given")[:300]


def _named(program: Program, target: Path) -> int:
    """Give nodes the names of modules, and inputs those of the program; the version of the operators."""
    import onnx

    model = onnx.load(str(target), load_external_data=False)
    opset = max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)
    _add_unused_inputs(model, program)
    inputs = [value.name for value in model.graph.input]
    if len(inputs) != len(program.specs):
        raise UnsupportedModelError(
            f"torch.onnx.export has changed the inputs: {', '.join(inputs)}", where=target.name, remedy=_BY_TORCH
        )
    if target.stat().st_size < _LARGEST_RENAMED_BYTES:
        name_layers(model, [spec.name for spec in program.specs])
        onnx.save(model, str(target))
    return opset


def _add_unused_inputs(model: Any, program: Program) -> None:
    """Inputs that nothing reads, which the exporter of TorchScript leaves out; it keeps the names of the others."""
    import onnx

    held = {value.name: value for value in model.graph.input}
    names = [spec.name for spec in program.specs]
    if program.script is None or not set(held) < set(names):
        return
    values = [
        held.get(spec.name)
        or onnx.helper.make_tensor_value_info(
            spec.name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype)), spec.shape
        )
        for spec in program.specs
    ]
    del model.graph.input[:]
    model.graph.input.extend(values)


def _run(path: Path, arrays: Mapping[str, NDArray[np.generic]], where: str) -> list[NDArray[np.generic]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = {value.name for value in session.get_inputs()}
        found: list[NDArray[np.generic]] = session.run(None, {name: arrays[name] for name in names})
    except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
        raise UnsupportedModelError(
            f"ONNX Runtime does not accept what torch.onnx.export wrote: {' '.join(str(error).split())[:300]}",
            where=where,
            remedy=f"save it in float32, model.float(), if it has another type; else {_BY_TORCH}",
        ) from None
    return found


def _difference(wanted: Sequence[NDArray[np.generic]], found: Sequence[NDArray[np.generic]]) -> float:
    if len(wanted) != len(found):
        return float("inf")
    return max((relative_difference(*pair) for pair in zip(wanted, found, strict=True)), default=0.0)
