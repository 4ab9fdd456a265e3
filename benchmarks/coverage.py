"""Which devices the model files of a folder reach, and what stops the others.

    python benchmarks/coverage.py FOLDER [--json FILE] [--run] [--retry] [--only TEXT]

Every `.tflite` and `.onnx` file below the folder is brought to four kinds of device, each file in its own
process with limits of time and memory: `host` (ONNX Runtime), `host-litert`, `ethos-u55-128` (Vela compiles it) and
`nucleo-l4r5zi` (the C is written; with --run it is compiled, emulated and compared with LiteRT's reference kernels).
Ranges come from random inputs, given as calibration data. Use files that others made.

With --json, results are kept after each file, and files already in it are not tried again; --retry repeats
those that did not reach every device.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.errors import EdgebenchError, InputError, UnsupportedModelError
from edgebench.models.digest import digest_files
from edgebench.models.inputs import make_inputs
from edgebench.models.inspect import inspect
from edgebench.models.prepare import PrepareRequest, prepare
from edgebench.models.source import parse_source
from edgebench.models.tflite.file import read_contents
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.store.devices import find_device
from edgebench.targets.mcu.generator import generate
from edgebench.targets.registry import create_target

HOST, LITERT, NPU, MCU = DEVICES = ("host", "host-litert", "ethos-u55-128", "nucleo-l4r5zi")
GOALS = {NPU: "reach the NPU compiler", MCU: "reach the microcontroller"}
SUFFIXES = {".onnx", ".tflite"}
WHOLE, PARTLY = "whole", "partly"
MEMORY_BYTES = 8 << 30
ALLOWED_RMS = 0.05
SIZES = (64, 224, 320, 640, 1, 16, 512, 16000)
"""Sizes that open dimensions are set to, until the model runs."""
INFERS = ("serving_default", "predict", "infer")
SAMPLES = 4
TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(uint8)": np.uint8}
_NAMES = re.compile(r"'[^']*'|\"[^\"]*\"")
_NUMBERS = re.compile(r"\d[\d,.]*")
_RMS = re.compile(r"outputs differ from the float model's by ([\d.,]+)%")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", action="store_true", help="emulate the C, too")
    parser.add_argument("--retry", action="store_true", help="try what failed before again")
    parser.add_argument("--only", default="", help="only files with this in their path")
    parser.add_argument("--time-limit", type=float, default=240.0, help="seconds per file")
    parser.add_argument("--devices", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.devices:
        try_one(arguments.folder, arguments.devices.split(","), emulate=arguments.run)
        return
    known = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.is_file() else {}
    results = {}
    for path in sorted(path for path in arguments.folder.rglob("*") if path.suffix in SUFFIXES):
        name, digest = str(path.relative_to(arguments.folder)), digest_files([path])[0]
        if arguments.only not in name:
            continue
        old = known.get(name)
        if old is None or old["digest"] != digest or (arguments.retry and not reached_all(old)):
            old = known[name] = {"digest": digest, **child(path, arguments.time_limit, emulate=arguments.run)}
            if arguments.json:
                arguments.json.write_text(json.dumps(known, indent=1))
        results[name] = old
        print(line(name, old), flush=True)
    report(results)


def child(path: Path, seconds: float, *, emulate: bool) -> dict[str, Any]:
    """What processes report about a file before they end; after a crash, another one continues with the rest."""
    said: dict[str, Any] = {}
    while left := [device for device in DEVICES if device not in said]:
        command = [sys.executable, __file__, str(path), "--devices", ",".join(left), *(["--run"] if emulate else [])]
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
            output, end = done.stdout, f"the process ended with {done.returncode}"
        except subprocess.TimeoutExpired as error:
            output, end = error.stdout or b"", "takes too long"
        said.pop("begun", None)
        for text in output.decode(errors="replace").splitlines():
            if text.startswith("{"):
                said.update(json.loads(text))
        for device in said.get("begun", left):
            said.setdefault(device, {"outcome": "crashed", "reason": end})
    said.pop("begun", None)
    return said


def try_one(path: Path, devices: Sequence[str], *, emulate: bool) -> None:
    """Bring one file to every kind of device, and report each result as soon as it is known."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        shapes = shapes_that_run(path) if path.suffix == ".onnx" else proposed_shapes(path)
        is_onnx = path.suffix == ".onnx"
        if HOST in devices and is_onnx:
            say(HOST, lambda: runs(HOST, prepared(path, folder, "onnx", None, shapes)[0], inputs_for(path, shapes)))
        elif HOST in devices:
            tell({HOST: {"outcome": "none", "reason": "takes ONNX files"}})
        if LITERT in devices:
            # What was made of an ONNX file has fixed sizes, in another order.
            inputs = InputSource() if is_onnx else inputs_for(path, shapes)
            say(LITERT, lambda: runs(LITERT, prepared(path, folder, "float", None, shapes)[0], inputs))
        quantised = [device for device in (NPU, MCU) if device in devices]
        if not quantised:
            return
        begin = time.perf_counter()
        try:
            tell({"begun": quantised})
            int8, notes = prepared(path, folder, "int8", "int8", shapes)
        except Exception as error:
            tell({device: trouble(error) for device in quantised})
            return
        tell({"conversion_s": time.perf_counter() - begin, **differences(notes)})
        if NPU in devices:
            say(NPU, lambda: compiles(int8))
        if MCU in devices:
            say(MCU, lambda: runs(MCU, int8, InputSource()) if emulate else writes_c(int8))


