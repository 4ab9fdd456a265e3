"""A model that runs on a board, behind a console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import Footprint, Sample
from edgebench.errors import TargetUnavailableError
from edgebench.targets.base import PlainModel
from edgebench.targets.mcu.board.dialogue import Dialogue
from edgebench.targets.mcu.console.firmware import InputForm
from edgebench.targets.mcu.generator import GeneratedModel
from edgebench.targets.mcu.ports import Port, split_outputs
from edgebench.targets.mcu.program import memory_of
from edgebench.targets.mcu.reference import NoReferenceError, reference_outputs

_FIRST_S = 120.0
"""How long one inference may take before anything is known of its time."""
_SLACK_S = 10.0


class BoardModel(PlainModel):
    """Inputs are loaded, and one inference has run, when it is made.

    Args:
        dialogue: With the board.
        generated: What runs on it, or what its firmware must agree with.
        model: The file.
        seed: Of random inputs.
        program: The firmware that was written, or None if the board has its own.
        form: How the firmware wants its inputs.
        own: Whether it is edgebench's firmware, which gives the bytes of its outputs.
        method: What runs the model, in a phrase.

    Attributes:
        heard_s: When the begin and the end of the last loop were heard of, by this machine's monotonic clock.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        generated: GeneratedModel,
        model: Path,
        seed: int,
        *,
        program: Path | None,
        form: InputForm,
        own: bool,
        method: str,
    ) -> None:
        self._dialogue = dialogue
        self._generated = generated
        self._program = program
        self._form = form
        self._how = method
        self._notes: list[str] = []
        random = np.random.default_rng(seed)
        self._inputs = [port.random_values(random) for port in generated.inputs]
        dialogue.load(_sent(self._inputs, generated.inputs, form))
        first = dialogue.infer(1, 0, _FIRST_S)
        self._inference_s = first.seconds
        self.heard_s = first.heard_s
        self._outputs: list[NDArray[Any]] | None = None
        if own:
            self._outputs = self._read_outputs()
        self._printed = first.results
        try:
            self._expected: list[NDArray[Any]] | None = reference_outputs(model, self._inputs)
        except NoReferenceError as error:
            self._expected = None
            self._notes.append(f"outputs were not compared with LiteRT's reference kernels, which refuse: {error}")
        if dialogue.restarted and program is None:
            self._notes.append("the board restarts when its port is opened")

    @property
    def method(self) -> str:
        """The board's counter, and what runs the model."""
        return f"counter of the board, each sample the mean of one loop; {self._how}"

    def run(self, iterations: int) -> Sample:
        """One loop, timed by the board."""
        found = self._dialogue.infer(iterations, 0, _FIRST_S + 2 * iterations * self._inference_s + _SLACK_S)
        if found.seconds <= 0:
            raise TargetUnavailableError(
                f"the board's counter did not move during {iterations:,} inferences",
                remedy="board_timestamp_us() must count microseconds of a timer of at least 1 kHz",
            )
        self._inference_s = found.seconds / iterations
        self.heard_s = found.heard_s
        return Sample(latencies_s=(self._inference_s,), wall_s=found.seconds)

    def outputs(self) -> Mapping[str, NDArray[np.generic]]:
        """What the board computed in its first inference; nothing if its firmware rounds what it prints."""
        if self._outputs is None:
            return {}
        return {port.name: value for port, value in zip(self._generated.outputs, self._outputs, strict=True)}

    def faults(self) -> list[str]:
        """Outputs that are not those of LiteRT's reference kernels."""
        if self._expected is None:
            return []
        if self._outputs is None:
            return self._printed_faults(self._expected)
        pairs = zip(self._expected, self._outputs, strict=True)
        different = sum(int(np.count_nonzero(a != b)) for a, b in pairs)
        if not different:
            return []
        return [f"{different} of {sum(map(len, self._expected))} outputs differ from LiteRT's reference kernels"]

    def notes(self) -> list[str]:
        """Whether outputs were compared, and how exactly."""
        notes = [*self._generated.notes, *self._notes]
        if self._outputs is None and self._expected is not None:
            notes.append("the firmware prints rounded outputs: they were compared as far as their digits tell")
        return notes

    @property
    def footprint(self) -> Footprint:
        """Static RAM and flash of the firmware that was written, the console and the board's code included."""
        if self._program is None:
            return Footprint()
        ram, flash = memory_of(self._program)
        return Footprint(
            ram_bytes=self._exact(ram, "static RAM of the whole firmware's ELF, without its stack"),
            flash_bytes=self._exact(flash, "code, constants and weights of the whole firmware's ELF"),
        )

    def metrics(self) -> Mapping[str, Metric]:
        """The arena of the model."""
        plan = self._generated.plan
        if self._program is None:
            return {}
        return {
            "arena_bytes": self._exact(plan.size, f"planned arena; no plan is smaller than {plan.lower_bound}"),
        }

    def _exact(self, value: float, what: str) -> Metric:
        return Metric(value=value, unit="bytes", provenance=Provenance.EXACT, method=f"{what}; {self._how}")

    def _read_outputs(self) -> list[NDArray[Any]]:
        content = self._dialogue.outputs()
        if len(content) != self._generated.output_bytes:
            raise TargetUnavailableError(
                f"the board gives {len(content)} bytes of outputs instead of {self._generated.output_bytes}",
                remedy="write the firmware of this model to it again",
            )
        return split_outputs(np.frombuffer(content, np.int8), self._generated.outputs)

    def _printed_faults(self, expected: Sequence[NDArray[Any]]) -> list[str]:
        """Compare real numbers within the last digit that was printed."""
        wanted = self._real(expected)
        if len(wanted) != len(self._printed):
            return [f"the board prints {len(self._printed)} results instead of {len(wanted)}"]
        different = sum(not _agrees(text, value) for text, value in zip(self._printed, wanted.tolist(), strict=True))
        return [f"{different} of {len(wanted)} results differ from LiteRT's reference kernels"] if different else []

    def _real(self, expected: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """The results that firmware prints for some outputs."""
        ports = self._generated.outputs
        real = np.concatenate([_real(values, port) for values, port in zip(expected, ports, strict=True)])
        if self._form is not InputForm.REAL:
            return real
        given = np.concatenate([_real(*pair) for pair in zip(self._inputs, self._generated.inputs, strict=True)])
        return np.array([np.mean((real - given) ** 2)])


def _sent(inputs: Sequence[NDArray[Any]], ports: Sequence[Port], form: InputForm) -> bytes:
    """Inputs as the protocol carries them."""
    if form is InputForm.UNSIGNED:
        return bytes(np.concatenate([values.view(np.uint8) ^ 0x80 for values in inputs]))
    if form is InputForm.REAL:
        return np.concatenate([_real(*pair) for pair in zip(inputs, ports, strict=True)]).astype("<f4").tobytes()
    return b"".join(values.tobytes() for values in inputs)


def _real(values: NDArray[Any], port: Port) -> NDArray[np.float64]:
    scale = port.scale or 1.0
    return (values.astype(np.float64) - port.zero_point) * scale


def _agrees(text: str, value: float) -> bool:
    """Whether a printed number is a value, rounded or cut off at its last digit."""
    try:
        found = float(text)
    except ValueError:
        return False
    digits = len(text.partition(".")[2])
    return abs(found - value) <= 1.001 * 10.0**-digits
