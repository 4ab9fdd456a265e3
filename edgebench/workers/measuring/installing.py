"""Installs the worker on a board: an environment of its own, with this edgebench and the runtime of a device."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgebench.core.board_link import SshSettings, read_link
from edgebench.core.device import Device
from edgebench.errors import InputError, StorageError, TargetUnavailableError, UnavailableError
from edgebench.links.base import Limits, LinkClosedError, LinkError, LinkTimeoutError
from edgebench.machine.own_wheel import write_wheel
from edgebench.workers.measuring.boards import link_to

_OLDEST, _NEWEST = (3, 11), (3, 13)
_NEEDED = ("numpy>=2.0", "psutil>=6.0", "pydantic>=2.10")
"""What a worker imports besides its runtime."""
_RUNTIMES = {
    "onnxruntime": "onnxruntime", "onnxruntime-ep": "onnxruntime", "litert": "ai-edge-litert",
    "litert-delegate": "ai-edge-litert", "torch": "torch",
}  # fmt: skip
_LEAST_BYTES = 400 << 20
_LINE_BYTES = 1 << 20
_PIECE = 256 << 10
_QUICK_S, _STEP_S = 60.0, 1800.0
_CLOCK_OFF_S = 86_400.0
_FACTS = """
import importlib.util, json, os, platform, shutil, struct, sys, time
machine = platform.machine()
if struct.calcsize("P") == 4:
    machine = {"aarch64": "armv7l", "x86_64": "i686"}.get(machine, machine)
place = os.path.abspath(os.path.expanduser(sys.argv[1]))
above = place
while not os.path.exists(above):
    above = os.path.dirname(above)
print(json.dumps({"version": sys.version_info[:2], "machine": machine, "place": place,
    "free": shutil.disk_usage(above).free,
    "writable": os.access(above, os.W_OK | os.X_OK), "above": above, "time": time.time(),
    "venv": importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None,
    "made": os.path.exists(os.path.join(place, "bin", "python"))}))
"""
_RECEIVER = """
import base64, hashlib, os, sys
path, digest = sys.argv[1:]
os.makedirs(os.path.dirname(path), exist_ok=True)
found = hashlib.sha256()
with open(path + ".part", "wb") as file:
    for line in sys.stdin.buffer:
        if not line.strip():
            break
        data = base64.b64decode(line)
        found.update(data)
        file.write(data)
    file.flush()
    os.fsync(file.fileno())
if found.hexdigest() != digest:
    sys.exit("the file has changed on its way")