def differences(notes: Sequence[str]) -> dict[str, Any]:
    """How far the outputs of the int8 model are from those of the original, and which layer contributes most."""
    found = _RMS.search(" ".join(notes))
    return {
        "rms": float(found[1].replace(",", "")) / 100 if found else None,
        "worst": next((note for note in notes if " costs most" in note), None),
    }


def shapes_that_run(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of open dimensions with which ONNX Runtime runs a file: 1 for batches, one size for the others."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    ports = {port.name: port for port in session.get_inputs()}
    if all(isinstance(size, int) for port in ports.values() for size in port.shape):
        return {}
    for size in SIZES:
        shapes = {
            name: tuple(
                given if isinstance(given, int) else size if axis else 1 for axis, given in enumerate(port.shape)
            )
            for name, port in ports.items()
        }
        feeds = {name: np.zeros(shape, TYPES.get(ports[name].type, np.float32)) for name, shape in shapes.items()}
        try:
            session.run(None, feeds)
        except Exception:
            continue
        return shapes
    return {}


def proposed_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes for the open dimensions of a TFLite file, as edgebench proposes them."""
    try:
        specs_of(path, {})
    except InputError as error:
        found = re.findall(r"--shape (\S+?)=([\d,]+)", str(error.remedy))
        return {name: tuple(map(int, sizes.split(","))) for name, sizes in found}
    return {}


def specs_of(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[TensorSpec, ...]:
    """Inputs of the part of a file that infers."""
    return inspect(path, parse_source(str(path)), shapes, main_signature(path)).inputs


def prepared(
    path: Path, folder: str, form: str, dtype: str | None, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Path, tuple[str, ...]]:
    """The file in the form that a device takes, and what was noted."""
    own = Path(folder) / form
    own.mkdir()
    samples = own / "calibration.npz"
    if dtype is not None:
        write_samples(specs_of(path, shapes), shapes, samples)
    request = PrepareRequest(
        source=str(path),
        formats=(ModelFormat.ONNX,) if form == "onnx" else (ModelFormat.TFLITE,),
        dtype=dtype,
        shapes=shapes,
        calibration=str(samples) if samples.is_file() else None,
        signature=main_signature(path),
        folder=str(own),
    )
    result = prepare(request)
    return Path(result.path), (*result.notes, *(result.deployed.caveats if result.deployed else ()))


def main_signature(path: Path) -> str | None:
    """The signature that infers, of files that also train, load and save."""
    names = [signature.name for signature in read_contents(path).signatures] if path.suffix == ".tflite" else []
    return next((name for name in INFERS if name in names), None) if len(names) > 1 else None


def write_samples(specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]], target: Path) -> None:
    """Random inputs, in the form of a user's calibration file."""
    samples = [make_inputs(specs, InputSource(seed=seed, shapes=shapes)) for seed in range(SAMPLES)]
    np.savez(target, **{spec.name: np.stack([sample[spec.name] for sample in samples]) for spec in specs})


def inputs_for(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> InputSource:
    """Random inputs that the model accepts: sizes of open dimensions, and positions that its tables have."""
    known = {spec.name: spec.upper for spec in specs_of(path, shapes) if spec.upper is not None}
    return InputSource(shapes=shapes, upper=known, signature=main_signature(path))


def runs(device: str, model: Path, inputs: InputSource) -> dict[str, Any]:
    """One inference; on a microcontroller its outputs are compared."""
    with create_target(find_device(device)).load(model, inputs) as loaded:
        loaded.run(1)
        faults = loaded.faults()
    return {"outcome": "differs", "reason": faults[0]} if faults else {"outcome": WHOLE}


def compiles(model: Path) -> dict[str, Any]:
    """Vela's compilation, and what it leaves to the CPU."""
    with create_target(find_device(NPU)).load(model, InputSource()) as loaded:
        left = [layer for layer in loaded.layers() if layer.placement == "CPU"]
    if not left:
        return {"outcome": WHOLE}
    reasons = sorted({f"{layer.operator}: {layer.reason}" for layer in left})
    return {"outcome": PARTLY, "reason": f"{len(left)} on the CPU", "left": reasons}


def writes_c(model: Path) -> dict[str, Any]:
    """The C code of a model."""
    generate(read_quantised_graph(model))
    return {"outcome": WHOLE}


def say(device: str, attempt: Callable[[], dict[str, Any]]) -> None:
    """Try, and return how it went."""
    tell({"begun": [device]})
    try:
        tell({device: attempt()})
    except Exception as error:
        tell({device: trouble(error)})


def tell(facts: Mapping[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


def trouble(error: Exception) -> dict[str, Any]:
    """What stopped a file, as a user reads it; other exceptions than edgebench's are faults."""
    operators = list(error.operators) if isinstance(error, UnsupportedModelError) else []
    outcome = "refused" if isinstance(error, EdgebenchError) else "fault"
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, EdgebenchError):
        text = error.what + (f" ({error.remedy})" if error.remedy else "")
    return {"outcome": outcome, "reason": text[:600], "operators": operators}


def reached(result: Mapping[str, Any], device: str) -> bool:
    return result[device]["outcome"] in {WHOLE, PARTLY}


def reached_all(result: Mapping[str, Any]) -> bool:
    return all(reached(result, device) or result[device]["outcome"] == "none" for device in DEVICES)


def line(name: str, result: Mapping[str, Any]) -> str:
    """A file, its devices, the difference of int8 and the time of its conversion."""
    words = " ".join(f"{result[device]['outcome']:<9}" for device in DEVICES)
    rms = "" if result.get("rms") is None else f"{result['rms']:.2%}"
    seconds = "" if result.get("conversion_s") is None else f"{result['conversion_s']:.1f} s"
    return f"{words} {rms:>8} {seconds:>7}  {name}"


def report(results: Mapping[str, Mapping[str, Any]]) -> None:
    """How many files reach each device, what stops the others, and how far int8 is from the originals."""
    print(f"\n{len(results)} files")
    for device in DEVICES:
        tried = [result for result in results.values() if result[device]["outcome"] != "none"]
        share(device, tried, [result for result in tried if result[device]["outcome"] == WHOLE])
        if device in GOALS:
            share(GOALS[device], tried, [result for result in tried if reached(result, device)])
        reasons = Counter(kind_of(result[device]) for result in tried if not reached(result, device))
        for reason, count in reasons.most_common():
            print(f"  {count:>4} x {reason}")
    left = Counter(reason for result in results.values() for reason in set(result[NPU].get("left", ())))
    for reason, count in left.most_common():
        print(f"  {count:>4} files leave to the CPU {_NAMES.sub('_', reason)}")
    known = {name: result["rms"] for name, result in results.items() if result.get("rms") is not None}
    near = [name for name, rms in known.items() if rms < ALLOWED_RMS]
    share(f"int8 within {ALLOWED_RMS:.0%} of the original", list(known), near)
    named = [name for name in known if name not in near and results[name].get("worst")]
    print(f"  of the others, {len(named)} of {len(known) - len(near)} name the layer that costs most")
    slowest = sorted((result.get("conversion_s") or 0.0, name) for name, result in results.items())[-3:]
    print("slowest conversions: " + ", ".join(f"{seconds:.1f} s {name}" for seconds, name in reversed(slowest)))


def share(what: str, of: list[Any], those: list[Any]) -> None:
    print(f"{what}: {len(those)} of {len(of)}" + (f" ({len(those) / len(of):.0%})" if of else ""))


def kind_of(trouble: Mapping[str, Any]) -> str:
    """A reason without the names and numbers of one model, so that those of a kind count together."""
    text = _NUMBERS.sub("N", _NAMES.sub("_", trouble["reason"]))
    return f"{trouble['outcome']}: {text[:220]}"


if __name__ == "__main__":
    main()
