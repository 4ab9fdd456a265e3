"""Half precision: weights are stored in float16 and computed with in float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import step_of
from edgebench.models.artefact import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Store weights in float16: half the file; activations stay in float32."""

    name: ClassVar[str] = "float16"
    trains: ClassVar[bool] = False

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network in another form.

        Raises:
            NotApplicableError: It is int8 already.
        """
        if artefact.form.dtype == "int8":
            raise NotApplicableError("the network is int8 already, which is smaller")
        made = replace(artefact, form=replace(artefact.form, dtype="float16"))
        last = artefact.steps[-1].accuracy if artefact.steps else None
        return made.after(step_of(self, "weights in float16", made, setting, accuracy=last))
