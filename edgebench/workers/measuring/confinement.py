"""What a process that loads untrusted models may use: the model, the runtime, a scratch folder, and no network.

A model file is data, but some kinds are programs: TorchScript reads and writes any file when it runs, and a damaged
file may take over a runtime that reads it. Reading stays open for what belongs to the system and to Python, so that
runtimes and compilers work; home folders, temporary files of others and the network are closed, and nothing can be
written but scratch files and edgebench's own cache.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgebench.core.device import Device
from edgebench.errors import UnavailableError
from edgebench.machine.folders import cache_folder
from edgebench.machine.landlock import confine
from edgebench.models.source import parse_source
from edgebench.store.trust import trusts_all
from edgebench.targets.registry import BUILTIN

_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys", "/opt", "/nix", "/snap",
    "/var/lib", "/system", "/vendor", "/apex",
)  # fmt: skip
_BESIDE = {".onnx", ".data", ".bin", ".weights", ".pb", ".tflite", ".pt2", ".pt", ".npz", ".npy", ".json"}
"""What may belong to a model file that lies in a home folder itself."""

_NOT_DEVICES = (
    "console", "fb", "hidraw", "hvc", "input", "kmem", "kmsg", "mem", "port", "ptmx", "pts", "snd", "tty", "uinput",
    "usbmon", "vcs", "vhost", "video",
)  # fmt: skip
"""Beginnings of names in ``/dev`` that no model needs: terminals, keyboards, screens, cameras, the kernel's memory."""


def confine_to(
    models: Iterable[str], files: Iterable[str | None], device: Device | None, folders: Iterable[str]
) -> str | None:
    """Give up everything else.

    Args:
        models: As the user typed them, or paths.
        files: Inputs and calibration data, if there are any.
        device: What the model runs on; its options may name libraries and compilers.
        folders: Where results are written.

    Returns:
        None if it is in force, else why not.
    """
    sources = list(models)
    if trusts_all():
        return "the models are trusted"
    if any(parse_source(source).function is not None for source in sources):
        return "the user's own code makes the model"
    if device is not None and device.target not in BUILTIN:
        return f"target {device.target!r} is a plug-in"
    named = [Path(item) for item in (*sources, *files) if item and not item.startswith("zoo:")]
    readable = [
        *map(Path, _SYSTEM),
        *_of_python(),
        *_of_programs(device),
        *(place for path in named for place in _of_model(path)),
        *_of_options(device),
        *_of_board(device),
    ]
    writable = [
        Path(tempfile.gettempdir()),
        cache_folder(""),
        # The compiler zig keeps its own libraries beside.
        cache_folder("").parent / "zig",
        # A board is reached, and written to, through what it is plugged in as, which may be a terminal or a keyboard.
        *([Path("/dev")] if device is not None and device.link else _devices()),
        *map(Path, folders),
    ]
    if device is not None and device.target == "mcu":
        # Compiled kernels are kept there, and a folder that does not exist yet cannot be allowed.
        with contextlib.suppress(OSError):
            for place in (cache_folder(""), cache_folder("").parent / "zig"):
                place.mkdir(parents=True, exist_ok=True)
    return confine(readable, writable)


def require_confinement(reason: str | None, *, is_program: bool) -> None:
    """Check that a model that is a program runs confined, or is trusted.

    Args:
        reason: Why it is not confined, or None.
        is_program: Whether it can do anything when it runs.

    Raises:
        UnavailableError: It is not.
    """
    if reason is not None and is_program and not trusts_all():
        raise UnavailableError(
            f"TorchScript programs can read and write files when they run, and nothing confines them here: {reason}",
            remedy="if you trust the file, add --trust; or export it with torch.export or torch.onnx.export",
        )


def _devices(place: Path = Path("/dev")) -> Iterator[Path]:
    """Accelerators, shared memory and sources of numbers; no disk, and no terminal, which is the user's."""
    with contextlib.suppress(OSError):
        for item in place.iterdir():
            if not item.name.startswith(_NOT_DEVICES) and not item.is_block_device():
                yield item


def _of_python() -> Iterator[Path]:
    yield from map(
        Path, {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(sys.executable).resolve().parent.parent)}
    )
    yield from (Path(place) for place in sys.path if place)
    yield Path(__file__).parent.parent.parent


def _of_programs(device: Device | None) -> Iterator[Path]:
    home = Path.home()
    for place in os.environ.get("PATH", "").split(os.pathsep):
        if place and Path(place).is_absolute() and Path(place) != home:
            yield Path(place)
    compiler = None if device is None else device.options.get("compiler")
    found = shutil.which(compiler) if isinstance(compiler, str) else None
    if found is not None:
        yield Path(found).resolve().parent.parent


def _of_model(path: Path) -> Iterator[Path]:
    """A file, and what may lie beside it: large models keep their weights in further files."""
    try:
        folder = path.resolve().parent
        if folder not in {Path.home(), Path("/"), Path(tempfile.gettempdir())}:
            yield folder
            return
        yield from (item for item in folder.iterdir() if item.suffix in _BESIDE and item.is_file())
    except OSError:
        pass
    yield path


def _of_board(device: Device | None) -> Iterator[Path]:
    """The folder of a board's code, which is beside the device's file."""
    board = None if device is None else device.reached.get("board")
    if device is not None and isinstance(board, str) and (folder := Path(device.origin).parent / board).is_dir():
        yield folder.resolve()


def _of_options(device: Device | None) -> Iterator[Path]:
    """Files that a device names, such as the library of a delegate, with what lies beside them."""
    values = [] if device is None else list(device.options.values())
    for value in values:
        for text in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(text, str) and "/" in text and Path(text).exists():
                path = Path(text).resolve()
                yield path if path.is_dir() else path.parent
