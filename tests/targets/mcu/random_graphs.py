"""Random operators of a kind, several side by side in one graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.targets.mcu.small_graphs import Operator, Tensor, write_graph

QUANTISED = {"scale": 0.05, "zero_point": 3}
WIDE_TYPES = ("INT32", "INT64", "BOOL", "INT16")


class RandomGraph:
    """Operators beside one another, each with inputs and outputs of its own."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []

    def number(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.random.integers(low, high + 1))

    def shape(self, rank: int, largest: int = 5) -> tuple[int, ...]:
        return tuple(self.number(1, largest) for _ in range(rank))

    def dtype(self, *others: str) -> str:
        """Often int8."""
        return "INT8" if self.number(0, 1) else str(self.random.choice(others or WIDE_TYPES))

    def input(self, shape: tuple[int, ...], dtype: str = "INT8", **changes: Any) -> int:
        self.inputs.append(self._add(Tensor(shape=shape, dtype=dtype, **quantisation(dtype, changes))))
        return self.inputs[-1]

    def output(self, shape: tuple[int, ...], dtype: str = "INT8", **changes: Any) -> int:
        self.outputs.append(self._add(Tensor(shape=shape, dtype=dtype, **quantisation(dtype, changes))))
        return self.outputs[-1]

    def constant(self, values: Any, dtype: str = "INT32", **changes: Any) -> int:
        data = np.array(values, dtype.lower())
        return self._add(Tensor(shape=data.shape, dtype=dtype, data=data, **{"scale": None, **changes}))

    def kept(self, shape: tuple[int, ...], dtype: str = "INT8", **changes: Any) -> int:
        """What lives from run to run."""
        return self._add(Tensor(shape=shape, dtype=dtype, variable=True, **quantisation(dtype, changes)))

    def inside(self, shape: tuple[int, ...], dtype: str = "INT8", **changes: Any) -> int:
        """What is neither given nor wanted."""
        return self._add(Tensor(shape=shape, dtype=dtype, **quantisation(dtype, changes)))

    def scale(self) -> float:
        """Often a power of two, whose multiples meet halfway between others."""
        if self.number(0, 2) == 0:
            return 2.0 ** -self.number(2, 8)
        return float(np.float32(10 ** self.random.uniform(-2.5, -0.5)))

    def near(self, scale: float, least: float = 0.5, most: float = 2.0) -> float:
        return float(np.float32(scale * self.random.uniform(least, most)))

    def values(self, shape: tuple[int, ...], dtype: str = "INT8") -> Any:
        limits = np.iinfo(dtype.lower())
        return self.random.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype.lower())

    def weights(self, shape: tuple[int, ...]) -> Any:
        return self.random.integers(-127, 128, shape).astype(np.int8)

    def operator(self, kind: str, inputs: list[int], outputs: list[int], **options: Any) -> None:
        intermediates = tuple(options.pop("intermediates", ()))
        name = options.pop("options_type", f"{kind.title().replace('_', '')}Options")
        version = options.pop("version", 2)
        self.operators.append(
            Operator(
                kind=kind,
                inputs=tuple(inputs),
                outputs=tuple(outputs),
                options_type=name,
                options=options,
                version=version,
                intermediates=intermediates,
            )
        )

    def write(self, path: Path) -> Path:
        return write_graph(path, self.tensors, self.operators, self.inputs, self.outputs)

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def quantisation(dtype: str, changes: dict[str, Any]) -> dict[str, Any]:
    if dtype == "INT16":
        return {"scale": 0.01, "zero_point": 0, **changes}
    return {**(QUANTISED if dtype == "INT8" else {"scale": None}), **changes}


def random_graph(operator: Callable[[RandomGraph], None], seed: int, count: int, path: Path) -> Path:
    """A file with some operators of a kind."""
    graph = RandomGraph(np.random.default_rng([seed, *operator.__name__.encode()]))
    while len(graph.operators) < count:
        operator(graph)
    return graph.write(path)
