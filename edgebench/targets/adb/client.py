"""The user's own ``adb``, with what its complaints mean."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebench.errors import TargetUnavailableError
from edgebench.machine.child_environment import child_environment

ADB = "adb"
_ANSWER_S = 30.0
_COPY_S = 300.0
_EXCERPT = 300
_LISTED = re.compile(r"(\S+)\s+(device|offline|unauthorized|authorizing|connecting|recovery|sideload|bootloader|host"
                     r"|no permissions)\b.*")  # fmt: skip
_REMEDIES: Mapping[str, tuple[str, str]] = {
    "unauthorized": (
        "it has not allowed this computer",
        (
            "unlock it and confirm 'Allow USB debugging?'; if it does not ask, revoke USB debugging authorisations in "
            "its developer options and plug it in again"
        ),
    ),
    "authorizing": ("it is being asked whether it allows this computer", "confirm it there, and run the command again"),
    "offline": ("it is offline", "plug it in again, or adb reconnect; restart it if that does not help"),
    "connecting": ("it is still connecting", "run the command again in some seconds"),
    "no permissions": (
        "you may not use its USB device",
        (
            "install your system's Android udev rules (Debian: android-sdk-platform-tools-common), log in again, then "
            "adb kill-server"
        ),
    ),
}
_BOOTING = ("it is in {state} mode", "start Android on it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command on the device said.

    Attributes:
        code: What it returned.
        text: Everything that it printed.
    """

    code: int
    text: str


class AdbDevice:
    """One device.

    Args:
        serial: Its number, or nothing for the only one that is attached.
        where: The file that names it, for messages.

    Raises:
        TargetUnavailableError: adb is missing, or the device is not attached, not usable or not the only one.
    """

    def __init__(self, serial: str, where: str) -> None:
        self._where = where
        self._serial = serial
        self.serial = self._chosen(serial)

    def shell(self, words: Sequence[str], timeout_s: float = _ANSWER_S) -> Answer:
        """Run a command on the device.

        Raises:
            TargetUnavailableError: The device is gone, or does not answer in time.
        """
        done = self._run(["-s", self.serial, "shell", shlex.join(words)], timeout_s)
        text = done.stdout + done.stderr
        if done.returncode and text.lstrip().startswith(("adb:", "error:")):
            raise self._lost(text)
        return Answer(code=done.returncode, text=text)

    def push(self, path: Path, there: str) -> None:
        """Copy a file to the device.

        Raises:
            TargetUnavailableError: It cannot be copied.
        """
        done = self._run(["-s", self.serial, "push", str(path), there], _COPY_S)
        if done.returncode == 0:
            return
        said = _shortened(done.stderr + done.stdout)
        if "No space left" in said:
            raise TargetUnavailableError(
                f"there is no room on the device for {path.name}", where=there, remedy="free storage on the device"
            )
        raise self._lost(said)

    def _chosen(self, serial: str) -> str:
        listed = self._listed()
        if serial:
            if serial not in listed:
                others = f": attached are {', '.join(listed)}" if listed else ": none is attached"
                raise self._unusable(f"the device {serial} is not attached{others}", "plug it in, or correct serial")
        elif not listed:
            raise self._unusable(
                "no device is attached",
                "plug one in, with USB debugging on in its developer options; adb devices must list it",
            )
        elif len(listed) > 1:
            raise self._unusable(
                f"{len(listed)} devices are attached: {', '.join(listed)}", "name one of them as serial in this file"
            )
        name = serial or next(iter(listed))
        state = listed[name]
        if state != "device":
            why, remedy = _REMEDIES.get(state, _BOOTING)
            raise self._unusable(f"the device {name} cannot be used: {why.format(state=state)}", remedy)
        return name

    def _listed(self) -> dict[str, str]:
        """State of each device by its number."""
        done = self._run(["devices"], _ANSWER_S)
        if done.returncode:
            raise self._unusable(f"adb devices fails: {_shortened(done.stderr or done.stdout)}", "adb kill-server")
        found = (_LISTED.fullmatch(line.strip()) for line in done.stdout.splitlines())
        return {match[1]: match[2] for match in found if match}

    def _run(self, arguments: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [adb_program(self._where), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
                env=child_environment(),
            )
        except subprocess.TimeoutExpired:
            raise TargetUnavailableError(
                f"adb does not finish within {timeout_s:g} s ({arguments[-1][:80]!r})",
                where=self._where,
                remedy="adb reconnect, or restart the device",
            ) from None
        except OSError as error:
            raise self._unusable(f"adb cannot be run: {error.strerror}", "install it again") from None

    def _lost(self, said: str) -> TargetUnavailableError:
        """What a failure in the middle is: the device's state says more than adb's message."""
        AdbDevice(self._serial or self.serial, self._where)
        return self._unusable(f"the device failed in the middle: {_shortened(said)}", "plug it in again, and run again")

    def _unusable(self, what: str, remedy: str) -> TargetUnavailableError:
        return TargetUnavailableError(what, where=self._where, remedy=remedy)


def adb_program(where: str) -> str:
    """The path of adb.

    Raises:
        TargetUnavailableError: It is not installed.
    """
    path = shutil.which(ADB)
    if path is None:
        raise TargetUnavailableError(
            "adb is not installed", where=where, remedy="install Android's platform tools (Debian: apt install adb)"
        )
    return path


def _shortened(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT] or "no message"
