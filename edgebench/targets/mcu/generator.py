"""From an int8 graph to the C program that a user ships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.tflite.costs import operator_macs
from edgebench.models.tflite.quantised_graph import QuantisedGraph, QuantisedOperator
from edgebench.targets.mcu.float_edges import without_float_edges
from edgebench.targets.mcu.layer_code import ARENA, WEIGHTS_MACRO, CodeContext, LayerCode, share_arrays
from edgebench.targets.mcu.newer_kernels import NewerKernels
from edgebench.targets.mcu.operators import IN_PLACE, MOVED, OTHER_TYPES, WRITERS, Writer
from edgebench.targets.mcu.operators.gathering import position_limits
from edgebench.targets.mcu.planner import Buffer, Plan, plan_arena
from edgebench.targets.mcu.ports import C_TYPES, Port
from edgebench.targets.mcu.refusals import in_layer, no_kernel, odd_edge, wrong_type
from edgebench.targets.mcu.state import States, find_states, states_c


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedModel:
    """A C program.

    Attributes:
        files: Contents by file name.
        layers: Operators in the order of execution; their functions are ``edgebench_layer_0`` and so on.
        plan: The arena.
        inputs: Where each input is.
        outputs: Where each output is.
        notes: What a user of the C code must know.
        constant_bytes: Weights and other constants, in bytes.
        state_bytes: What is kept from run to run, in bytes.
    """

    files: Mapping[str, str]
    layers: tuple[LayerCode, ...]
    plan: Plan
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: tuple[str, ...] = ()
    constant_bytes: int = 0
    state_bytes: int = 0

    @property
    def input_bytes(self) -> int:
        """Size of all inputs."""
        return sum(port.size for port in self.inputs)

    @property
    def output_bytes(self) -> int:
        """Size of all outputs."""
        return sum(port.size for port in self.outputs)


def generate(graph: QuantisedGraph, *, helium: bool = False, newer: NewerKernels | None = None) -> GeneratedModel:
    """Write a model as C.

    Args:
        graph: The model.
        helium: Whether it will be compiled for a core with Arm's vector extension, whose kernels need more memory.
        newer: What CMSIS-NN needs if it is a later release than the one in the package bakenn.

    Raises:
        UnsupportedModelError: An operator has no kernel; it is named with its layer and what would help.
    """
    graph, stripped = without_float_edges(graph)
    graph, states = find_states(graph)
    graph = _with_own_outputs(graph, states)
    _require_types(graph)
    context = CodeContext(graph, helium=helium, newer=newer, states=states.places)
    layers = []
    for index, operator in enumerate(graph.operators):
        if operator.kind not in WRITERS:
            raise no_kernel(graph, operator)
        layers.append(_written(WRITERS[operator.kind], context, operator, index))
    layers = share_arrays(layers)
    places, plan = _planned(graph, layers, states)
    limits = position_limits(graph)
    edges = " and ".join(sorted({graph.tensors[index].dtype for index in (*graph.inputs, *graph.outputs)}))
    notes = []
    if stripped:
        notes += [f"inputs and outputs of the C model are {edges}: converting real numbers is left to the application"]
    state_bytes = sum(len(state.initial) for state in states.buffers)
    if state_bytes:
        notes += [f"the model keeps {state_bytes:,} bytes from run to run; edgebench_reset() clears them"]
    notes += dict.fromkeys(note for layer in layers for note in layer.notes)
    return GeneratedModel(
        files={
            "model.c": _model_c(graph, layers, plan, places, states, helium=helium),
            "model.h": _model_h(graph, states),
        },
        layers=tuple(layers),
        plan=plan,
        inputs=tuple(_port(graph, index, plan, places, limits.get(index)) for index in graph.inputs),
        outputs=tuple(_port(graph, index, plan, places) for index in graph.outputs),
        notes=tuple(notes),
        constant_bytes=sum(tensor.data.nbytes for tensor in graph.tensors if tensor.data is not None),
        state_bytes=state_bytes,
    )


def _with_own_outputs(graph: QuantisedGraph, states: States) -> QuantisedGraph:
    """Copy outputs that are not in the arena: constants, and what is kept from run to run."""
    tensors, operators, outputs = [*graph.tensors], [*graph.operators], []
    for index in graph.outputs:
        tensor = graph.tensors[index]
        if tensor.data is not None or index in states.places:
            operators.append(QuantisedOperator(kind="RESHAPE", inputs=(index,), outputs=(len(tensors),)))
            outputs.append(len(tensors))
            tensors.append(replace(tensor, data=None, variable=False))
        else:
            outputs.append(index)
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators), outputs=tuple(outputs))


def _require_types(graph: QuantisedGraph) -> None:
    """Check that every operator has a kernel that takes its types.

    Raises:
        UnsupportedModelError: One has none; it is named with its layer or tensor.
    """
    for operator in graph.operators:
        # Before types, which are often wrong because of it: what leads to it is left as it was, or in real numbers.
        if operator.kind not in WRITERS and operator.kind != "DEQUANTIZE":
            raise no_kernel(graph, operator)
    for operator in graph.operators:
        types = {"int8"} | OTHER_TYPES.get(operator.kind, set())
        for index in (*operator.inputs, *operator.outputs):
            tensor = graph.tensors[index] if index >= 0 else None
            if tensor is None or tensor.data is not None:
                continue
            if operator.kind not in WRITERS and tensor.dtype != "float32":
                raise no_kernel(graph, operator)
            quantised = tensor.dtype in {"int8", "int16"} and operator.kind not in MOVED
            if tensor.dtype not in types or (quantised and len(tensor.scales) != 1):
                raise wrong_type(graph, operator, tensor, types)
    for index in (*graph.inputs, *graph.outputs):
        if graph.tensors[index].dtype not in C_TYPES:
            raise odd_edge(graph, graph.tensors[index])


def _written(writer: Writer, context: CodeContext, operator: QuantisedOperator, index: int) -> LayerCode:
    """One operator as C; inconsistencies in a damaged file are reported with the layer."""
    name = context.tensor(operator.outputs[0]).name if operator.outputs else "without output"
    if any(operator.options.get(key, 1) < 1 for key in ("strideW", "strideH")):
        raise InputError(f"{operator.kind} moves by less than 1", where=f"layer {name!r}")
    try:
        return replace(writer(context, operator, index), macs=_macs(context.graph, operator))
    except UnsupportedModelError as error:
        raise in_layer(error, context.graph, operator) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{operator.kind} does not fit together ({type(error).__name__}: {error})", where=f"layer {name!r}"
        ) from None


def _macs(graph: QuantisedGraph, operator: QuantisedOperator) -> int:
    inputs = [graph.tensors[number].shape if number >= 0 else () for number in operator.inputs]
    return (
        operator_macs(operator.kind, inputs, graph.tensors[operator.outputs[0]].shape) or 0 if operator.outputs else 0
    )


def _port(graph: QuantisedGraph, index: int, plan: Plan, places: Mapping[int, int], upper: int | None = None) -> Port:
    tensor = graph.tensors[index]
    offset = plan.offsets[_buffer_name(places[index])]
    quantised = len(tensor.scales) == 1
    return Port(
        name=tensor.name,
        offset=offset,
        size=tensor.size_bytes,
        dtype=tensor.dtype,
        upper=upper,
        scale=tensor.scale if quantised else 0.0,
        zero_point=tensor.zero_point if quantised else 0,
    )


def _planned(graph: QuantisedGraph, layers: list[LayerCode], states: States) -> tuple[Mapping[int, int], Plan]:
    """The smaller of two plans: each tensor in its own place, or some in the place of an input that dies there."""
    spans = _spans(graph, states)
    apart = {index: index for index in spans}
    shared = _shared_places(graph, spans)
    plans = [(places, plan_arena(_buffers(graph, layers, places, spans))) for places in (shared, apart)]
    return min(plans, key=lambda pair: pair[1].size)


def _shared_places(graph: QuantisedGraph, spans: Mapping[int, list[int]]) -> dict[int, int]:
    """For each tensor the one in whose place it is.

    An operator that reads each value before overwriting it may write to the place of an input that is not read
    afterwards.
    """
    places = {index: index for index in spans}
    for step, operator in enumerate(graph.operators):
        if operator.kind not in IN_PLACE or len(operator.outputs) != 1 or operator.outputs[0] not in spans:
            continue
        output = operator.outputs[0]
        for index in operator.inputs:
            dies = index in spans and spans[index][1] == step and index not in graph.outputs
            same = dies and graph.tensors[index].size_bytes == graph.tensors[output].size_bytes
            if same and operator.inputs.count(index) == 1:
                places[output] = places[index]
                break
    return places


def _buffer_name(index: int) -> str:
    return f"tensor {index}"


def _spans(graph: QuantisedGraph, states: States) -> dict[int, list[int]]:
    """First and last step at which each tensor in the arena is needed."""
    spans: dict[int, list[int]] = {index: [0, 0] for index in graph.inputs}
    for step, operator in enumerate(graph.operators):
        for index in operator.inputs:
            if index >= 0 and graph.tensors[index].data is None and index not in states.places:
                if index not in spans:
                    raise UnsupportedModelError(
                        f"{operator.kind} reads {graph.tensors[index].name!r}, which nothing has computed"
                    )
                spans[index][1] = step
        for index in operator.outputs:
            if index not in states.places:
                spans[index] = [step, step]
    for index in graph.outputs:
        if index not in spans:
            raise UnsupportedModelError(f"nothing computes the output {graph.tensors[index].name!r}")
        spans[index][1] = max(0, len(graph.operators) - 1)
    return spans


def _buffers(
    graph: QuantisedGraph, layers: list[LayerCode], places: Mapping[int, int], spans: Mapping[int, list[int]]
) -> list[Buffer]:
    joined: dict[int, list[int]] = {}
    for index, (first, last) in spans.items():
        span = joined.setdefault(places[index], [first, last])
        span[:] = [min(span[0], first), max(span[1], last)]
    buffers = [
        Buffer(name=_buffer_name(index), size=graph.tensors[index].size_bytes, first=first, last=last)
        for index, (first, last) in joined.items()
    ]
    buffers += [
        Buffer(name=f"scratch {step}", size=layer.scratch_bytes, first=step, last=step)
        for step, layer in enumerate(layers)
        if layer.scratch_bytes
    ]
    return buffers


def _model_c(
    graph: QuantisedGraph,
    layers: list[LayerCode],
    plan: Plan,
    places: Mapping[int, int],
    states: States,
    *,
    helium: bool,
) -> str:
    guard = "" if helium else _NO_HELIUM
    offsets = "".join(
        f"#define OFFSET_{index} {plan.offsets[_buffer_name(place)]}\n" for index, place in places.items()
    ) + "".join(
        f"#define SCRATCH_{name.split()[1]} {offset}\n"
        for name, offset in plan.offsets.items()
        if name.startswith("scratch")
    )
    functions = "".join(
        f"{layer.constants}\n/* {layer.kind}: {_comment(layer.name)} */\n"
        f"__attribute__((noinline, used)) int edgebench_layer_{step}(void) {{\n{layer.body}}}\n\n"
        for step, layer in enumerate(layers)
    )
    calls = "  if (!edgebench_ready) edgebench_reset();\n" if states.buffers else ""
    calls += "".join(f"  if (edgebench_layer_{step}() != 0) return {step + 1};\n" for step in range(len(layers)))
    inputs = "".join(
        f"{_c_type(graph, index)}*edgebench_input{suffix}(void) {{ return {_place(graph, index)}; }}\n"
        for suffix, index in _numbered(graph.inputs)
    )
    outputs = "".join(
        f"const {_c_type(graph, index)}*edgebench_output{suffix}(void) {{ return {_place(graph, index)}; }}\n"
        for suffix, index in _numbered(graph.outputs)
    )
    return (
        "/* Written by edgebench; see model.h for how to use it. */\n"
        '#include "model.h"\n\n#include "arm_nnfunctions.h"\n#include "edgebench_kernels.h"\n\n'
        f"{guard}{WEIGHTS_MACRO}\n"
        f"int8_t {ARENA}[{max(plan.size, 16)}] __attribute__((aligned(16)));\n"
        f"{states_c(states)}\n{offsets}\n{functions}{inputs}{outputs}\n"
        f"int edgebench_invoke(void) {{\n{calls}  return 0;\n}}\n"
    )


_NO_HELIUM = """\
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE
#error "The arena has no room for vector kernels: export the model for a device with vectors."
#endif

