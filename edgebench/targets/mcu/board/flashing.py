"""Writes firmware to a board with the command of its device file.

Such tools read configuration in home folders, open ports for debuggers and talk to USB devices: what the process that
reads models gives up. They are started by a helper that began before it did, and takes nothing from it but the path
of a program.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgebench.errors import InputError, TargetUnavailableError
from edgebench.machine.child_environment import child_environment

ELF = "{elf}"
_FLASH_S = 300.0
_PLAIN_PATH = re.compile(r"[\w./+-]+")
_LAST_WORDS = 300


def flash_command(template: str, where: str) -> list[str]:
    """The words of a template.

    No shell runs it: quotes group words, and nothing else has a meaning. What only a shell would understand is refused.

    Args:
        template: A command in which ``{elf}`` stands for the program.
        where: The file that has it, for messages.

    Raises:
        InputError: It is not a command, has no ``{elf}``, or wants a shell.
    """
    remedy = "such as: flash = \"openocd -f board.cfg -c 'program {elf} verify reset exit'\""
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise InputError(f"cannot be split into words: {error}", where=where, remedy=remedy) from None
    mark = _mark_of_a_shell(template)
    if mark:
        raise InputError(
            f"{mark!r} would need a shell, and there is none", where=where, remedy="put it into a script of your own"
        )
    inside = [part for word in words for part in word.split()]
    if not words or inside.count(ELF) != 1 or any(ELF in part and part != ELF for part in inside):
        raise InputError("{elf} must be in it once, as a word of its own", where=where, remedy=remedy)
    return words


def _mark_of_a_shell(text: str) -> str:
    """The first character outside quotes that only a shell would understand, or nothing."""
    quote, escaped = "", False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in ";&|<>()`$":
            return letter
    return ""


def program_of(template: str, folder: Path, where: str) -> str:
    """The program that a template starts.

    Args:
        template: See ``flash_command``.
        folder: Where a relative path begins.
        where: The file that has it, for messages.

    Raises:
        TargetUnavailableError: It is not installed.
    """
    name = flash_command(template, where)[0]
    found = shutil.which(str(folder / name) if "/" in name else name)
    if found is None:
        raise TargetUnavailableError(
            f"{name}, which writes firmware to the board, is not installed", where=where, remedy="install it"
        )
    return found


class Flasher:
    """A process that writes programs to one board, and can do nothing else for those who talk to it.

    Args:
        template: See ``flash_command``.
        folder: Where it runs: that of the device file.
        where: The file that has it, for messages.
    """

    def __init__(self, template: str, folder: Path, where: str) -> None:
        program_of(template, folder, where)
        self._where = where
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, template, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=child_environment(),
        )

    def write(self, program: Path) -> None:
        """Write a program to the board, and start it.

        Raises:
            TargetUnavailableError: The command fails.
        """
        if self._process.stdin is None or self._process.stdout is None:
            return
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{json.dumps(str(program))}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        problem = json.loads(answer) if answer else "the process that starts the command has ended"
        if problem:
            raise TargetUnavailableError(
                f"the firmware was not written: {problem}",
                where=self._where,
                remedy="run the command of flash yourself: is the board plugged in, and may you use its debug probe?",
            )

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None and self._process.stdout is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdout.close()
        self._process.wait()


def _flash(words: Sequence[str], program: str) -> str:
    """Run the command; returns what went wrong, or nothing."""
    alone = [word for word in words if word == ELF]
    if not alone and not _PLAIN_PATH.fullmatch(program):
        # Within a word it is part of another language, such as OpenOCD's.
        return f"the path {program!r} cannot be part of a longer word: set TMPDIR to a plain one"
    command = [word.replace(ELF, program) for word in words]
    command[0] = str(Path(command[0]).absolute()) if "/" in command[0] else command[0]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_FLASH_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not finish within {_FLASH_S:g} s"
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"
    said = " ".join(done.stdout.decode("utf-8", "replace").split())[-_LAST_WORDS:]
    return f"{command[0]} ended with {done.returncode}: {said or 'no message'}" if done.returncode else ""


def main() -> None:
    """Entry point of the helper: a path a line in, what went wrong a line out."""
    words = flash_command(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(_flash(words, json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
