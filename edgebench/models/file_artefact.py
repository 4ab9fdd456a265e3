"""A model that networks of ours cannot express on its way through compression: its files, and how they are deployed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edgebench.core.compression import StepDone
from edgebench.models.artefact import Form


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileArtefact:
    """What passes on files take and give. It never changes.

    Attributes:
        files: Contents by suffix, ``.onnx`` and ``.tflite``: the model in every format that it could be brought into.
        refusals: Why it could not be brought into a format, by suffix.
        unread: Why it is not a network of ours; the layer is named.
        parameters: Learned values.
        macs: Multiply-accumulates of an inference, as far as they can be counted.
        form: How it is deployed.
        steps: What was done so far, oldest first.
    """

    files: Mapping[str, bytes]
    refusals: Mapping[str, str] = field(default_factory=dict)
    unread: str
    parameters: int = 0
    macs: int = 0
    form: Form = field(default_factory=Form)
    steps: tuple[StepDone, ...] = ()

    def after(self, step: StepDone) -> FileArtefact:
        """The same with one more step in its history."""
        counted = replace(step, parameters=self.parameters, macs=self.macs)
        return replace(self, steps=(*self.steps, counted))

    @property
    def digest(self) -> str:
        """SHA-256 over files and form, in hexadecimal; history does not count."""
        form = [self.form.dtype, self.form.shared_values, self.form.compares_unfused]
        sha = hashlib.sha256(json.dumps(form).encode())
        for suffix in sorted(self.files):
            sha.update(suffix.encode() + hashlib.sha256(self.files[suffix]).digest())
        return sha.hexdigest()