"""


def _c_type(graph: QuantisedGraph, index: int) -> str:
    """Type of a tensor's values, with a blank."""
    return f"{C_TYPES[graph.tensors[index].dtype]} "


def _place(graph: QuantisedGraph, index: int) -> str:
    """The address of an input or output, as a pointer to its type."""
    place = f"{ARENA} + OFFSET_{index}"
    return place if graph.tensors[index].dtype == "int8" else f"({_c_type(graph, index)}*)({place})"


def _numbered(indices: tuple[int, ...]) -> list[tuple[str, int]]:
    """Suffixes of names: none if there is only one, otherwise ``_0``, ``_1``, ..."""
    return [(f"_{number}" if len(indices) > 1 else "", index) for number, index in enumerate(indices)]


_RESET = """
/* Forgets what the model keeps from run to run (EDGEBENCH_STATE_SIZE bytes). The first run does so by itself. */
void edgebench_reset(void);
"""


def _model_h(graph: QuantisedGraph, states: States) -> str:
    kept = sum(len(state.initial) for state in states.buffers)
    constants, functions = f"#define EDGEBENCH_STATE_SIZE {kept}\n" if kept else "", ""
    for kind, qualifier, indices in (("INPUT", "", graph.inputs), ("OUTPUT", "const ", graph.outputs)):
        for suffix, index in _numbered(indices):
            tensor, name = graph.tensors[index], f"EDGEBENCH_{kind}{suffix}"
            constants += (
                f"/* {_comment(tensor.name)}: {' x '.join(map(str, tensor.shape))} */\n"
                f"#define {name}_SIZE {tensor.elements}\n"
            )
            if tensor.scales:
                constants += (
                    f"#define {name}_SCALE {tensor.scale!r}f\n#define {name}_ZERO_POINT ({tensor.zero_point})\n"
                )
            functions += f"{qualifier}{_c_type(graph, index)}*edgebench_{kind.lower()}{suffix}(void);\n"
    first = _numbered(graph.inputs)[0][0], _numbered(graph.outputs)[0][0]
    return f"""/* Written by edgebench.
 *
 * Put EDGEBENCH_INPUT{first[0]}_SIZE values where edgebench_input{first[0]}() points, call edgebench_invoke(), and read
 * EDGEBENCH_OUTPUT{first[1]}_SIZE values where edgebench_output{first[1]}() points. An input's memory is used again
 * during a run: fill it before each one. A value v stands for (v - zero point) * scale.
 */
#ifndef EDGEBENCH_MODEL_H
#define EDGEBENCH_MODEL_H
#include <stdint.h>

{constants}
{functions}
/* Runs the model. Returns 0, or the number of the layer that failed, counted from 1. */
int edgebench_invoke(void);
{_RESET if kept else ""}
#endif
"""


def _comment(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum() or letter in "_-./: ")[:100]
