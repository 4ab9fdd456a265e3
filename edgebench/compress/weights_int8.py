"""Weight-only quantisation: int8 weights, while activations, inputs and outputs stay in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgebench.compress.stored_weights import StoredWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsInt8(StoredWeights):
    """Deploy with int8 weights only, as LiteRT (dynamic range) and ONNX Runtime run it.

    Nothing needs calibration: kernels find the range of their inputs in every inference, which takes time.
    """

    name: ClassVar[str] = "int8_weights"
    stored_as: ClassVar[Literal["float16", "int8 weights"]] = "int8 weights"
    done: ClassVar[str] = "weights in int8, activations in float32"
