"""Writes a generated model as a C project that any compiler for its core builds."""

from __future__ import annotations

from pathlib import Path

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.targets.mcu.console.firmware import BOARDS, SOURCES, model_header
from edgebench.targets.mcu.example import example_files
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.reference import NoReferenceError
from edgebench.targets.mcu.target import device_toolchain
from edgebench.targets.mcu.toolchain import ROUND_ONCE, SINGLE_ROUNDING, Toolchain
from edgebench.targets.mcu.vector import Vector, make_vector

_STAND_INS = "include/freestanding"
_PACKAGE = Path(__file__).parents[2]
_OWN = "edgebench"
_TERMS = ("LICEN[CS]E*", "NOTICE*", "*PROVENANCE*")
_SPDX = b"/* SPDX-License-Identifier: Apache-2.0 */\n"


def project_files(generated: GeneratedModel, toolchain: Toolchain, vector: Vector | None = None) -> dict[str, bytes]:
    """All files of the project by their path in it.

    Args:
        generated: The model.
        toolchain: Names the kernels' sources; they are copied with their licence headers and their licences.
        vector: What the included example program runs; without it there is no program.
    """
    example = example_files(generated, vector) if vector else {}
    header = {"console_model.h": model_header(generated)}
    files = {name: text.encode() for name, text in {**generated.files, **header, **example}.items()}
    for source in toolchain.kernel_sources:
        files[f"kernels/{source.name}"] = _with_licence(source)
    for folder in toolchain.kernel_includes:
        headers = sorted(path for path in folder.rglob("*.h") if not path.is_relative_to(toolchain.stand_ins))
        files.update({f"include/{path.relative_to(folder).as_posix()}": _with_licence(path) for path in headers})
    files.update(
        {f"{_STAND_INS}/{header.name}": _with_licence(header) for header in sorted(toolchain.stand_ins.glob("*.h"))}
    )
    files.update({name: _with_licence(path) for name, path in _console_sources().items()})
    once = " ".join(f"kernels/{name}.o" for name in sorted(SINGLE_ROUNDING))
    core = toolchain.core
    makefile = _MAKEFILE.format(once=once, flag=ROUND_ONCE, cpu=" ".join(core.gcc), compiler=core.gnu_compiler)
    makefile += _MAKE_CONSOLE
    if vector:
        makefile += _MAKE_HOST.format(once=once.replace("kernels/", "host/kernels/"), flag=ROUND_ONCE)
    files["Makefile"] = makefile.encode()
    files["README.md"] = _readme(generated, toolchain, vector).encode()
    files["NOTICE"] = _NOTICE.format(
        own=", ".join([*generated.files, *header, *example, "Makefile", "README.md"])
    ).encode()
    files.update(_licences(toolchain))
    return files


def write_project(model: Path, device: Device, inputs: InputSource, folder: Path) -> tuple[list[str], list[str]]:
    """Write the project of a model.

    Args:
        model: An int8 ``.tflite`` file.
        device: The microcontroller that the C code is for.
        inputs: Where the inputs of the test vector come from: calibration data, or a seed.
        folder: Where the files go.

    Returns:
        Paths of the files in the folder, and what a user of the C code must know.

    Raises:
        UnsupportedModelError: An operator has no kernel.
        InputError: The file is damaged.
        TargetUnavailableError: The kernels' sources are missing.
    """
    toolchain = device_toolchain(device)
    generated = generate(read_quantised_graph(model), helium=toolchain.core.helium, newer=toolchain.newer)
    notes = list(generated.notes)
    vector = None
    try:
        vector = make_vector(model, generated, inputs.seed, Path(inputs.calibration) if inputs.calibration else None)
    except NoReferenceError as error:
        notes.append(f"no test vector and no program that runs it: LiteRT's reference kernels have no answer ({error})")
    files = project_files(generated, toolchain, vector)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(files), notes


def _console_sources() -> dict[str, Path]:
    """The console and the boards that it comes with, by their path in the project."""
    paths = [*SOURCES.glob("*.[ch]"), *(path for path in BOARDS.rglob("*") if path.suffix in {".c", ".ld"})]
    return {f"console/{path.relative_to(SOURCES).as_posix()}": path for path in sorted(paths)}


def _with_licence(source: Path) -> bytes:
    """A source file; those of edgebench, which have no header, get one for the licence scanners of users."""
    content = source.read_bytes()
    return _SPDX + content if source.is_relative_to(_PACKAGE) else content


def _licences(toolchain: Toolchain) -> dict[str, bytes]:
    """The licence of edgebench's kernels, and all terms that accompany the kernels of others."""
    installed = _PACKAGE / "data" / "LICENSE"
    own = installed if installed.is_file() else _PACKAGE.parent / "LICENSE"
    files = {f"licences/{_OWN}/LICENSE": own.read_bytes()}
    for folder in {include.parent for include in toolchain.kernel_includes if not include.is_relative_to(_PACKAGE)}:
        for terms in sorted(path for pattern in _TERMS for path in folder.glob(pattern) if path.is_file()):
            files[f"licences/{folder.name}/{terms.name}"] = terms.read_bytes()
    return files


