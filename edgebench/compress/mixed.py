"""Mixed precision: int8, but for the layers that lose most by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import step_of
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Keep the most sensitive layers in float32, and make the others int8.

    Sensitivity of a layer: how much of the loss on validation samples, when all weights are rounded to int8, goes
    away if only this layer's are not.

    Attributes:
        layers: How many stay in float32, at least 1.
    """

    name: ClassVar[str] = "mixed"
    trains: ClassVar[bool] = True
    layers: int = 2

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise InputError(f"mixed({self.layers}) must keep at least 1 layer", remedy="write it as mixed(2)")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network in another form.

        Raises:
            NotApplicableError: There is no task, it is int8 already, or it has too few layers.
        """
        from edgebench.tasks.sensitivity import sensitivities

        task = setting.require_task(self.name)
        if artefact.form.dtype == "int8":
            raise NotApplicableError("the network is int8 already", remedy="write mixed instead of int8")
        found = sensitivities(artefact.network, artefact.weights, task.validation)
        if self.layers >= len(found):
            raise NotApplicableError(
                f"the network has {len(found)} layers with weights: {self.layers} of them in float leave none for int8"
            )
        chosen = sorted(found, key=lambda name: -found[name])[: self.layers]
        form = replace(artefact.form, dtype="int8", float_layers=tuple(chosen))
        made = replace(artefact, form=form)
        done = "in float32: " + ", ".join(f"{name} (loss {found[name]:+.4f})" for name in chosen)
        last = artefact.steps[-1].accuracy if artefact.steps else None
        return made.after(step_of(self, done, made, setting, accuracy=last))
