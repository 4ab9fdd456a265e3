"""Writes a generated model as a C project that any compiler for its core builds."""

from __future__ import annotations

from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.toolchain import ROUND_ONCE, SINGLE_ROUNDING, Toolchain

_STAND_INS = "include/freestanding"


def project_files(generated: GeneratedModel, toolchain: Toolchain) -> dict[str, bytes]:
    """All files of the project by their path in it.

    Args:
        generated: The model.
        toolchain: Names the kernels' sources; they are copied with their licence headers.
    """
    files = {name: text.encode() for name, text in generated.files.items()}
    for source in toolchain.kernel_sources:
        files[f"kernels/{source.name}"] = source.read_bytes()
    for folder in toolchain.kernel_includes:
        files.update({f"include/{header.name}": header.read_bytes() for header in sorted(folder.glob("*.h"))})
    files.update(
        {f"{_STAND_INS}/{header.name}": header.read_bytes() for header in sorted(toolchain.stand_ins.glob("*.h"))}
    )
    once = " ".join(f"kernels/{name}.o" for name in sorted(SINGLE_ROUNDING))
    core = toolchain.core
    makefile = _MAKEFILE.format(once=once, flag=ROUND_ONCE, cpu=" ".join(core.gcc), compiler=core.gnu_compiler)
    files["Makefile"] = makefile.encode()
    files["README.md"] = _readme(generated, toolchain).encode()
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

`kernels/` and `include/` hold Arm's CMSIS-NN and CMSIS headers (Apache-2.0, see the head of each file),
edgebench's own kernels, and the little of a C library that they need. Leave out `kernels/edgebench_memory.c` where your
C library has `memcpy`, `memmove` and `memset`. Results are those of LiteRT's reference kernels, to the bit.
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
