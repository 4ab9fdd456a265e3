"""What passes share that store weights in a smaller type and leave activations in float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import reformed
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeights:
    """Store weights in another type.

    Attributes:
        stored_as: The form's type.
        done: What was done, in words.
    """

    name: ClassVar[str]
    trains: ClassVar[bool] = False
    stored_as: ClassVar[Literal["float16", "int8 weights"]]
    done: ClassVar[str]

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
        return replace(form, dtype=self.stored_as), self.done