def _readme(generated: GeneratedModel, toolchain: Toolchain, vector: Vector | None) -> str:
    plan = generated.plan
    kept = f"| kept from run to run, beside the arena | {generated.state_bytes:,} |\n" if generated.state_bytes else ""
    return f"""# A model as C

Written by edgebench. `model.h` says how to run the model; `make` builds `libmodel.a`:

    make CC={toolchain.core.gnu_compiler} CPU="{" ".join(toolchain.core.gcc)}"

or, with the compiler of the Python package ziglang, which comes without a C library,

    make CC="python -m ziglang cc" CPU="{" ".join(toolchain.core.zig)} -isystem {_STAND_INS}"

| what | bytes |
|---|---|
| arena (no plan is smaller than {plan.lower_bound:,}) | {plan.size:,} |
| input | {generated.input_bytes:,} |
| output | {generated.output_bytes:,} |
{kept}{_HOST_README.format(origin=vector.origin) if vector else ""}
{_CONSOLE_README}
`kernels/` and `include/` contain Arm's CMSIS-NN and CMSIS headers, edgebench's own kernels, and the few functions of
a C library that they need. All of it is under the Apache License 2.0: keep `NOTICE` and `licences/` with it.
Leave out `kernels/edgebench_memory.c` if your C library has `memcpy`, `memmove` and `memset`. Results are those of
LiteRT's reference kernels, to the bit.
"""


_NOTICE = """\
What was generated from your model ({own}) is yours. The rest is not:

edgebench (kernels/edgebench_*, include/edgebench_*, include/freestanding/, console/)
Copyright 2026 The edgebench authors
Licensed under the Apache License, Version 2.0: licences/edgebench/LICENSE

CMSIS-NN and CMSIS-Core (all other files in kernels/ and include/)
Copyright Arm Limited and/or its affiliates
Licensed under the Apache License, Version 2.0; the head of each file says so, and what was changed.
The terms that accompanied the files copied here are in licences/.
"""
_MAKEFILE = """\
# Builds libmodel.a. Set CC and CPU for your core.
ifeq ($(origin CC),default)
CC := {compiler}
endif
CPU ?= {cpu}
CFLAGS += $(CPU) -O2 -std=c11 -ffunction-sections -fdata-sections -w -I. -Iinclude \\
	-fno-unwind-tables -fno-asynchronous-unwind-tables
OBJECTS := model.o $(patsubst %.c,%.o,$(wildcard kernels/*.c))

libmodel.a: $(sort $(OBJECTS))
\t$(AR) rcs $@ $^

# These kernels round once when they rescale, as LiteRT's fully connected layers do.
{once}: CFLAGS += {flag}

clean:
\trm -rf libmodel.a console.elf *.o kernels/*.o console/*.o $(BOARD)/*.o host

.PHONY: clean
"""
_CONSOLE_README = """
## Measure it on a board

`console/console.c` answers over a serial line in the protocol of MLPerf Tiny, so that a board with it can be measured
by `edgebench profile` and by the benchmark's public runner. `console/board.h` says which three functions your board
adds; `console/boards/mps2-an386` is a complete board. `make console.elf BOARD=FOLDER` links the console, the model, and
the C files of a folder with its one linker script.
"""
_MAKE_CONSOLE = """
# Firmware for a board: the console, the model, and the C files of a folder with its one linker script.
BOARD ?= console/boards/mps2-an386

console.elf: $(OBJECTS) console/console.o $(patsubst %.c,%.o,$(wildcard $(BOARD)/*.c))
\t$(CC) $(CFLAGS) -nostartfiles -Wl,--gc-sections -T $(wildcard $(BOARD)/*.ld) -o $@ $^

console/%.o $(BOARD)/%.o: CFLAGS += -Iconsole
"""
_HOST_README = """
## Run it before flashing

    make run-host

builds the same C with this machine's own compiler (`HOST_CC`, by default `cc`: gcc or clang, on Linux with an x86 or
Arm processor) and runs `main.c`. It feeds in the test vector, and reports for each output whether its values agree to
the bit with those of LiteRT's reference kernels, which are in `test_vector.c`. Inputs of the vector:
{origin}.

`main.c` is also the shortest example of an application. What makes the kernels fast on a board, Arm's instructions for
signal processing and vectors, is left out on the host, so its times say nothing about a board.
"""
_MAKE_HOST = """
# The same C for this machine, run on the test vector.
HOST_CC ?= cc
HOST_CFLAGS ?= -O2
HOST_FLAGS := -std=c11 -w -ffp-contract=off -I. -Iinclude -U__ARM_FEATURE_DSP -U__ARM_FEATURE_MVE \\
	-D__GNUC_PYTHON__ -D__RESTRICT=__restrict -D__CLZ=__builtin_clz
HOST_SOURCES := main.c test_vector.c model.c $(filter-out kernels/edgebench_memory.c,$(wildcard kernels/*.c))
HOST_OBJECTS := $(patsubst %.c,host/%.o,$(HOST_SOURCES))

run-host: host/run
\t./host/run

host/run: $(HOST_OBJECTS)
\t$(HOST_CC) -o $@ $^

host/%.o: %.c
\t@mkdir -p $(@D)
\t$(HOST_CC) $(HOST_CFLAGS) $(HOST_FLAGS) -c -o $@ $<

{once}: HOST_FLAGS += {flag}

.PHONY: run-host
"""
