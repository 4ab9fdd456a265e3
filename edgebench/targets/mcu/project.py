"""Writes a generated model as a C project that any compiler for its core builds."""

from __future__ import annotations

from pathlib import Path

from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.toolchain import ROUND_ONCE, SINGLE_ROUNDING, Toolchain

_STAND_INS = "include/freestanding"
_PACKAGE = Path(__file__).parents[2]
_OWN = "edgebench"
_TERMS = ("LICEN[CS]E*", "NOTICE*", "*PROVENANCE*")
_SPDX = b"/* SPDX-License-Identifier: Apache-2.0 */\n"


def project_files(generated: GeneratedModel, toolchain: Toolchain) -> dict[str, bytes]:
    """All files of the project by their path in it.

    Args:
        generated: The model.
        toolchain: Names the kernels' sources; they are copied with their licence headers and their licences.
    """
    files = {name: text.encode() for name, text in generated.files.items()}
    for source in toolchain.kernel_sources:
        files[f"kernels/{source.name}"] = _with_licence(source)
    for folder in toolchain.kernel_includes:
        files.update({f"include/{header.name}": _with_licence(header) for header in sorted(folder.glob("*.h"))})
    files.update(
        {f"{_STAND_INS}/{header.name}": _with_licence(header) for header in sorted(toolchain.stand_ins.glob("*.h"))}
    )
    once = " ".join(f"kernels/{name}.o" for name in sorted(SINGLE_ROUNDING))
    core = toolchain.core
    makefile = _MAKEFILE.format(once=once, flag=ROUND_ONCE, cpu=" ".join(core.gcc), compiler=core.gnu_compiler)
    files["Makefile"] = makefile.encode()
    files["README.md"] = _readme(generated, toolchain).encode()
    files["NOTICE"] = _NOTICE.encode()
    files.update(_licences(toolchain))
    return files


def _with_licence(source: Path) -> bytes:
    """A source file; those of edgebench, which carry no header, get one for the scanners of those who ship them."""
    content = source.read_bytes()
    return _SPDX + content if source.is_relative_to(_PACKAGE) else content


def _licences(toolchain: Toolchain) -> dict[str, bytes]:
    """The licence of edgebench's kernels, and all terms that lie beside the kernels of others."""
    installed = _PACKAGE / "data" / "LICENSE"
    own = installed if installed.is_file() else _PACKAGE.parent / "LICENSE"
    files = {f"licences/{_OWN}/LICENSE": own.read_bytes()}
    for folder in {include.parent for include in toolchain.kernel_includes if not include.is_relative_to(_PACKAGE)}:
        for terms in sorted(path for pattern in _TERMS for path in folder.glob(pattern) if path.is_file()):
            files[f"licences/{folder.name}/{terms.name}"] = terms.read_bytes()
    return files


def _readme(generated: GeneratedModel, toolchain: Toolchain) -> str:
    plan = generated.plan
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

`kernels/` and `include/` hold Arm's CMSIS-NN and CMSIS headers, edgebench's own kernels, and the little of a C library
that they need. All of it is under the Apache License 2.0: keep `NOTICE` and `licences/` with it.
Leave out `kernels/edgebench_memory.c` where your C library has `memcpy`, `memmove` and `memset`. Results are those of
LiteRT's reference kernels, to the bit.
"""


_NOTICE = """\
What was generated from your model (model.c, model.h, Makefile, README.md) is yours. The rest is not:

edgebench (kernels/edgebench_*, include/edgebench_*, include/freestanding/)
Copyright 2026 The edgebench authors
Licensed under the Apache License, Version 2.0: licences/edgebench/LICENSE

CMSIS-NN and CMSIS-Core (all other files in kernels/ and include/)
Copyright Arm Limited and/or its affiliates
Licensed under the Apache License, Version 2.0; the head of each file says so, and what was changed.
The terms that lay beside the files copied here are in licences/.
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
\trm -f libmodel.a *.o kernels/*.o

.PHONY: clean
"""
