"""Operator fusion and other graph optimisations of a runtime, which are on anyway: measured by their absence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import Setting
from edgebench.compress.steps import reformed
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """Measure what graph optimisation gives: the file runs a second time without it where a runtime can do so."""

    name: ClassVar[str] = "fuse"
    trains: ClassVar[bool] = False

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network; its form asks for the comparison."""
        return reformed(self, artefact, setting)

    def apply_to_file(self, artefact: FileArtefact) -> FileArtefact:
        """The same model; its form asks for the comparison."""
        return reformed(self, artefact)

    def form_after(self, form: Form) -> tuple[Form, str]:
        """The form, and what was done."""
        done = "batch normalisation and activations are folded into layers; runtimes fuse the rest when they load"
        return replace(form, compares_unfused=True), done
