"""A network on its way through compression: structure, weights, the form it is deployed in, and what was done to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from edgebench.core.compression import StepDone
from edgebench.core.record import Record
from edgebench.models.network import Network
from edgebench.models.network.description import network_to_plain
from edgebench.models.network.weights import Weights

DataForm = Literal["float32", "int8", "float16", "int8 weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Record):
    """How a network is written when it is deployed.

    Attributes:
        dtype: Data type of weights and, for int8, of activations; with ``int8 weights`` activations stay in float32.
        ranges: Lowest and highest value of layers' outputs and of the input, by name, that training settled; what
            is missing is calibrated with training samples.
        float_layers: Layers that stay in float32 in an int8 file.
        shared_values: How many different values each tensor of int8 weights may have, or None for all 256.
        compares_unfused: Whether the file is measured without the runtime's graph optimisation too.
    """

    dtype: DataForm = "float32"
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    float_layers: tuple[str, ...] = ()
    shared_values: int | None = None
    compares_unfused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artefact:
    """What a pass takes and gives. It never changes.

    Attributes:
        network: Structure.
        weights: Of every layer, with batch normalisation folded.
        form: How it is deployed.
        keeps_zeros: Whether weights that are zero must stay so in training, because a pass pruned them.
        steps: What was done so far, oldest first.
    """

    network: Network
    weights: Weights
    form: Form = field(default_factory=Form)
    keeps_zeros: bool = False
    steps: tuple[StepDone, ...] = ()

    def after(self, step: StepDone) -> Artefact:
        """The same with one more step in its history."""
        counted = replace(step, parameters=self.network.parameters, macs=self.network.macs)
        return replace(self, steps=(*self.steps, counted))

    @property
    def digest(self) -> str:
        """SHA-256 over structure, weights and form, in hexadecimal; history does not count."""
        plain = network_to_plain(self.network)
        form = [
            self.form.dtype,
            sorted(self.form.ranges.items()),
            self.form.float_layers,
            self.form.shared_values,
            self.form.compares_unfused,
        ]
        sha = hashlib.sha256(json.dumps([plain, form, self.keeps_zeros], sort_keys=True).encode())
        for name in sorted(self.weights):
            sha.update(name.encode())
            sha.update(self.weights[name].kernel.tobytes())
            sha.update(self.weights[name].bias.tobytes())
        return sha.hexdigest()
