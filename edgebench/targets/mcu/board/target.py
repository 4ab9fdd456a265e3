"""The ``mcu`` target at a serial port: the board runs the model and measures itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgebench.core.board_link import LoopSettings, SerialSettings
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.support import Support
from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.machine.serial_port import serial_ports
from edgebench.models.tflite.quantised_graph import read_quantised_graph
from edgebench.targets.mcu.board.dialogue import Dialogue, open_dialogue
from edgebench.targets.mcu.board.flashing import Flasher, program_of
from edgebench.targets.mcu.board.model import BoardModel
from edgebench.targets.mcu.console.firmware import (
    SOURCES,
    board_folder,
    input_form,
    model_digest,
    model_header,
    model_name,
)
from edgebench.targets.mcu.generator import GeneratedModel, generate
from edgebench.targets.mcu.target import McuOptions, McuTarget, device_toolchain, require_some_size
from edgebench.targets.mcu.toolchain import Toolchain
from edgebench.targets.on_a_board import OnABoard

BOOT_S = 6.0
"""How long a board may take to start: a bootloader waits for two seconds or less."""
_APPEARS_S = 10.0
_BUSY = 1.2
_OVERFLOW = re.compile(r"region [`']?(\w+)'?:? overflowed by (\d+) bytes")
"""What the linkers of GNU and LLVM say."""
_flashers: dict[tuple[str, str], Flasher] = {}
"""Helpers that were started before this process confined itself, by command and place."""


class BoardTarget(OnABoard[SerialSettings]):
    """Builds firmware for a model, writes it to a board, and lets the board time it."""

    options_type: ClassVar[type] = McuOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = McuTarget.formats
    dtype: str | None = McuTarget.dtype
    settings_type: ClassVar[type[LoopSettings]] = SerialSettings

    def check(self) -> dict[str, str]:
        """Versions of what builds firmware; it must be installed, and so must be what writes it.

        If the board has firmware of its own, its port must be there. The port of a board with USB of its own is there
        only while its firmware runs, so before that is written it is not looked for.

        Raises:
            TargetUnavailableError: Something is missing.
            InputError: The device's file is not valid.
        """
        settings = self._settings
        if settings.firmware == "built":
            return self._builder_versions()
        if not Path(settings.port).exists():
            known = serial_ports()
            raise TargetUnavailableError(
                f"no board is at {settings.port}",
                where=self._where,
                remedy=f"plug it in, or name another port: here are {', '.join(known)}"
                if known
                else "plug it in: no serial port is here",
            )
        return {"firmware": settings.firmware}

    def _builder_versions(self) -> dict[str, str]:
        emulated = McuTarget(self.device).check()
        board_folder(self._settings.board, self._where)
        program_of(self._settings.flash, self._folder, self._where)
        return {name: emulated[name] for name in ("compiler", "bakenn", "pyelftools") if name in emulated}

    @property
    def _folder(self) -> Path:
        """Where relative paths of the device's file begin."""
        return Path(self.device.origin or ".").absolute().parent

    def pending(self) -> str | None:
        """Kernels are compiled once, and kept."""
        if self._settings.firmware == "external":
            return None
        toolchain = device_toolchain(self.device)
        return None if toolchain.has_kernels else f"compiling kernels for {toolchain.core.name}, once"

    def make_ready(self) -> None:
        """Compile them.

        Raises:
            TargetUnavailableError: The compiler fails.
        """
        device_toolchain(self.device).make_ready()

    def start_outside(self) -> None:
        """Start what writes firmware to the board."""
        if self._settings.firmware == "built":
            self._flasher()

    def write_deployed(self, model: Path, inputs: InputSource, folder: Path) -> tuple[Sequence[str], Sequence[str]]:
        """A C project, see ``McuTarget``."""
        return McuTarget(self.device).write_deployed(model, inputs, folder)

    def try_model(self, model: Path) -> Support:
        """Which operators have no kernel, see ``McuTarget``; the board is not touched."""
        return McuTarget(self.device).try_model(model)

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[BoardModel]:
        """Build and write firmware, open the port, and load the inputs.

        Raises:
            UnsupportedModelError: The model is not int8, has an operator without a kernel, or is not the board's.
            TargetUnavailableError: Building or writing fails, or the board does not answer as it should.
            InputError: The file is damaged.
        """
        settings = self._settings
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            program, how = None, "firmware of the board"
            if settings.firmware == "built":
                toolchain = device_toolchain(self.device)
                how = f"{toolchain.version} -{self.device.options.get('optimization', 'O2')}, CMSIS-NN s8"
                generated = generate(read_quantised_graph(model), helium=toolchain.core.helium, newer=toolchain.newer)
                require_some_size(generated, device_memory=self.device.memory)
                program = self._build(toolchain, generated, Path(folder))
                self._flasher().write(program)
            else:
                generated = generate(read_quantised_graph(model))
            # A board that was not started anew may still run the loop of somebody who has left.
            patience_s = BOOT_S if program else BOOT_S + _BUSY * settings.loop_s
            port, dialogue = open_dialogue(settings.port, settings.baud, patience_s, _APPEARS_S if program else 0.0)
            with port:
                answered = self._require_model(dialogue, generated)
                yield BoardModel(
                    dialogue,
                    generated,
                    model,
                    inputs.seed,
                    program=program,
                    form=input_form(answered.model),
                    own=answered.own,
                    method=how if program else f"{how}, which says {answered.model!r}",
                )

    def _build(self, toolchain: Toolchain, generated: GeneratedModel, folder: Path) -> Path:
        files = {**generated.files, "console_model.h": model_header(generated)}
        board = board_folder(self._settings.board, self._where)
        try:
            return toolchain.build_firmware(files, [SOURCES / "console.c"], board, folder)
        except TargetUnavailableError as error:
            overflow = _OVERFLOW.search(error.what)
            if overflow is None:
                raise
            raise UnsupportedModelError(
                f"the firmware does not fit into the board's memory: {overflow[1]} overflows by {overflow[2]} bytes",
                where=str(board),
                remedy="choose a smaller model; the sizes of the memories are in the linker script",
            ) from None

    def _require_model(self, dialogue: Dialogue, generated: GeneratedModel) -> _Answered:
        """Check that the firmware has the model that is to be measured."""
        name, digest = dialogue.identity()
        settings = self._settings
        wanted = settings.model or model_name(generated)
        other = name != wanted if settings.model or name.startswith("edgebench-") or _is_benchmark(name) else False
        if other or (digest is not None and digest != model_digest(generated)):
            same = f", of another build (digest {digest})" if name == wanted else ""
            raise TargetUnavailableError(
                f"the board runs another model: it says {name!r}{same}, and {wanted!r} is to be measured",
                where=settings.port,
                remedy="the command of flash must write the program and restart the board; is port the same board's?"
                if settings.firmware == "built"
                else "write the firmware of this model to the board: edgebench export --to c makes it",
            )
        return _Answered(model=name, own=digest is not None)

    def _flasher(self) -> Flasher:
        key = (self._settings.flash, str(self._folder))
        if key not in _flashers:
            _flashers[key] = Flasher(self._settings.flash, self._folder, self._where)
        return _flashers[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """What firmware says: its model, and whether it is edgebench's own."""

    model: str
    own: bool


def _is_benchmark(name: str) -> bool:
    """Whether firmware says that it has one of MLPerf Tiny's networks, such as kws01."""
    return name in {"kws01", "ic01", "vww01", "ad01", "sww01"}
