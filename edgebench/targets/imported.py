"""Devices that are not here: only an imported table says what networks cost on them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgebench.core.device import Device
from edgebench.core.metric import Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.errors import TargetUnavailableError
from edgebench.targets.base import LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedOptions:
    """There are none."""


class ImportedTarget:
    """Runs nothing: its figures are predictions."""

    options_type: ClassVar[type] = ImportedOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.ONNX, ModelFormat.TFLITE)
    dtype: str | None = None
    deterministic: bool = False
    latency_provenance: Provenance = Provenance.MEASURED

    def __init__(self, device: Device) -> None:
        self.device = device

    def check(self) -> dict[str, str]:
        """Never succeeds.

        Raises:
            TargetUnavailableError: The device is not attached.
        """
        raise TargetUnavailableError(
            f"{self.device.name} is not attached: it is known by an imported table only",
            remedy="write a device file that says how to reach it: devices/README.md",
        )

    def import_runtime(self) -> None:
        """Nothing."""

    def load(self, model: Path, inputs: InputSource) -> AbstractContextManager[LoadedModel]:  # noqa: ARG002
        """Never succeeds.

        Raises:
            TargetUnavailableError: The device is not attached.
        """
        self.check()
        raise NotImplementedError