os.replace(path + ".part", path)
print("kept")
"""
_ERRORS = re.compile(r"ERROR: (.*)|.*(No space left on device|Read-only file system|Permission denied).*")


class Installer:
    """Installs the worker of one device.

    Args:
        device: On a board; its link says where.
        on_progress: Called with what happens.
    """

    def __init__(self, device: Device, on_progress: Callable[[str], None] = lambda _: None) -> None:
        self._device = device
        self._settings = read_link(device, SshSettings)
        self._on_progress = on_progress

    def install(self, wheels: Path | None = None) -> None:
        """Make the environment, or bring it up to date.

        Args:
            wheels: A folder of wheels to use instead of a package index.

        Raises:
            TargetUnavailableError: The board cannot be reached, or lacks something.
            UnavailableError: A package cannot be installed.
            StorageError: There is no room on the board, or it cannot be written to.
            InputError: The folder of wheels has none.
        """
        offline = [] if wheels is None else sorted(wheels.glob("*.whl"))
        if wheels is not None and not offline:
            raise InputError(
                "there are no wheels in this folder", where=str(wheels), remedy="pip download -d FOLDER ..."
            )
        self._on_progress(f"looking at {self._settings.host}")
        facts = self._facts()
        self._require(facts, is_online=not offline)
        if wheels is not None:
            self._require_fitting(wheels, offline, facts)
        place, python = facts["place"], f"{facts['place']}/bin/python"
        if not facts["made"]:
            self._on_progress("making the environment")
            self._run([self._settings.python, "-I", "-m", "venv", place])
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            own = write_wheel(Path(folder))
            for wheel in (*offline, own):
                self._on_progress(f"sending {wheel.name}")
                self._send(wheel, f"{place}/wheels/{wheel.name}")
        pip = [
            python,
            "-I",
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ]
        source = ["--no-index", "--find-links", f"{place}/wheels"] if offline else []
        self._on_progress("installing packages")
        self._run([*pip, *source, *self.requirements()])
        self._run([*pip, "--no-deps", "--force-reinstall", "--no-index", f"{place}/wheels/{own.name}"])

    def requirements(self) -> list[str]:
        """What is installed besides edgebench: what workers import, and the device's runtime."""
        if self._settings.runtime:
            return [*_NEEDED, *self._settings.runtime]
        runtime = _RUNTIMES.get(self._device.target)
        if runtime is None:
            return list(_NEEDED)
        try:
            return [*_NEEDED, f"{runtime}=={version(runtime).partition('+')[0]}"]
        except PackageNotFoundError:
            return [*_NEEDED, runtime]

    def _facts(self) -> dict[str, Any]:
        said = list(self._said([self._settings.python, "-I", "-S", "-c", _FACTS, self._settings.environment], _QUICK_S))
        try:
            facts = json.loads(said[-1])
        except (IndexError, ValueError):
            raise TargetUnavailableError(
                f"{self._settings.python!r} on the board does not work",
                where=self._settings.host,
                remedy="name a Python interpreter, 3.11 or newer, as `python` in the device file",
            ) from None
        return dict(facts)

    def _require(self, facts: dict[str, Any], *, is_online: bool = True) -> None:
        """Raises what stands in the way, before anything is changed."""
        host, found = self._settings.host, tuple(facts["version"])
        if not _OLDEST <= found <= _NEWEST:
            raise TargetUnavailableError(
                f"the board's Python is {_dotted(found)}; edgebench needs {_dotted(_OLDEST)} to {_dotted(_NEWEST)}",
                where=host,
                remedy="install one there (uv python install 3.12, or from the system's packages) and name it as "
                "`python` in the device file",
            )
        if not facts["venv"]:
            raise TargetUnavailableError(
                "the board's Python cannot make environments",
                where=host,
                remedy=f"there: sudo apt install python{found[0]}.{found[1]}-venv",
            )
        if not facts["writable"]:
            raise StorageError(
                "the board's user cannot write here",
                where=f"{host}:{facts['above']}",
                remedy="name a folder that can be written to as `environment` in the device file",
            )
        if facts["free"] < _LEAST_BYTES and not facts["made"]:
            raise StorageError(
                f"the board's disk is full: {facts['free'] >> 20} MiB are free, {_LEAST_BYTES >> 20} are needed",
                where=f"{host}:{facts['above']}",
                remedy="free some space there, or name a folder on another disk as `environment` in the device file",
            )
        off_s = abs(facts["time"] - time.time())
        if off_s > _CLOCK_OFF_S and is_online:
            raise TargetUnavailableError(
                f"the board's clock is wrong by {off_s / 86_400:,.0f} days: secure connections fail",
                where=host,
                remedy="set it there: sudo timedatectl set-ntp true; or give wheels (--wheels FOLDER), which need none",
            )

    def _require_fitting(self, folder: Path, wheels: Sequence[Path], facts: dict[str, Any]) -> None:
        """Raises if there is only a wheel for other boards of something."""
        found, machine = tuple(facts["version"]), facts["machine"]
        fitting = {project_of(wheel) for wheel in wheels if fits(wheel, found, machine)}
        foreign = [wheel.name for wheel in wheels if project_of(wheel) not in fitting]
        if foreign:
            others = f" and {len(foreign) - 1} more are" if len(foreign) > 1 else " is"
            raise UnavailableError(
                f"{foreign[0]}{others} not for this board, which has Python {_dotted(found)} on {machine}",
                where=str(folder),
                remedy=f"pip download -d {shlex.quote(str(folder))} --only-binary=:all: "
                f"--platform manylinux_2_28_{machine} --python-version {_dotted(found)} "
                + shlex.join(self.requirements()),
            )

    def _send(self, file: Path, place: str) -> None:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        link = link_to(self._settings)
        try:
            link.start(
                [self._settings.python, "-I", "-S", "-u", "-c", _RECEIVER, place, digest],
                Limits(message_bytes=_LINE_BYTES),
            )
            with file.open("rb") as content:
                while piece := content.read(_PIECE):
                    link.send(base64.b64encode(piece))
                link.send(b"")
            link.receive(_STEP_S)
        except LinkClosedError as error:
            raise self._explained(error.ending.last_words) from None
        except LinkError as error:
            raise TargetUnavailableError(error.what, where=error.where, remedy=error.remedy) from None
        finally:
            link.close()

    def _run(self, command: Sequence[str]) -> None:
        for line in self._said(command, _STEP_S):
            if line.startswith(("Collecting ", "Downloading ", "Installing ")):
                self._on_progress(line[:100])

    def _said(self, command: Sequence[str], limit_s: float) -> Iterator[str]:
        """The lines that a program prints on the board; an exit code is an error."""
        link, last = link_to(self._settings), ""
        try:
            link.start(command, Limits(message_bytes=_LINE_BYTES))
            while True:
                last = link.receive(limit_s).decode("utf-8", "replace")
                yield last
        except LinkClosedError as error:
            if error.ending.exit_code != 0:
                raise self._explained(error.ending.last_words or last) from None
        except LinkTimeoutError:
            raise TargetUnavailableError(
                f"nothing happens for {limit_s:g} s",
                where=self._settings.host,
                remedy="check the board, and run it again",
            ) from None
        except LinkError as error:
            raise TargetUnavailableError(error.what, where=error.where, remedy=error.remedy) from None
        finally:
            link.close()

    def _explained(self, last_words: str) -> UnavailableError | StorageError:
        found = _ERRORS.match(last_words)
        place = f"{self._settings.host}:{self._settings.environment}"
        if found and found[2]:
            return StorageError(
                found[2].lower(),
                where=place,
                remedy="make room or name another folder as `environment` in the device file",
            )
        return UnavailableError(
            f"the worker could not be installed: {found[1] if found else last_words}",
            where=place,
            remedy="check the board's network, or get wheels for it (pip download --only-binary=:all: --platform ...) "
            f"and edgebench devices setup {self._device.name} --wheels FOLDER",
        )


def project_of(wheel: Path) -> str:
    """Whose wheel a file is."""
    return wheel.name.partition("-")[0].lower()


def fits(wheel: Path, version: tuple[int, ...], machine: str) -> bool:
    """Whether a board with a Python of a version and a processor takes a wheel, by its name (PEP 427)."""
    *_, pythons, abi, platforms = ["", "", "", *wheel.stem.split("-")]
    of_python = abi in {"none", "abi3"} or f"cp{version[0]}{version[1]}" in pythons.split(".")
    of_machine = any(tag == "any" or tag.endswith(f"_{machine}") for tag in platforms.split("."))
    return of_python and of_machine


def _dotted(found: tuple[int, ...]) -> str:
    return ".".join(map(str, found))
