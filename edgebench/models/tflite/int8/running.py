"""Runs a TFLite file with all its tensors kept, on LiteRT's kernels without delegates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError

Sample = Mapping[str, NDArray[np.generic]]
"""Inputs by the names of their tensors, as real values."""


class Runner:
    """An interpreter whose tensors can all be read after a run.

    Args:
        content: Of a file.
        shapes: Shapes of inputs, by name, if they are not those in the file.
        reference: Whether to use LiteRT's reference kernels.

    Raises:
        UnsupportedModelError: LiteRT lacks an operator, or the shapes do not match.
    """

    def __init__(
        self, content: bytes, shapes: Mapping[str, tuple[int, ...]] | None = None, *, reference: bool = False
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kernels = OpResolverType.BUILTIN_REF if reference else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter: Any = Interpreter(
                model_content=content,
                num_threads=1,
                experimental_op_resolver_type=kernels,
                experimental_preserve_all_tensors=True,
            )
            for detail in self._interpreter.get_input_details():
                shape = (shapes or {}).get(detail["name"])
                if shape is not None and tuple(detail["shape"]) != shape:
                    self._interpreter.resize_tensor_input(detail["index"], list(shape))
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise _refused(error) from error

    def run(self, sample: Sample) -> None:
        """Run once.

        Raises:
            UnsupportedModelError: LiteRT fails.
        """
        try:
            for detail in self._interpreter.get_input_details():
                self._interpreter.set_tensor(detail["index"], to_levels(sample[detail["name"]], detail))
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise _refused(error) from error

    def value(self, index: int) -> NDArray[Any] | None:
        """A tensor after a run, as stored; None if it was not computed."""
        try:
            value: NDArray[Any] = self._interpreter.get_tensor(index)
        except (RuntimeError, ValueError):
            return None
        return value

    def real(self, index: int) -> NDArray[np.float64] | None:
        """A tensor after a run, as real values."""
        value = self.value(index)
        return None if value is None else to_real(value, self._details[index])

    def shapes(self) -> dict[int, tuple[int, ...]]:
        """Sizes of all tensors, by their numbers."""
        details = self._interpreter.get_tensor_details()
        return {int(detail["index"]): tuple(map(int, detail["shape"])) for detail in details}

    def outputs(self) -> NDArray[np.float64]:
        """All outputs in one vector, as real values."""
        details = self._interpreter.get_output_details()
        values = [to_real(self._interpreter.get_tensor(detail["index"]), detail).ravel() for detail in details]
        return np.concatenate(values)

    @cached_property
    def _details(self) -> dict[int, Any]:
        """Types and scales, which do not change."""
        return {int(detail["index"]): detail for detail in self._interpreter.get_tensor_details()}


def to_levels(value: NDArray[np.generic], detail: Mapping[str, Any]) -> NDArray[np.generic]:
    """Real values in the form of a tensor."""
    scale, zero_point = detail["quantization"]
    dtype = np.dtype(detail["dtype"])
    if not scale or dtype.kind == "f":
        return value.astype(dtype)
    limits = np.iinfo(dtype)
    levels = np.clip(np.round(value.astype(np.float64) / scale) + zero_point, limits.min, limits.max)
    quantised: NDArray[np.generic] = levels.astype(dtype)
    return quantised


def to_real(value: NDArray[np.generic], detail: Mapping[str, Any]) -> NDArray[np.float64]:
    """The content of a tensor as real values."""
    scale, zero_point = detail["quantization"]
    real = value.astype(np.float64)
    return (real - zero_point) * scale if scale and value.dtype.kind != "f" else real


def _refused(error: Exception) -> UnsupportedModelError:
    text = " ".join(str(error).split())[:300] or "no reason is given; the model may need more memory than is available"
    custom = re.search(r"unresolved custom op: ([^.\s]+)", text)
    if custom is not None:
        return UnsupportedModelError(
            f"LiteRT, which runs the model to find the ranges of its values, has no kernel for the custom operator "
            f"{custom[1]}",
            operators=(custom[1],),
            remedy="export the model without it, for example only the part before it",
        )
    return UnsupportedModelError(
        f"LiteRT, which runs the model to find the ranges of its values, refuses it: {text}",
        remedy="change what the reason names: an operator, or --shape",
    )
