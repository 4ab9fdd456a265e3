"""Half precision: weights are stored in float16 and computed with in float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import reformed
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Store weights in float16: half the file; activations stay in float32."""

    name: ClassVar[str] = "float16"
    trains: ClassVar[bool] = False

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network in another form.

        Raises:
            NotApplicableError: Its weights are smaller already.
        """
        return reformed(self, artefact, setting)

    def apply_to_file(self, artefact: FileArtefact) -> FileArtefact:
        """The same model in another form.

        Raises:
            NotApplicableError: Its weights are smaller already.
        """
        return reformed(self, artefact)

    def form_after(self, form: Form) -> tuple[Form, str]:
        """The form, and what was done.

        Raises:
            NotApplicableError: Its weights are smaller already.
        """
        if form.dtype != "float32":
            raise NotApplicableError(f"the model is in {form.dtype} already", remedy="leave out one of the passes")
        return replace(form, dtype="float16"), "weights in float16"
