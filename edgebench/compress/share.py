"""Weight sharing: few different values in each tensor, so that an update of the file is small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import reformed
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact

_MOST = 255
_SMALLER_ONLY = ("no kernel here reads a codebook: the update gets smaller, flash and RAM do not",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Round the int8 weights of each tensor to the nearest of a few values (k-means, Han et al. 2016).

    Sharing comes after quantisation: scales of channels would tear shared values apart again.

    Attributes:
        values: How many different values each tensor has, from 2 to 255.
    """

    name: ClassVar[str] = "share"
    trains: ClassVar[bool] = False
    values: int = 32

    def __post_init__(self) -> None:
        if not 2 <= self.values <= _MOST:
            raise InputError(f"share({self.values}) must be from 2 to {_MOST}", remedy="write it as share(32)")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network in another form.

        Raises:
            NotApplicableError: It is not int8 yet.
        """
        return reformed(self, artefact, setting, skipped=_SMALLER_ONLY)

    def apply_to_file(self, artefact: FileArtefact) -> FileArtefact:
        """The same model in another form.

        Raises:
            NotApplicableError: It is not int8 yet.
        """
        return reformed(self, artefact, skipped=_SMALLER_ONLY)

    def form_after(self, form: Form) -> tuple[Form, str]:
        """The form, and what was done.

        Raises:
            NotApplicableError: It is not int8 yet.
        """
        if form.dtype != "int8":
            raise NotApplicableError("weights are shared after quantisation", remedy="write int8 or qat before share")
        return replace(form, shared_values=self.values), f"at most {self.values} different weights in each tensor"
