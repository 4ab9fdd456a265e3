"""Separate Python environments in the cache folder, for packages that cannot share edgebench's own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edgebench.errors import InputError, StorageError, UnavailableError
from edgebench.machine.folders import cache_folder
from edgebench.machine.lock import one_process_at_a_time

_LOCKS = Path(__file__).parent / "locks"
_MARK = "edgebench-environment.json"
_LOG = "install.log"
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_STEP_S = 3600.0
_TRY_S = 300.0
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*==\S+")
_STARTED = re.compile(r"(?:Collecting|Requirement already satisfied:|Processing) (\S+)")
_OUTSIDE = re.compile(
    r"could not find a version|no matching distribution|connect|time(d )?out|http|no space|resol|network|hash",
    re.IGNORECASE,
)
"""Messages of pip when packages are not available, which a fresh start would not change."""
_MAKE_ROOM = "make room there, or set XDG_CACHE_HOME to another folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an environment is for, and what is in it.

    Attributes:
        name: Of the environment, and of its file of pinned versions.
        purpose: One sentence.
        module: What can be imported when it is complete.
        size_bytes: Disk space that it takes.
        first: Packages installed separately before the others, preferably in a build for CPUs.
    """

    name: str
    purpose: str
    module: str
    size_bytes: int
    first: tuple[str, ...] = ()

    @property
    def lock(self) -> Path:
        """The file of pinned versions."""
        return _LOCKS / f"{self.name}.txt"

    @property
    def folder(self) -> Path:
        """Where the environment is, or would be."""
        return cache_folder("environments") / self.name

    def requirements(self) -> list[str]:
        """Pinned packages, ``name==version``."""
        return _REQUIREMENT.findall(_without_comments(self.lock.read_text(encoding="utf-8")))


RECIPES: Mapping[str, Recipe] = {
    "litert-torch": Recipe(
        name="litert-torch",
        purpose="Google's converter of PyTorch models to TFLite, for --converter litert-torch",
        module="litert_torch",
        size_bytes=2_140 << 20,
        first=("torch",),
    ),
}
"""Environments that edgebench knows how to make, by name."""


class State(StrEnum):
    """The state of an environment."""

    MISSING = "missing"
    INCOMPLETE = "incomplete"
    OUTDATED = "outdated"
    READY = "ready"


def find_recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        InputError: There is none.
    """
    if name not in RECIPES:
        raise InputError(f"there is no environment {name!r}", remedy=f"one of {', '.join(RECIPES)}")
    return RECIPES[name]


def state(recipe: Recipe) -> State:
    """The state of an environment; whether it still works is not tested."""
    if not recipe.folder.is_dir():
        return State.MISSING
    try:
        mark = json.loads((recipe.folder / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return State.INCOMPLETE
    if not interpreter_path(recipe).exists():
        return State.INCOMPLETE
    return State.READY if mark == _identity(recipe) else State.OUTDATED


def interpreter_path(recipe: Recipe) -> Path:
    """The interpreter of an environment, whether it exists or not."""
    return recipe.folder / "bin" / "python"


def require_interpreter(name: str) -> Path:
    """The interpreter of a complete environment.

    Raises:
        UnavailableError: It has not been made, or not completely.
    """
    recipe = find_recipe(name)
    found = state(recipe)
    if found is not State.READY:
        raise UnavailableError(
            f"the environment {name} is {found}",
            remedy=f"make it with: edgebench setup {name} ({shown_size(recipe.size_bytes)} of disk space)",
        )
    return interpreter_path(recipe)


def size_bytes(recipe: Recipe) -> int:
    """The disk space that an environment takes now."""
    total = 0
    for folder, _, files in os.walk(recipe.folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - 40,000 files
    return total


def shown_size(size: int) -> str:
    """A size in words: ``2.1 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def make(recipe: Recipe, on_progress: Callable[[str], None] = lambda _: None) -> None:
    """Make an environment, resume an incomplete one, or repair one that does not work.

    Args:
        recipe: What is in it.
        on_progress: Called with what happens.

    Raises:
        StorageError: There is no room for it, or it cannot be written.
        UnavailableError: A package is not available here.
    """
    try:
        with one_process_at_a_time(recipe.folder.with_suffix(".lock"), wait=False):
            _make(recipe, on_progress)
    except BlockingIOError:
        raise UnavailableError(
            f"another process is making the environment {recipe.name}", remedy="wait until it is done"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror or error}", where=str(recipe.folder), remedy=_MAKE_ROOM
        ) from None


