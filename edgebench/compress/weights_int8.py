"""Weight-only quantisation: int8 weights, while activations, inputs and outputs stay in float32."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import reformed
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsInt8:
    """Deploy with int8 weights only, as LiteRT (dynamic range) and ONNX Runtime run it.

    Nothing needs calibration: kernels find the range of their inputs in every inference, which takes time.
    """

    name: ClassVar[str] = "int8_weights"
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
        return replace(form, dtype="int8 weights"), "weights in int8, activations in float32"
