"""Energy of NVIDIA graphics cards, read through the driver's management library (NVML).

Some cards measure their power only a quarter of the time ("Part-time Power Measurements: nvidia-smi's
Lack of Attention", arXiv:2312.02741), so a reading can be trusted over seconds, not over single inferences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgebench.errors import EdgebenchError, InputError, TargetUnavailableError
from edgebench.meters.base import EnergyMeter
from edgebench.meters.counter import EnergyCounter
from edgebench.meters.integrator import PowerIntegrator

_INTERVAL_S = 0.1
"""NVIDIA does not say how often the readings are updated; this is assumed for all cards."""


class NvmlMeter(EnergyMeter):
    """Energy of one card: the driver's counter (Volta and later), otherwise its power sampled in the background.

    Args:
        index: Number of the card, as ``nvidia-smi`` counts.

    Raises:
        InputError: There is no such card.
        TargetUnavailableError: The package, the driver or the card's sensor is missing.
    """

    resolution_s = _INTERVAL_S

    def __init__(self, index: int) -> None:
        self._nvml = _library()
        self._closed = False
        try:
            count: int = self._call(self._nvml.nvmlDeviceGetCount)
            if index >= count:
                raise InputError(
                    f"there is no NVIDIA card {index}",
                    where=f"meter nvml:{index}",
                    remedy=f"this machine has {count}, numbered from 0",
                )
            handle = self._call(self._nvml.nvmlDeviceGetHandleByIndex, index)
            self.name = f"nvml:{index}"
            self.scope = f"NVIDIA card {index} ({self._call(self._nvml.nvmlDeviceGetName, handle)})"
            self._source = self._energy_of(handle)
        except EdgebenchError:
            self._nvml.nvmlShutdown()
            raise

    @classmethod
    def selectors(cls, sysfs: Path) -> Sequence[str]:
        """Numbers of the cards; NVML does not read ``sysfs``."""
        del sysfs
        try:
            nvml = _library()
        except TargetUnavailableError:
            return []
        try:
            return [str(index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError:
            return []
        finally:
            nvml.nvmlShutdown()

    @classmethod
    def open(cls, selector: str, sysfs: Path) -> NvmlMeter:
        """Open a card by number, the first by default; NVML does not read ``sysfs``.

        Raises:
            InputError: The selector is not the number of a card.
            TargetUnavailableError: The package, the driver or the card's sensor is missing.
        """
        del sysfs
        if selector and not (selector.isascii() and selector.isdecimal() and len(selector) <= 3):
            raise InputError(
                f"{selector!r} is not the number of an NVIDIA card",
                where=f"meter nvml:{selector}",
                remedy="write nvml:0",
            )
        return cls(int(selector or 0))

    def read_j(self) -> float:
        """Energy since the meter was opened, in joules."""
        return self._source.read_j()

    def close(self) -> None:
        """End the sampling and release the driver."""
        if not self._closed:
            self._closed = True
            self._source.close()
            self._nvml.nvmlShutdown()

    def _energy_of(self, handle: object) -> EnergyCounter | PowerIntegrator:
        def counter_mj() -> int:
            return int(self._call(self._nvml.nvmlDeviceGetTotalEnergyConsumption, handle))

        def power_w() -> float:
            return float(self._call(self._nvml.nvmlDeviceGetPowerUsage, handle)) * 1e-3

        try:
            return EnergyCounter(counter_mj, unit_j=1e-3)
        except TargetUnavailableError:
            source = PowerIntegrator(power_w, _INTERVAL_S)
        self.scope += f", power sampled every {_INTERVAL_S:g} s"
        return source

    def _call(self, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(*arguments)
        except self._nvml.NVMLError as error:
            raise TargetUnavailableError(
                f"the NVIDIA driver reports: {error}",
                remedy="check that `nvidia-smi` shows the card's power; for a Jetson use hwmon:ina3221",
            ) from error


def _library() -> Any:
    """The library, initialised; to be shut down once for each call."""
    try:
        import pynvml
    except ImportError as error:
        raise TargetUnavailableError(
            "the package nvidia-ml-py is not installed", remedy="run `pip install 'edgebench[nvml]'`"
        ) from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise TargetUnavailableError(
            f"the NVIDIA driver does not answer: {error}",
            remedy="install the driver and check that `nvidia-smi` works; for a Jetson use hwmon:ina3221",
        ) from error
    return pynvml
