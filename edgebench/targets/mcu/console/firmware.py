"""The C of the console for one model, and the boards that it comes with."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from edgebench.errors import InputError
from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.ports import Port

SOURCES = Path(__file__).parent
BOARDS = SOURCES / "boards"
PROFILE = "ULPMark for tinyML Firmware V0.0.1"
"""What the protocol's own firmware answers; a runner may look for it."""
VENDOR = "edgebench"
_TYPES: Mapping[str, str] = {
    "int8": "INT8",
    "uint8": "UINT8",
    "bool": "UINT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float32": "FLOAT32",
}
_BENCHMARKS: Mapping[tuple[int, int], str] = {
    (490, 12): "kws01",
    (32 * 32 * 3, 10): "ic01",
    (96 * 96 * 3, 2): "vww01",
    (640, 640): "ad01",
}
"""MLPerf Tiny's networks by the bytes of their input and output."""


class InputForm(StrEnum):
    """How the protocol carries the inputs of a model."""

    VALUES = "values"
    """The bytes of all inputs, as they are in memory."""
    UNSIGNED = "unsigned"
    """Pictures, with 128 added to each value."""
    REAL = "real"
    """Real numbers of four bytes that the board quantises."""


_FORMS: Mapping[str, InputForm] = {"ic01": InputForm.UNSIGNED, "vww01": InputForm.UNSIGNED, "ad01": InputForm.REAL}


def input_form(model: str) -> InputForm:
    """How firmware that answers with this model wants its inputs: MLPerf Tiny's reference firmware decided."""
    return _FORMS.get(model, InputForm.VALUES)


def model_digest(generated: GeneratedModel) -> str:
    """What tells one generated program from another: 16 hexadecimal digits."""
    return hashlib.sha256(generated.files["model.c"].encode()).hexdigest()[:16]


def model_name(generated: GeneratedModel) -> str:
    """The benchmark's name if a network takes and gives what one of its networks does, otherwise a name of its own."""
    ports = (*generated.inputs, *generated.outputs)
    plain = len(ports) == 2 and all(port.dtype == "int8" and port.scale > 0 for port in ports)
    known = _BENCHMARKS.get((ports[0].size, ports[1].size)) if plain else None
    return known or f"{VENDOR}-{model_digest(generated)[:8]}"


def model_header(generated: GeneratedModel) -> str:
    """What the console must know about a model: ``console_model.h``."""
    form = input_form(model_name(generated))
    return f"""/* Written by edgebench: what the console must know about the model. */
#ifndef CONSOLE_MODEL_H
#define CONSOLE_MODEL_H
#include "model.h"

#define CONSOLE_VALUES 0
#define CONSOLE_UNSIGNED 1
#define CONSOLE_REAL 2

#define CONSOLE_VENDOR "{VENDOR}"
#define CONSOLE_PROFILE "{PROFILE}"
#define CONSOLE_MODEL "{model_name(generated)}"
#define CONSOLE_DIGEST "{model_digest(generated)}"
#define CONSOLE_FORM CONSOLE_{form.name}
#define CONSOLE_INPUT_BYTES {generated.input_bytes}
#define CONSOLE_INPUTS {_joined("input", generated.inputs, lambda port: str(port.size))}
#define CONSOLE_OUTPUTS {_joined("output", generated.outputs, _output)}
#define CONSOLE_INPUT_SCALE {generated.inputs[0].scale!r}f
#define CONSOLE_INPUT_ZERO_POINT ({generated.inputs[0].zero_point})
#define CONSOLE_OUTPUT_SCALE {generated.outputs[0].scale!r}f
#define CONSOLE_RESET {"edgebench_reset()" if generated.state_bytes else "/* the model keeps nothing */"}

#endif
"""


def _joined(kind: str, ports: Sequence[Port], rest: Callable[[Port], str]) -> str:
    names = [f"edgebench_{kind}_{number}" if len(ports) > 1 else f"edgebench_{kind}" for number in range(len(ports))]
    return ", ".join(f"{{{name}(), {rest(port)}}}" for name, port in zip(names, ports, strict=True))


def _output(port: Port) -> str:
    """Size and type; of quantised values the zero point, how many decimals tell them apart, and the worth of a step."""
    kind = _TYPES[port.dtype]
    if not port.scale:
        return f"{port.size}, {kind}, 0, {6 if port.dtype == 'float32' else 0}, 0"
    decimals = max(3, 2 + math.ceil(-math.log10(port.scale)))
    return f"{port.size}, {kind}, {port.zero_point}, {decimals}, {round(port.scale * 10 ** (decimals + 6))}LL"


def board_folder(board: str, origin: str) -> Path:
    """Where the code of a board is.

    Args:
        board: Name of a board that comes with edgebench, or a folder.
        origin: The device's file; a folder that is not absolute is beside it.

    Raises:
        InputError: There is no such board, or it has no linker script.
    """
    known = sorted(path.name for path in BOARDS.iterdir())
    folder = BOARDS / board if board in known else Path(origin).parent / board
    scripts = sorted(folder.glob("*.ld"))
    if len(scripts) != 1:
        problem = f"has {len(scripts)} linker scripts (*.ld)" if folder.is_dir() else "is not a folder"
        raise InputError(
            f"{board!r} is not a board: {folder} {problem}",
            where=f"{origin}, board",
            remedy="name a folder with C files, one linker script and the functions of board.h, or one of: "
            f"{', '.join(known)}",
        )
    return folder
