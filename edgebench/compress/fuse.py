"""Operator fusion and other graph optimisations of a runtime, which are on anyway: measured by their absence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import Setting
from edgebench.compress.steps import step_of
from edgebench.models.artefact import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """Measure what graph optimisation gives: the file runs a second time without it where a runtime can do so."""

    name: ClassVar[str] = "fuse"
    trains: ClassVar[bool] = False

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The same network; its form asks for the comparison."""
        made = replace(artefact, form=replace(artefact.form, compares_unfused=True))
        done = "batch normalisation and activations are folded into layers; runtimes fuse the rest when they load"
        last = artefact.steps[-1].accuracy if artefact.steps else None
        return made.after(step_of(self, done, made, setting, accuracy=last))
