"""Networks that a function of the user's own code makes: ``choices -> torch.nn.Module``.

The function runs when a network is needed, not when the space is opened or listed. What differs between the
modules is found out by recording some of them: where each is a chain of the same parts, these are the blocks of the
space, and tables add them up; elsewhere tables are learnt from whole networks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from edgebench.core.named_function import FUNCTION, first_line, imported
from edgebench.core.options import read_settings
from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.network import Network
from edgebench.models.network.layers import Shape
from edgebench.models.pytorch.load import quiet, require_torch
from edgebench.models.pytorch.to_network import Traced, traced
from edgebench.spaces.blocks import Block
from edgebench.spaces.features import Dimension, FeatureLookups, choice_lookups
from edgebench.spaces.space import Architecture, SearchSpace, Slot
from edgebench.spaces.traced_block import cut

MOST_BLOCKS = 2000
"""A part that more choices decide about is not a block; the table is then learnt from whole networks."""
MOST_COUNTED = 2000
"""Architectures whose sizes are counted one by one."""
_TRIED = 12
_SEED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """Options of the family.

    Attributes:
        function: ``package.module:function``; called with a mapping of the choices, it returns a ``torch.nn.Module``.
        choices: Values of each choice by its name.
        input: Shape of the only input: rows, columns, channels, or the length of a vector.
        inputs: Shapes of several inputs by their names, in the order in which the module takes them.
        needs: For a choice that has an effect only with another one: that one's name and its lowest value.
    """

    function: str
    choices: Mapping[str, Any]
    input: tuple[int, ...] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not FUNCTION.fullmatch(self.function):
            raise ValueError('function must be "package.module:function"')
        if (self.input is None) != bool(self.inputs):
            raise ValueError("give either input or inputs")
        if self.input is not None and len(self.input) not in {1, 3}:
            raise ValueError("input needs rows, columns and channels, or the length of a vector")
        for name, values in self.choices.items():
            if not isinstance(values, (list, tuple)) or not all(isinstance(item, (int, float, str)) for item in values):
                raise ValueError(f"choice {name!r} needs a list of numbers or texts")

    def shapes(self) -> dict[str, Shape]:
        """Shapes of the inputs by their names.

        Raises:
            ValueError: One is not a list of sizes.
        """
        if self.input is not None:
            return {"input": self.input}
        found = {}
        for name, shape in self.inputs.items():
            if not isinstance(shape, (list, tuple)) or not all(isinstance(size, int) for size in shape):
                raise ValueError(f"input {name!r} needs a list of sizes")
            found[name] = tuple(shape)
        return found

    def dimensions(self) -> list[Dimension]:
        """What can be chosen.

        Raises:
            ValueError: ``needs`` does not name choices and their values.
        """
        found = []
        for name, values in self.choices.items():
            needs = None
            if name in self.needs:
                needed = self.needs[name]
                if not isinstance(needed, Mapping) or len(needed) != 1:
                    raise ValueError(f"needs.{name} must be of the form {{ other_choice = lowest_value }}")
                ((parent, least),) = needed.items()
                if least not in self.choices.get(parent, ()):
                    raise ValueError(f"needs.{name}: {parent!r} has no value {least!r}")
                needs = (parent, list(self.choices[parent]).index(least))
            found.append(Dimension(name=name, values=tuple(values), needs=needs))
        unknown = [name for name in self.needs if name not in self.choices]
        if unknown:
            raise ValueError(f"needs.{unknown[0]}: there is no such choice")
        return found


class FunctionSpace(SearchSpace):
    """Networks of a function.

    Args:
        description: Name and options.
        options: Which function, and what it can choose from.

    Raises:
        InputError: There is nothing to choose, or names repeat.
    """

    runs_code = True

    def __init__(self, description: SpaceDescription, options: FunctionOptions) -> None:
        self._function, self._inputs = options.function, options.shapes()
        self._traced = lru_cache(maxsize=4096)(self._record)
        super().__init__(description, options.dimensions(), None)

    def network(self, architecture: Sequence[int]) -> Network:
        """The network of one choice.

        Raises:
            InputError: Not an architecture of this space, or the function fails.
            UnsupportedModelError: The module has something that a network has no layer for.
        """
        return self._traced(self.canonical_one(architecture)).network

    def blocks(self, architecture: Sequence[int]) -> list[tuple[str, Block]]:
        """Slot and block, from the input to the output; the whole network where it is not a chain."""
        made = self._traced(self.canonical_one(architecture))
        return list(cut(made.network, made.parts).items())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the options, and of some of the networks: another function body makes another space."""
        networks = [self.network(row) for row in (self.smallest, self.largest, *self._some())]
        content = [super().digest, *(repr((network.inputs, network.layers)) for network in networks)]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()

    @cached_property
    def learnt_whole(self) -> bool:  # type: ignore[override]
        """Whether the networks are not chains of the same parts."""
        return not self._slots

    @property
    def counts_sizes(self) -> bool:  # type: ignore[override]
        """Whether there are few enough modules to make them all, or blocks to add up."""
        return not self.learnt_whole or self.combinations <= MOST_COUNTED

    def lookups(self) -> list[FeatureLookups]:
        """Choices and pairs of them, where there are no blocks to count."""
        return choice_lookups(self.dimensions) if self.learnt_whole else super().lookups()

    @cached_property
    def slots(self) -> tuple[Slot, ...]:  # type: ignore[override]
        """The parts of the networks; one for the whole network where these are not chains."""
        if self._slots:
            return self._slots
        names = tuple(dimension.name for dimension in self.dimensions)
        return (Slot(name="network", dimensions=names, block=self._whole),)

    @cached_property
    def _slots(self) -> tuple[Slot, ...]:
        """A slot for each part, with the choices that it was seen to depend on; none if that does not explain all."""
        deciding: dict[str, set[int]] = {}
        order: list[str] = []
        for base, column, row in self._variations():
            before, after = dict(self.blocks(base)), dict(self.blocks(row))
            for name in (*before, *after):
                if name not in deciding:
                    deciding[name] = set()
                    order.append(name)
                if before.get(name) != after.get(name):
                    deciding[name].add(column)
        longest = [name for name, _ in self.blocks(self.largest)]
        if len(order) < 2 or set(order) != set(longest):
            return ()
        slots = []
        for name in longest:
            columns = sorted(deciding[name])
            if np.prod([len(self.dimensions[column].values) for column in columns], dtype=float) > MOST_BLOCKS:
                return ()
            slots.append(self._slot(name, columns))
        for row in self._some():
            values = self.values(row)
            made = [(slot.name, slot.block(values)) for slot in slots]
            if [item for item in made if item[1] is not None] != self.blocks(row):
                return ()
        return tuple(slots)

    def _slot(self, name: str, columns: Sequence[int]) -> Slot:
        names = tuple(self.dimensions[column].name for column in columns)

        def block(values: Mapping[str, Any]) -> Block | None:
            row = list(self.largest)
            for column in columns:
                dimension = self.dimensions[column]
                row[column] = dimension.values.index(values[dimension.name])
            return dict(self.blocks(row)).get(name)

        return Slot(name=name, dimensions=names, block=block)

    def _whole(self, values: Mapping[str, Any]) -> Block:
        row = [dimension.values.index(values[dimension.name]) for dimension in self.dimensions]
        network = self.network(row)
        return next(iter(cut(network, [""] * len(network.layers)).values()))

    def _variations(self) -> Iterator[tuple[Architecture, int, Architecture]]:
        """Architectures, and what each becomes with another value of one dimension."""
        for base in (self.largest, self.smallest, self._some()[0]):
            for column, dimension in enumerate(self.dimensions):
                for value in range(len(dimension.values)):
                    if value != base[column]:
                        yield base, column, (*base[:column], value, *base[column + 1 :])

    def _some(self) -> list[Architecture]:
        drawn = self.sample(np.random.default_rng(_SEED), _TRIED)
        return [tuple(map(int, row)) for row in drawn]

    def _record(self, architecture: Architecture) -> Traced:
        require_torch()
        import torch

        values = self.values(architecture)
        name, where = f"{self.name}-{self.text(architecture)}", f"{self._function} with {_text(values)}"
        function = imported(self._function)
        try:
            with quiet():
                module = _made(function, values)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"it fails: {first_line(error)}", where=where, remedy="call the function directly to see where"
            ) from error
        if not isinstance(module, torch.nn.Module):
            raise InputError(f"it returns {type(module).__name__}, not a torch.nn.Module", where=where)
        try:
            return traced(module, name, self._inputs)
        except UnsupportedModelError as error:
            raise UnsupportedModelError(error.what, where=where, remedy=error.remedy) from error


def _made(function: Any, values: Mapping[str, Any]) -> Any:
    """The module, without values of its weights if the function can do without, which is quicker."""
    import torch

    try:
        with torch.device("meta"):
            return function(dict(values))
    except Exception:  # whatever the function does with values of tensors
        return function(dict(values))


def _text(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def create(description: SpaceDescription) -> SearchSpace:
    """A space of this family.

    Raises:
        InputError: An option is wrong.
    """
    where = f"{description.origin}, [options]"
    options = read_settings(description.options, FunctionOptions, owner="family 'function'", where=where)
    try:
        return FunctionSpace(description, options)
    except ValueError as error:
        raise InputError(str(error), where=where) from error
