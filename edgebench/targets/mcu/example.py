"""A program that runs an exported model on its test vector: on this machine, or as a model for an application."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.ports import C_TYPES, Port
from edgebench.targets.mcu.vector import Vector

_VALUES_A_LINE = 24


def example_files(generated: GeneratedModel, vector: Vector) -> dict[str, str]:
    """``main.c`` and the test vector that it runs.

    Args:
        generated: The model.
        vector: Inputs and the outputs that are expected.
    """
    inputs, outputs = _named("input", generated.inputs), _named("output", generated.outputs)
    fills = "".join(
        f"    memcpy(edgebench_{name}(), test_{name}[run], sizeof test_{name}[run]);\n" for name, _ in inputs
    )
    checks = "".join(
        f"    different += compare({_quoted(port.name)}, edgebench_{name}(), test_{name}[run], "
        f"{port.size}, {port.size // np.dtype(port.dtype).itemsize});\n"
        for name, port in outputs
    )
    declarations, definitions = "", ""
    for (name, port), column in zip(
        (*inputs, *outputs), (*zip(*vector.inputs, strict=True), *zip(*vector.outputs, strict=True)), strict=True
    ):
        head = f"const {C_TYPES[port.dtype]} test_{name}[TEST_RUNS][{port.size // np.dtype(port.dtype).itemsize}]"
        declarations += f"extern {head};\n"
        definitions += f"{head} = {{\n{''.join(_row(values) for values in column)}}};\n"
    return {
        "main.c": _MAIN.replace("@FILLS@", fills).replace("@CHECKS@", checks),
        "test_vector.h": _HEADER.format(origin=vector.origin, runs=len(vector.inputs), declarations=declarations),
        "test_vector.c": f'#include "test_vector.h"\n\n{definitions}',
    }


def _named(kind: str, ports: Sequence[Port]) -> list[tuple[str, Port]]:
    return [(f"{kind}_{number}" if len(ports) > 1 else kind, port) for number, port in enumerate(ports)]


def _row(values: NDArray[np.generic]) -> str:
    flat = (values.view(np.uint8) if values.dtype == np.bool_ else values).ravel().tolist()
    # The smallest integers have no literal in C.
    texts = [f"({value + 1} - 1)" if value in {-(1 << 31), -(1 << 63)} else str(value) for value in flat]
    lines = [", ".join(texts[at : at + _VALUES_A_LINE]) for at in range(0, len(texts), _VALUES_A_LINE)]
    return "  {" + ",\n   ".join(lines) + "},\n"


def _quoted(text: str) -> str:
    return '"' + "".join(letter for letter in text if letter.isalnum() or letter in "_-./:; ")[:100] + '"'


_HEADER = """\
/* Written by edgebench: inputs ({origin}), and what LiteRT's reference kernels return. */
#ifndef TEST_VECTOR_H
#define TEST_VECTOR_H
#include <stdint.h>

#define TEST_RUNS {runs}
{declarations}
#endif
"""
_MAIN = """\
/* Written by edgebench: runs the model on its test vector, and says whether the outputs are those of LiteRT.
 *
 * `make run-host` runs it on your own machine. On a board, an application does the same: it fills the
 * inputs, calls edgebench_invoke() and reads the outputs; see model.h.
 */
#include <stdio.h>
#include <string.h>

#include "model.h"
#include "test_vector.h"

/* How many values differ. */
static long compare(const char *name, const void *found, const void *expected, long bytes, long values) {
  const unsigned char *a = found, *b = expected;
  const long size = bytes / values;
  long different = 0;
  for (long i = 0; i < values; i++) different += memcmp(a + i * size, b + i * size, (size_t)size) != 0;
  printf("%s: %ld of %ld values agree\\n", name, values - different, values);
  return different;
}

int main(void) {
  long different = 0;
  for (int run = 0; run < TEST_RUNS; run++) {
@FILLS@    const int failed = edgebench_invoke();
    if (failed != 0) {
      printf("layer %d, counted from 1, reports an error\\n", failed);
      return 2;
    }
@CHECKS@  }
  puts(different == 0 ? "the outputs agree with LiteRT's reference kernels to the bit"
                      : "the outputs DIFFER from LiteRT's reference kernels");
  return different != 0;
}
"""
