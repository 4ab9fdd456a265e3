"""Chooses a scale for every tensor on real numbers.

Tensors that an operator only moves share one. The ranges of calibration decide, unless a kernel takes only one scale,
the file states one, or the caller gives a range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from edgebench.errors import UnsupportedModelError
from edgebench.models.tflite.int8.fusing import constant_limits
from edgebench.models.tflite.int8.scale import Range, Scale
from edgebench.models.tflite.int8.support import form_of
from edgebench.models.tflite.tree import GraphEditor, Table

_NARROW = 0.5
"""A tensor that others read too joins the scale of an operator if its range is at least this share of the whole."""
_FAR = 16.0
"""A filling constant this many times larger than the values is not meant to be exact, only small."""
_ENORMOUS = 1e20
"""Above this, even the steps of kernels overflow."""
_NOTHING = Range(low=0.0, high=0.0)


@dataclass(slots=True)
class _Group:
    """Tensors of one scale."""

    members: list[int]
    range: Range
    given: Range | None = None
    pin: Scale | None = None
    least_step: float = 0.0

    @property
    def scale(self) -> Scale:
        if self.pin is not None:
            return self.pin
        return Scale.covering(self.given or self.range, self.least_step)


@dataclass(slots=True)
class ScalePlan:
    """Scales of tensors.

    Attributes:
        scales: By tensor.
        absorbed: Operators that clip values as the scale before them already does, by their output: the tensor
            before.
        variables: The tensor whose scale a variable has, by the variable's name.
    """

    scales: dict[int, Scale] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    variables: dict[str, int] = field(default_factory=dict)


def plan_scales(editor: GraphEditor, ranges: Mapping[int, Range], given: Mapping[int, Range]) -> ScalePlan:
    """Choose scales.

    Args:
        editor: The graph.
        ranges: Values of tensors in calibration.
        given: Ranges that override them.
    """
    kept: set[int] = set()
    while True:
        planner = _Planner(editor, ranges, given, kept)
        plan = planner.plan()
        leaking = {output for output in plan.absorbed if planner.leaks(output, plan.scales)}
        if not leaking:
            return plan
        kept |= leaking


class _Planner:
    def __init__(
        self, editor: GraphEditor, ranges: Mapping[int, Range], given: Mapping[int, Range], kept: set[int]
    ) -> None:
        self._editor = editor
        self._ranges = ranges
        self._groups: dict[int, _Group] = {}
        self._given = given
        self._readers = editor.readers()
        self._producers = editor.producers()
        self._kept = kept
        self._plan = ScalePlan()
        self._limits: dict[int, tuple[float, float]] = {}

    def plan(self) -> ScalePlan:
        for index in self._tensors():
            found = self._ranges.get(index, _NOTHING)
            self._groups[index] = _Group(members=[index], range=found, given=self._given.get(index))
        for operator in self._editor.operators:
            self._pin(operator)
        for operator in self._editor.operators:
            self._absorb(operator)
        for operator in self._editor.operators:
            self._join(operator)
        self._raise_steps()
        self._refuse_enormous()
        self._plan.scales = {index: group.scale for index, group in self._groups.items()}
        return self._plan

    def leaks(self, output: int, scales: Mapping[int, Scale]) -> bool:
        """Whether a scale includes values that an absorbed operator clips."""
        low, high = self._limits[output]
        scale = scales[output]
        room = scale.step * 0.51
        return scale.range.low < low - room or scale.range.high > high + room

    def _tensors(self) -> Iterator[int]:
        editor = self._editor
        yield from (index for index in editor.inputs if editor.is_float(index))
        for operator in editor.operators:
            yield from (index for index in operator.outputs if editor.is_float(index))

    def _pin(self, operator: Table) -> None:
        """Scales fixed by a kernel or the file."""
        editor, kind = self._editor, self._editor.kind(operator)
        form = form_of(editor, operator)
        if kind == "DEQUANTIZE" and operator.outputs[0] in self._groups:
            self._groups[operator.outputs[0]].pin = stated_scale(editor, operator.inputs[0])
        elif kind == "QUANTIZE" and operator.inputs[0] in self._groups:
            group = self._groups[operator.inputs[0]]
            group.pin = group.pin or stated_scale(editor, operator.outputs[0])
        elif form is not None and form.output is not None and operator.outputs[0] in self._groups:
            self._groups[operator.outputs[0]].pin = form.output

    def _absorb(self, operator: Table) -> None:
        """A clipping operator is not needed if its input can be written in the range of its output."""
        limits = constant_limits(self._editor, operator)
        if limits is None or operator.outputs[0] in self._kept:
            return
        source, output = limits[0], operator.outputs[0]
        if source not in self._groups or self._readers[source] != 1 or not self._rescales(source):
            return
        before, after = self._groups[source], self._groups[output]
        if before is after or before.pin is not None or (before.given is not None and after.given is None):
            return
        # Whatever was absorbed before has the same range, the last one's.
        last = (after.pin, after.given, after.range)
        united = self._unite(before, after)
        united.pin, united.given, united.range = last
        self._plan.absorbed[output] = source
        self._limits[output] = (limits[1], limits[2])

    def _rescales(self, index: int) -> bool:
        """Whether what computes a tensor can write it in any scale; the application does so for inputs."""
        maker = self._producers.get(index)
        if maker is None:
            return index in self._editor.inputs
        form = form_of(self._editor, maker)
        if maker.outputs[0] in self._plan.absorbed:
            return True
        return form is not None and not form.moves and form.output is None

    def _join(self, operator: Table) -> None:
        """One scale for everything that an operator moves."""
        form = form_of(self._editor, operator)
        if form is None or not form.moves or (operator.outputs and operator.outputs[0] in self._plan.absorbed):
            return
        sources = [index for index in operator.inputs if index in self._groups]
        targets = [index for index in operator.outputs if index in self._groups]
        targets = self._with_variable(operator, targets)
        if not targets:
            return
        for index in targets[1:]:
            self._merge(targets[0], index)
        if self._editor.kind(operator) == "PADV2" and sources:
            self._groups[targets[0]].range = self._groups[sources[0]].range
        for index in operator.inputs:
            self._include_constant(operator, index, targets[0])
        for index in sorted(sources, key=lambda index: -self._groups[index].range.width):
            whole = self._groups[targets[0]].range.width
            alone = len(sources) == 1 or self._readers[index] == operator.inputs.count(index)
            if alone or self._groups[index].range.width >= _NARROW * whole:
                self._merge(targets[0], index)

    def _with_variable(self, operator: Table, targets: list[int]) -> list[int]:
        """What reads and writes one variable shares its scale."""
        kind = self._editor.kind(operator)
        if kind not in {"READ_VARIABLE", "ASSIGN_VARIABLE"}:
            return targets
        name = variable_name(self._producers, operator.inputs[0])
        own = targets[:1] if kind == "READ_VARIABLE" else [index for index in operator.inputs if index in self._groups]
        if name not in self._plan.variables and own:
            self._plan.variables[name] = own[0]
        return [self._plan.variables[name], *targets] if name in self._plan.variables else targets

    def _include_constant(self, operator: Table, index: int, target: int) -> None:
        """Constants among what is moved widen the range, except one that only has to be smaller than the rest."""
        kind = self._editor.kind(operator)
        values = self._editor.values(index) if self._editor.is_float(index) else None
        if values is None or not values.size or kind in {"SELECT", "SELECT_V2"}:
            return
        group = self._groups[target]
        found = Range(low=float(values.min()), high=float(values.max()))
        if kind != "PADV2" or max(abs(found.low), abs(found.high)) <= _FAR * group.range.width:
            group.range |= found

    def _merge(self, first: int, second: int) -> None:
        """Merge two groups, unless a fixed scale does not fit the other."""
        one, other = self._groups[first], self._groups[second]
        if one is other:
            return
        if one.pin is not None and other.pin is not None and one.pin != other.pin:
            return
        pin = one.pin or other.pin
        if pin is not None and not all(pin.holds(group.range) for group in (one, other)):
            return
        if one.given is not None and other.given is not None and one.given != other.given:
            return
        given, whole = one.given or other.given, one.range | other.range
        united = self._unite(one, other)
        united.pin, united.given, united.range = pin, given, whole

    def _unite(self, one: _Group, other: _Group) -> _Group:
        """Move the members of two groups to the larger one."""
        large, small = (one, other) if len(one.members) >= len(other.members) else (other, one)
        large.members.extend(small.members)
        for index in small.members:
            self._groups[index] = large
        return large

    def _refuse_enormous(self) -> None:
        for group in self._groups.values():
            size = max(abs(group.range.low), abs(group.range.high))
            if group.pin is None and group.given is None and size > _ENORMOUS:
                raise UnsupportedModelError(
                    f"values of {self._editor.name(group.members[0])!r} reach {size:.1e}, which int8 cannot represent",
                    remedy="check the weights and the inputs of the model",
                )

    def _raise_steps(self) -> None:
        """Steps below which kernels refuse to work."""
        for operator in self._editor.operators:
            output = operator.outputs[0] if operator.outputs else -1
            if output not in self._groups or self._editor.kind(operator) not in _LEAST_STEPS:
                continue
            steps = [self._groups[index].scale.step for index in operator.inputs if index in self._groups]
            constants = [self._editor.values(index) for index in operator.inputs if self._editor.is_float(index)]
            steps += [
                Scale.covering(Range(low=float(value.min()), high=float(value.max()))).step
                for value in constants
                if value is not None and value.size
            ]
            least = _LEAST_STEPS[self._editor.kind(operator)](max(steps, default=0.0))
            group = self._groups[output]
            group.least_step = max(group.least_step, least)


_LEAST_STEPS: Mapping[str, Callable[[float], float]] = {
    "ADD": lambda step: step * 2.0 / 2**20 * 1.01,
    "SUB": lambda step: step * 2.0 / 2**20 * 1.01,
    "SQUARED_DIFFERENCE": lambda step: (2 * step) ** 2 / 2**14 * 1.01,
    "HARD_SWISH": lambda step: step / 128 * 1.01,
}
"""The finest step of a kernel's output, given that of its coarsest input."""


def stated_scale(editor: GraphEditor, index: int) -> Scale | None:
    """The single scale that a file states for an int8 tensor."""
    scales = editor.scales(index)
    if editor.dtype(index) != "int8" or scales is None or len(scales[0]) != 1:
        return None
    return Scale(step=float(scales[0][0]), zero_point=int(scales[1][0]))


def variable_name(producers: Mapping[int, Table], handle: int) -> str:
    """What identifies the variable behind a handle."""
    maker = producers.get(handle)
    options = maker.builtinOptions if maker is not None else None
    if options is None:
        return f"handle {handle}"
    return f"{bytes(options.container or b'')!r} {bytes(options.sharedName or b'')!r}"