def remove(recipe: Recipe) -> int:
    """Delete an environment in any state; returns how many bytes were freed.

    Raises:
        InputError: There is none.
        StorageError: It cannot be deleted.
        UnavailableError: It is being made.
    """
    if not recipe.folder.is_dir():
        raise InputError(f"the environment {recipe.name} does not exist", where=str(recipe.folder))
    freed = size_bytes(recipe)
    try:
        with one_process_at_a_time(recipe.folder.with_suffix(".lock"), wait=False):
            # What is partly deleted must not look complete.
            (recipe.folder / _MARK).unlink(missing_ok=True)
            shutil.rmtree(recipe.folder)
    except BlockingIOError:
        raise UnavailableError(f"the environment {recipe.name} is being made", remedy="wait until it is done") from None
    except OSError as error:
        raise StorageError(f"cannot be deleted: {error.strerror or error}", where=str(recipe.folder)) from None
    return freed


def _make(recipe: Recipe, on_progress: Callable[[str], None]) -> None:
    if state(recipe) is State.READY and _works(recipe):
        return
    recipe.folder.mkdir(parents=True, exist_ok=True)
    (recipe.folder / _MARK).unlink(missing_ok=True)
    _require_room(recipe)
    for again in (False, True):
        _create(recipe, on_progress, clear=again)
        try:
            _install(recipe, on_progress)
        except UnavailableError as error:
            # A process that was killed may have left packages half-written: only a fresh start helps then.
            if again or _OUTSIDE.search(error.what):
                raise
            continue
        on_progress(f"trying {recipe.module}")
        if _works(recipe):
            _finish(recipe)
            return
    raise UnavailableError(
        f"{recipe.module} cannot be imported in the environment {recipe.name}",
        where=str(recipe.folder),
        remedy=f"see {recipe.folder / _LOG}; edgebench setup remove {recipe.name} deletes it",
    )


def _require_room(recipe: Recipe) -> None:
    missing = recipe.size_bytes - size_bytes(recipe)
    free = shutil.disk_usage(recipe.folder).free
    if missing > free:
        raise StorageError(
            f"the environment needs {shown_size(missing)}, but only {shown_size(free)} are free",
            where=str(recipe.folder),
            remedy=_MAKE_ROOM,
        )


def _create(recipe: Recipe, on_progress: Callable[[str], None], *, clear: bool) -> None:
    usable = not clear and interpreter_path(recipe).exists() and _runs(recipe, "import pip, sys")
    if not usable:
        on_progress("making the environment")
        command = [sys.executable, "-I", "-m", "venv", "--clear", str(recipe.folder)]
        _run(recipe, command, lambda _: None)


def _install(recipe: Recipe, on_progress: Callable[[str], None]) -> None:
    requirements = recipe.requirements()
    first = [text for text in requirements if text.partition("==")[0] in recipe.first]
    # All is pinned, so there is nothing to resolve; further dependencies, such as CUDA, are left out.
    pip = [str(interpreter_path(recipe)), "-I", "-m", "pip", "install", "--no-deps", "--no-input"]
    pip += ["--disable-pip-version-check", "--progress-bar", "off"]
    done = 0

    def told(line: str) -> None:
        nonlocal done
        begun = _STARTED.match(line)
        if begun:
            done += 1
            on_progress(f"{min(done, len(requirements))} of {len(requirements)} packages: {begun[1]}")

    if first:
        index = ["--extra-index-url", _CPU_INDEX, "--retries", "1", "--timeout", "20"]
        _run(recipe, [*pip, *index, *first], told)
    others = [text for text in requirements if text not in first]
    if others:
        _run(recipe, [*pip, *others], told)


def _finish(recipe: Recipe) -> None:
    mark = recipe.folder / _MARK
    mark.with_suffix(".new").write_text(json.dumps(_identity(recipe)), encoding="utf-8")
    mark.with_suffix(".new").replace(mark)


def _identity(recipe: Recipe) -> dict[str, str]:
    """What an up-to-date environment was made from."""
    pinned = "\n".join(sorted(recipe.requirements()))
    return {"packages": hashlib.sha256(pinned.encode()).hexdigest(), "python": sys.version.split()[0]}


def _works(recipe: Recipe) -> bool:
    return _runs(recipe, f"import {recipe.module}")


def _runs(recipe: Recipe, code: str) -> bool:
    command = [str(interpreter_path(recipe)), "-I", "-c", code]
    try:
        return subprocess.run(command, capture_output=True, timeout=_TRY_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _run(recipe: Recipe, command: Sequence[str], told: Callable[[str], None]) -> None:
    """Run a program whose output lines are reported and kept in a log."""
    lines: list[str] = []
    with subprocess.Popen(
        list(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        try:
            for line in _lines(process):
                lines.append(line)
                told(line)
            code = process.wait(_STEP_S)
        except BaseException:
            process.kill()
            raise
    with suppress(OSError), (recipe.folder / _LOG).open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)
    if code:
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "")
        raise UnavailableError(
            f"the environment {recipe.name} could not be made: {reason.removeprefix('ERROR: ')[:300]}",
            where=str(recipe.folder),
            remedy=f"check the network and run edgebench setup {recipe.name} again: it resumes where it stopped",
        )


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    for line in process.stdout or ():
        yield line.rstrip()


def _without_comments(text: str) -> str:
    return "\n".join(line.partition("#")[0] for line in text.splitlines())
