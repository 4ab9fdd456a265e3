"""PyTorch programs to float TFLite by Google's litert-torch, which runs in its own environment."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import UnsupportedModelError
from edgebench.machine.child_environment import child_environment
from edgebench.machine.environments import require_interpreter
from edgebench.models.graph.tensor_graph import Port
from edgebench.models.onnx.to_tflite import ConvertedModel
from edgebench.models.output_difference import relative_difference
from edgebench.models.pytorch.exported import export_fixed
from edgebench.models.pytorch.load import Program, compared_inputs, with_tables

ENVIRONMENT = "litert-torch"
_CHILD = Path(__file__).with_name("litert_torch_child.py")
_LIMIT_S = 1800.0
"""A last resort: the user's own limit ends the waiting process, and everything that it started."""
_TOLERANCE = 1e-3
_MISSING = re.compile(r"Lowering not found: (?:aten\.)?([\w.]+?)(?:\.default)?$")
_OURS = "leave out --converter: edgebench's own may support it; or profile the model with PyTorch: -d host-torch"


def convert_litert_torch(path: Path, target: Path, specs: Sequence[TensorSpec], source: InputSource) -> ConvertedModel:
    """Convert a TorchScript or ``torch.export`` file, and compare outputs.

    Args:
        path: The file.
        target: File to write.
        specs: What is known about its inputs: the length of tables that they index.
        source: Values, or shapes and seed, of the inputs that both are compared on.

    Raises:
        UnavailableError: The converter is not set up.
        InputError: The file is not valid, or a shape is missing.
        UnsupportedModelError: The converter does not take the model, or outputs differ.
    """
    interpreter = require_interpreter(ENVIRONMENT)
    fixed = target.with_name("fixed.pt2")
    program = with_tables(export_fixed(path, fixed, source), specs)
    told = _run(interpreter, fixed, target, path.name)
    ports = _ports(program, target)
    inputs = compared_inputs(program, source)
    difference = max(_difference(program, target, ports, arrays) for arrays in inputs)
    if difference > _TOLERANCE:
        raise UnsupportedModelError(
            f"the conversion by litert-torch is not faithful: outputs differ by {difference:.1%}",
            where=path.name,
            remedy="leave out --converter, or profile the model with PyTorch: -d host-torch",
        )
    version = told["versions"]["litert-torch"]
    note = (
        f"converted from PyTorch to TFLite by litert-torch {version}, outputs differ by {difference:.1e} of their size"
    )
    return ConvertedModel(path=target, inputs=ports, ranges={}, difference=difference, notes=(note,))


def _run(interpreter: Path, source: Path, target: Path, where: str) -> dict[str, Any]:
    """Let the child convert; returns its report."""
    account = target.with_suffix(".json")
    command = [str(interpreter), "-I", str(_CHILD), str(source), str(target), str(account)]
    # Nothing is downloaded, and no accelerator is searched for.
    environment = child_environment(HF_HUB_OFFLINE="1", JAX_PLATFORMS="cpu", CUDA_VISIBLE_DEVICES="")
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnsupportedModelError(
            f"litert-torch has not converted the model within {_LIMIT_S / 60:.0f} minutes", where=where, remedy=_OURS
        ) from None
    try:
        told = json.loads(account.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = None
    if not isinstance(told, dict):
        raise UnsupportedModelError(
            f"litert-torch crashed: {_ending(done)}",
            where=where,
            remedy=f"{_OURS}; edgebench setup {ENVIRONMENT} repairs the converter",
        )
    if told.get("kind") == "MemoryError":
        raise MemoryError
    if "error" in told:
        raise _refused(str(told["error"]), str(told.get("kind")), where)
    return told


def _ending(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"code {done.returncode} {' '.join(words)[:300]}".strip()


def _refused(error: str, kind: str, where: str) -> UnsupportedModelError:
    missing = _MISSING.search(error)
    if missing:
        what = f"litert-torch cannot convert the operator {missing[1]}"
        return UnsupportedModelError(what, operators=(missing[1],), where=where, remedy=_OURS)
    return UnsupportedModelError(
        f"litert-torch does not take the model: {kind}: {error[:300]}", where=where, remedy=_OURS
    )


def _ports(program: Program, path: Path) -> tuple[Port, ...]:
    """Inputs of the file, which are numbered, by their names in the user's model; layouts stay."""
    details = _interpreter(path).get_input_details()
    signature = _by_signature(path)
    ports = []
    for number, spec in enumerate(program.specs):
        tensor = signature.get(f"args_{number}", signature.get(spec.name, details[number]["name"]))
        ports.append(Port(tensor=tensor, name=spec.name, layout=tuple(range(len(spec.shape)))))
    return tuple(ports)


def _by_signature(path: Path) -> dict[str, str]:
    """Names of tensors of inputs by their names in the signature."""
    from edgebench.models.tflite.inspect import other_names

    return {other: tensor for tensor, others in other_names(path).items() for other in others}


def _interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(model_path=str(path), num_threads=1)


def _difference(
    program: Program, path: Path, ports: Sequence[Port], arrays: Mapping[str, NDArray[np.generic]]
) -> float:
    wanted = program.outputs(arrays)
    interpreter = _interpreter(path)
    interpreter.allocate_tensors()
    details = {detail["name"]: detail for detail in interpreter.get_input_details()}
    for port in ports:
        if port.tensor in details:
            detail = details[port.tensor]
            interpreter.set_tensor(detail["index"], arrays[port.name].astype(detail["dtype"]))
    interpreter.invoke()
    outputs = interpreter.get_signature_runner().get_output_details()
    order = sorted(outputs, key=lambda name: (int("".join(filter(str.isdigit, name)) or 0), name))
    found = [interpreter.get_tensor(outputs[name]["index"]) for name in order]
    if len(found) != len(wanted):
        return float("inf")
    return max((relative_difference(*pair) for pair in zip(wanted, found, strict=True)), default=0.0)
