"""Post-training quantisation: int8 weights, activations, inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import step_of
from edgebench.models.artefact import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """Deploy as int8. Ranges that training settled are used; others are calibrated with training samples."""

    name: ClassVar[str] = "int8"
    trains: ClassVar[bool] = False

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network in another form.

        Raises:
            NotApplicableError: It is int8 already.
        """
        if artefact.form.dtype == "int8":
            raise NotApplicableError("the network is int8 already", remedy="leave out one of the passes")
        made = replace(artefact, form=replace(artefact.form, dtype="int8"))
        ranges = len(artefact.form.ranges)
        done = f"int8 with {ranges} ranges that training settled" if ranges else "int8, calibrated after training"
        # Its accuracy is that of the deployed file, which is measured; in float nothing has changed.
        last = artefact.steps[-1].accuracy if artefact.steps else None
        return made.after(step_of(self, done, made, setting, accuracy=last))
