"""What a file may run: the programs, libraries and functions that it names, once the user has allowed them.

A device file may name a compiler, a search space a function. Files of a repository that was checked out are not the
user's word: they are read, but what they name is run only if the user has allowed it with ``edgebench trust FILE``.
Kept is a digest of what is named, so that a file may change its description, but not its programs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgebench.core.named_function import FUNCTION
from edgebench.errors import InputError, StorageError
from edgebench.machine.folders import config_folder
from edgebench.machine.kept import require_own
from edgebench.store.files import read_json, write_json
from edgebench.store.locations import packaged_folder
from edgebench.store.toml_files import read_toml

TRUST = "EDGEBENCH_TRUST"
"""Environment variable that lets files and models run what they name, for this command."""
_KIND = "trusted"
_VERSION = 1
_PROGRAMS = {
    "binary", "cmsis_nn", "compiler", "environment", "flash", "function", "host", "library", "meter_command", "python",
    "runtime", "ssh_config",
}  # fmt: skip
"""Keys whose values are run, loaded, compiled or logged into."""
_LIBRARY = re.compile(r"/|\\|\.(so|dll|dylib|exe|py)\b")
_KNOWN_COMPILER = re.compile(r"zig|([a-z0-9_]+-)*(gcc|clang)(-\d+)?")
"""Looked up among the user's own programs."""
_INSTALLED = "package:"
_BUILT_IN = "zoo:"


def trusts_all() -> bool:
    """Whether the user has said that whatever is named may be run."""
    return bool(os.environ.get(TRUST))


def named_programs(content: Mapping[str, Any]) -> dict[str, str]:
    """What a file names to be run, by its keys.

    Args:
        content: The parsed file: a device or a search space.
    """
    return {key: value for key, value in _strings(content) if _is_program(key.split("."), value)}


def require_trust(path: Path, what: str) -> None:
    """Refuse a file that names what would be run and that nobody has allowed.

    Files that come with edgebench, and those in the user's configuration folder, need no allowance.

    Args:
        path: The file.
        what: ``device`` or ``space``, for messages.

    Raises:
        InputError: It was not allowed, or cannot be read.
        StorageError: What was allowed cannot be read.
    """
    named = _untrusted(path, what)
    if not named:
        return
    shown = ", ".join(f"{key} = {value!r}" for key, value in named.items())
    raise InputError(
        f"this {what} file names what would be run, and you have not allowed it: {shown}",
        where=str(path),
        remedy=f"read it, then: edgebench trust {shlex.quote(str(path))} (or --trust, for one command)",
    )


def require_typed(name: str, where: str, command: str) -> None:
    """Refuse a function that is named by a file, such as a baseline, and was not typed by the user.

    Args:
        name: What is named; anything but ``module:function`` passes, and so do built-in networks.
        where: The file that names it, for the message.
        command: What to type instead.

    Raises:
        InputError: It is a function.
    """
    if FUNCTION.fullmatch(name) and not name.startswith(_BUILT_IN) and not trusts_all():
        raise InputError(
            f"it names code to run: {name}",
            where=where,
            remedy=f"if you know that code, type it: {command} (or --trust, for one command)",
        )


def is_trusted(path: Path, what: str) -> bool:
    """Whether what a file names may be run, or it names nothing.

    Raises:
        InputError: It cannot be read.
        StorageError: What was allowed cannot be read.
    """
    return not _untrusted(path, what)


def _untrusted(path: Path, what: str) -> dict[str, str]:
    """What a file names and may not run."""
    if trusts_all() or _is_ours(path):
        return {}
    named = named_programs(read_toml(path, what)[1])
    return {} if not named or _digest(path, named) in _allowed() else named


def allow(path: Path, what: str) -> dict[str, str]:
    """Allow what a file names, from now on; returns it, by its keys.

    Raises:
        InputError: The file cannot be read.
        StorageError: That cannot be kept.
    """
    named = named_programs(read_toml(path, what)[1])
    if named:
        place = _place()
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        allowed = {**_allowed(), _digest(path, named): str(path.resolve())}
        write_json(place, {"schema": f"edgebench.{_KIND}/{_VERSION}", "allowed": allowed})
        place.chmod(0o600)
    return named


def _strings(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        if isinstance(value, str):
            yield f"{above}{key}", value
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield f"{above}{key}", " ".join(value)
        elif isinstance(value, Mapping):
            yield from _strings(value, f"{above}{key}.")


def _is_program(keys: list[str], value: str) -> bool:
    if not value or value.startswith(_INSTALLED):
        return False
    if keys[-1] == "compiler":
        return not _KNOWN_COMPILER.fullmatch(value)
    if keys[-1] in _PROGRAMS and len(keys) <= 2:
        # How much flash a board has.
        return keys != ["memory", "flash"]
    # What is passed to a delegate or a provider may be a library, too.
    return keys[0] == "options" and len(keys) > 2 and bool(_LIBRARY.search(value))


def _is_ours(path: Path) -> bool:
    places = (packaged_folder("devices"), packaged_folder("search_spaces"), config_folder(""))
    return any(path.resolve().is_relative_to(place.resolve()) for place in places)


def _digest(path: Path, named: Mapping[str, str]) -> str:
    """Of a file's place, what it names, and the content of what lies beside it: libraries, words of commands."""
    digest = hashlib.sha256(json.dumps([str(path.resolve()), sorted(named.items())]).encode())
    for value in sorted(named.values()):
        words = [path.parent / word for word in value.split() if not Path(word).is_absolute()]
        places = [*([] if Path(value).is_absolute() else [Path(value)]), *words]
        for place in filter(Path.is_file, dict.fromkeys(places)):
            digest.update(hashlib.sha256(place.read_bytes()).digest())
    return digest.hexdigest()


def _place() -> Path:
    return config_folder("trusted.json")


def _allowed() -> dict[str, str]:
    if not _place().exists():
        return {}
    require_own(_place())
    allowed = read_json(_place(), kind=_KIND, version=_VERSION).get("allowed")
    if not isinstance(allowed, dict):
        raise StorageError("what is allowed is not a table", where=str(_place()), remedy="delete the file")
    return allowed
