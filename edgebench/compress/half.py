"""Half precision: weights are stored in float16 and computed with in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgebench.compress.stored_weights import StoredWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class Half(StoredWeights):
    """Store weights in float16: half the file; activations stay in float32."""

    name: ClassVar[str] = "float16"
    stored_as: ClassVar[Literal["float16", "int8 weights"]] = "float16"
    done: ClassVar[str] = "weights in float16"
