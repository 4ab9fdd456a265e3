"""The ``litert`` target behind adb: LiteRT's benchmark program on an Android device."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from edgebench.core.board_link import AdbSettings, LoopSettings
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.options import read_options
from edgebench.core.profile import Sample
from edgebench.core.support import Support
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.models.digest import digest_files
from edgebench.targets.adb.client import AdbDevice, Answer, adb_program
from edgebench.targets.adb.reading import Condition, Timings, read_condition, read_timings
from edgebench.targets.base import PlainModel
from edgebench.targets.litert import LiteRtOptions
from edgebench.targets.on_a_board import OnABoard

FOLDER = "/data/local/tmp"
_THERE = re.compile(rf"{FOLDER}/[\w.+-]+")
_SLACK_S = 60.0
_FIRST_S = 240.0
_NOT_RUNNABLE = ("not executable", "Exec format error", "cannot execute", "CANNOT LINK EXECUTABLE")


class AdbTarget(OnABoard[AdbSettings]):
    """Copies a model to an Android device, and has it timed there."""

    options_type: ClassVar[type] = LiteRtOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.TFLITE,)
    dtype: str | None = None
    settings_type: ClassVar[type[LoopSettings]] = AdbSettings

    def passes_models_on(self) -> bool:
        """A model is copied to the device as it is."""
        return True

    def check(self) -> dict[str, str]:
        """What the device is, and which binary runs there.

        Raises:
            TargetUnavailableError: adb, the binary or the device is missing, or the device does not allow it.
            InputError: The device's file is not valid.
        """
        settings, options = self._settings, read_options(self.device, LiteRtOptions)
        if options.kernels == "reference":
            raise InputError("benchmark_model has no reference kernels", where=f"{self._where}, options.kernels")
        adb_program(self._where)
        binary = self._local_binary()
        android = AdbDevice(settings.serial, self._where)
        return {
            "binary": settings.binary if binary is None else digest_files([binary])[0][:12],
            "android": _property(android, "ro.build.version.release"),
            "model": _property(android, "ro.product.model"),
            "abi": _property(android, "ro.product.cpu.abi"),
        }

    def try_model(self, model: Path) -> Support:  # noqa: ARG002 - nobody here reads it
        """Only a run on the device tells."""
        return Support(notes=("whether the binary has every operator is known only when it runs",))

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[AdbModel]:
        """Copy the binary, once, and the model; it is removed afterwards.

        Raises:
            TargetUnavailableError: The device cannot be used.
            InputError: Inputs were given, which the binary does not take.
        """
        if inputs.file is not None or inputs.signature is not None:
            raise InputError(
                "benchmark_model makes random inputs for the main graph",
                where=self._where,
                remedy="leave out --inputs and --signature on this device",
            )
        android = AdbDevice(self._settings.serial, self._where)
        binary = self._install(android)
        there = f"{FOLDER}/edgebench-{digest_files([model])[0][:16]}.tflite"
        android.push(model, there)
        try:
            options = read_options(self.device, LiteRtOptions)
            yield AdbModel(android, binary, there, options, self._where)
        finally:
            # A device that is gone keeps it until its next start.
            with suppress(TargetUnavailableError):
                android.shell(["rm", "-f", there])

    def _local_binary(self) -> Path | None:
        """The binary's file here, or None if it is on the device."""
        name = self._settings.binary
        if _THERE.fullmatch(name):
            return None
        path = Path(self.device.origin or ".").absolute().parent / name
        if not path.is_file():
            raise TargetUnavailableError(
                f"there is no file {name}",
                where=f"{self._where}, binary",
                remedy=f"name LiteRT's benchmark_model for the device's processor, or a program in {FOLDER} there",
            )
        return path

    def _install(self, android: AdbDevice) -> str:
        path = self._local_binary()
        if path is None:
            return self._settings.binary
        there = f"{FOLDER}/edgebench-{digest_files([path])[0][:16]}"
        # Copied under another name first, so that what has this name is complete.
        if android.shell(["test", "-x", there]).code:
            android.push(path, f"{there}.part")
            android.shell(["chmod", "755", f"{there}.part"])
            android.shell(["mv", f"{there}.part", there])
        return there


class AdbModel(PlainModel):
    """A model on the device, with what runs it."""

    def __init__(self, android: AdbDevice, binary: str, model: str, options: LiteRtOptions, where: str) -> None:
        self._android = android
        self._binary = binary
        self._model = model
        self._options = options
        self._where = where
        self._least_s = 0.0
        self._timings: Timings | None = None
        self._before = self._condition()

    @property
    def method(self) -> str:
        """The binary, its threads, and what a sample is."""
        what = "mean" if self._timings is not None and not self._timings.is_median else "median"
        threads = self._options.threads
        return (
            f"benchmark_model on the device, {threads} thread{'s' * (threads > 1)}, {self._options.kernels} kernels; "
            f"each sample the {what} of one run"
        )

    def run(self, iterations: int) -> Sample:
        """One run of the binary, with at least this many inferences."""
        expected_s = iterations * self._timings.latency_s if self._timings else 0.0
        limit_s = math.ceil((2 * expected_s if self._timings else _FIRST_S) + _SLACK_S)
        done = self._android.shell(self._command(iterations, limit_s), limit_s + _SLACK_S)
        self._require_success(done)
        timings = read_timings(done.text, self._where)
        first = timings.first_s if self._timings is None else None
        self._timings = timings
        return Sample(latencies_s=(first or timings.latency_s,), wall_s=timings.total_s)

    def notes(self) -> list[str]:
        """The state of the device before and after, and that outputs stay there."""
        after = self._condition()
        notes = [
            f"the device before: {self._before}; after: {after}",
            "inputs are random, and outputs stay on the device: they were not compared",
        ]
        if after.throttling:
            notes.append(
                f"the device slowed itself down (thermal status {after.throttling}): let it cool down and measure again"
            )
        return notes

    def _command(self, iterations: int, limit_s: int) -> Sequence[str]:
        xnnpack = [] if self._options.kernels == "default" else ["--use_xnnpack=false"]
        return [
            self._binary,
            f"--graph={self._model}",
            f"--num_threads={self._options.threads}",
            f"--num_runs={iterations}",
            "--min_secs=0",
            # The device itself ends a run that takes too long: adb leaves it running.
            f"--max_secs={limit_s}",
            "--warmup_runs=1",
            "--warmup_min_secs=0",
            *xnnpack,
        ]

    def _require_success(self, done: Answer) -> None:
        if done.code == 0:
            return
        said = " ".join(done.text.split())[-300:] or "no message"
        if any(sign in done.text for sign in _NOT_RUNNABLE):
            raise TargetUnavailableError(
                f"the binary does not run on this device: {said}",
                where=self._where,
                remedy=f"its processor is {_property(self._android, 'ro.product.cpu.abi')}: name a binary for it",
            )
        raise UnsupportedModelError(
            f"the binary ended with {done.code}: {said}",
            where=self._where,
            remedy="an operator may be missing in the binary: use a newer benchmark_model, or one with Flex operators",
        )

    def _condition(self) -> Condition:
        battery, thermal = (self._android.shell(["dumpsys", name]).text for name in ("battery", "thermalservice"))
        return read_condition(battery, thermal)


def _property(android: AdbDevice, name: str) -> str:
    return android.shell(["getprop", name]).text.strip() or "unknown"
