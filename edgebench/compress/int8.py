"""Post-training quantisation: int8 weights, activations, inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import reformed
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """Deploy as int8. Ranges that training settled are used; others are calibrated with training samples."""

    name: ClassVar[str] = "int8"
    trains: ClassVar[bool] = False

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network in another form.

        Raises:
            NotApplicableError: It is quantised already.
        """
        return reformed(self, artefact, setting)

    def apply_to_file(self, artefact: FileArtefact) -> FileArtefact:
        """The same model in another form.

        Raises:
            NotApplicableError: It is quantised already.
        """
        return reformed(self, artefact)

    def form_after(self, form: Form) -> tuple[Form, str]:
        """The form, and what was done.

        Raises:
            NotApplicableError: It is quantised already.
        """
        if form.dtype != "float32":
            raise NotApplicableError(f"the model is in {form.dtype} already", remedy="leave out one of the passes")
        ranges = len(form.ranges)
        done = f"int8 with {ranges} ranges that training settled" if ranges else "int8, calibrated after training"
        return replace(form, dtype="int8"), done
