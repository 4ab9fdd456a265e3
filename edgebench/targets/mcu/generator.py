"""From an int8 graph to the C program that a user ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgebench.errors import UnsupportedModelError
from edgebench.models.quantised_graph import QuantisedGraph
from edgebench.targets.mcu.layer_code import ARENA, CodeContext, LayerCode
from edgebench.targets.mcu.operators import WRITERS
from edgebench.targets.mcu.planner import Buffer, Plan, plan_arena


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedModel:
    """A C program.

    Attributes:
        files: Contents by file name.
        layers: Operators in the order of execution; their functions are ``edgebench_layer_0`` and so on.
        plan: The arena.
        input_offset: Where the input lies in the arena.
        input_bytes: Its size.
        output_offset: Where the output lies in the arena.
        output_bytes: Its size.
    """

    files: Mapping[str, str]
    layers: tuple[LayerCode, ...]
    plan: Plan
    input_offset: int
    input_bytes: int
    output_offset: int
    output_bytes: int


def generate(graph: QuantisedGraph) -> GeneratedModel:
    """Write a model as C.

    Raises:
        UnsupportedModelError: An operator has no kernel; it is named with its layer and what would help.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedModelError(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, one of each is supported"
        )
    context = CodeContext(graph)
    layers = []
    for index, operator in enumerate(graph.operators):
        writer = WRITERS.get(operator.kind)
        if writer is None:
            name = graph.tensors[operator.outputs[0]].name
            raise UnsupportedModelError(
                f"there is no kernel for {operator.kind} (layer {name!r})",
                operators=(operator.kind,),
                remedy=f"replace it; there are kernels for {', '.join(sorted(WRITERS))}",
            )
        layers.append(writer(context, operator, index))
    plan = plan_arena(_buffers(graph, layers))
    source, destination = graph.inputs[0], graph.outputs[0]
    return GeneratedModel(
        files={"model.c": _model_c(graph, layers, plan), "model.h": _model_h(graph)},
        layers=tuple(layers),
        plan=plan,
        input_offset=plan.offsets[_buffer_name(source)],
        input_bytes=graph.tensors[source].elements,
        output_offset=plan.offsets[_buffer_name(destination)],
        output_bytes=graph.tensors[destination].elements,
    )


def _buffer_name(index: int) -> str:
    return f"tensor {index}"


def _buffers(graph: QuantisedGraph, layers: list[LayerCode]) -> list[Buffer]:
    last_step = len(graph.operators) - 1
    spans: dict[int, list[int]] = {index: [0, 0] for index in graph.inputs}
    for step, operator in enumerate(graph.operators):
        for index in operator.inputs:
            if index >= 0 and graph.tensors[index].data is None and index in spans:
                spans[index][1] = step
        for index in operator.outputs:
            spans[index] = [step, step]
    for index in graph.outputs:
        spans[index][1] = last_step
    buffers = [
        Buffer(name=_buffer_name(index), size=graph.tensors[index].elements, first=first, last=last)
        for index, (first, last) in spans.items()
    ]
    buffers += [
        Buffer(name=f"scratch {step}", size=layer.scratch_bytes, first=step, last=step)
        for step, layer in enumerate(layers)
        if layer.scratch_bytes
    ]
    return buffers


def _model_c(graph: QuantisedGraph, layers: list[LayerCode], plan: Plan) -> str:
    offsets = "".join(
        f"#define OFFSET_{name.split()[1]} {offset}\n" if name.startswith("tensor") else
        f"#define SCRATCH_{name.split()[1]} {offset}\n"
        for name, offset in plan.offsets.items()
    )  # fmt: skip
    functions = "".join(
        f"{layer.constants}\n/* {layer.kind}: {_comment(layer.name)} */\n"
        f"__attribute__((noinline)) int edgebench_layer_{step}(void) {{\n{layer.body}}}\n\n"
        for step, layer in enumerate(layers)
    )
    calls = "".join(f"  if (edgebench_layer_{step}() != 0) return {step + 1};\n" for step in range(len(layers)))
    source, destination = graph.inputs[0], graph.outputs[0]
    return (
        "/* Written by edgebench; see model.h for how to use it. */\n"
        '#include "model.h"\n\n#include "arm_nnfunctions.h"\n#include "edgebench_kernels.h"\n\n'
        f"int8_t {ARENA}[{max(plan.size, 16)}] __attribute__((aligned(16)));\n\n{offsets}\n{functions}"
        f"int8_t *edgebench_input(void) {{ return {ARENA} + OFFSET_{source}; }}\n"
        f"const int8_t *edgebench_output(void) {{ return {ARENA} + OFFSET_{destination}; }}\n\n"
        f"int edgebench_invoke(void) {{\n{calls}  return 0;\n}}\n"
    )


def _model_h(graph: QuantisedGraph) -> str:
    source, destination = (graph.tensors[index] for index in (graph.inputs[0], graph.outputs[0]))
    return f"""/* Written by edgebench.
 *
 * Put EDGEBENCH_INPUT_SIZE values where edgebench_input() points, call edgebench_invoke(), and read
 * EDGEBENCH_OUTPUT_SIZE values where edgebench_output() points. The input's memory is used again during a run:
 * fill it before each one. A value v stands for (v - zero point) * scale.
 */
#ifndef EDGEBENCH_MODEL_H
#define EDGEBENCH_MODEL_H
#include <stdint.h>

#define EDGEBENCH_INPUT_SIZE {source.elements}
#define EDGEBENCH_INPUT_SCALE {source.scale!r}f
#define EDGEBENCH_INPUT_ZERO_POINT ({source.zero_point})
#define EDGEBENCH_OUTPUT_SIZE {destination.elements}
#define EDGEBENCH_OUTPUT_SCALE {destination.scale!r}f
#define EDGEBENCH_OUTPUT_ZERO_POINT ({destination.zero_point})

int8_t *edgebench_input(void);
const int8_t *edgebench_output(void);

/* Runs the model. Returns 0, or the number of the layer that failed, counted from 1. */
int edgebench_invoke(void);

#endif
"""


def _comment(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum() or letter in "_-./: ")[:100]
