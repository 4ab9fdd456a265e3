"""TOML files that users write: found by name, read with limits, with errors located by line."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.store.files import require_file
from edgebench.store.locations import packaged_folder, search_path

MAX_FILE_BYTES = 1 << 20
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def toml_files(folder: str) -> dict[str, Path]:
    """Files of a kind by name; those in the working folder override those included in edgebench."""
    found: dict[str, Path] = {}
    for place in reversed(search_path(folder)):
        found.update({path.stem: path for path in place.glob("*.toml")})
    return found


def names_as_counted(names: Mapping[str, Path]) -> list[str]:
    """Sorted as people count: ``u55-32`` before ``u55-128``."""
    return sorted(
        names,
        key=lambda name: [
            (part.isdigit(), int(part or 0) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)
        ],
    )


def find_toml(reference: str, folder: str, what: str, command: str) -> Path:
    """The file of a name, or the file itself if a path is given.

    Args:
        reference: A name or a path.
        folder: Where names are looked up.
        what: ``device`` or ``space``, for messages.
        command: The command that lists them all.

    Raises:
        InputError: Nothing has that name.
    """
    if reference.endswith(".toml") or "/" in reference:
        return Path(reference)
    files = toml_files(folder)
    if reference not in files:
        raise InputError(
            f"there is no {what} {reference!r}",
            remedy=did_you_mean(reference, files) or f"`{command}` lists them all",
        )
    return files[reference]


def stands_in(path: Path, folder: str) -> str | None:
    """That a file is used instead of one of the same name that comes with edgebench, as a note; else None."""
    packaged = packaged_folder(folder) / path.name
    if not packaged.is_file() or packaged.resolve() == path.resolve():
        return None
    return f"{path} stands in for the file of that name that comes with edgebench"


def new_toml(name: str, folder: Path, what: str) -> Path:
    """Where a new file of a kind goes.

    Args:
        name: Of what is in it.
        folder: Where it goes.
        what: ``device`` or ``space``, for messages.

    Raises:
        InputError: The name is not usable, or taken.
    """
    _check_name(name, what)
    path = folder / f"{name}.toml"
    if path.exists():
        raise InputError(f"this {what} file exists already", where=str(path), remedy="choose another name")
    return path


def _check_name(name: str, what: str, where: str | None = None) -> None:
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a valid {what} name", where=where, remedy="use lower-case letters, digits, - and ."
        )


def read_toml(path: Path, what: str) -> tuple[str, dict[str, Any]]:
    """Text and parsed content of a file.

    Raises:
        InputError: It is missing, too large, or not valid TOML, its name is not usable, or a number is not finite; the
            line is named.
    """
    text = _read_text(path, what)
    _check_name(path.stem, what, where=str(path))
    try:
        content = tomllib.loads(text)
        _require_finite(content, path, text, [])
    except tomllib.TOMLDecodeError as error:
        problem = str(error).replace("end of document", f"end of document, line {len(text.splitlines())}")
        raise InputError(f"not valid TOML: {problem}", where=str(path)) from None
    except RecursionError:
        raise InputError("tables are nested too deeply", where=str(path)) from None
    return text, content


def _require_finite(value: Any, path: Path, text: str, keys: list[str]) -> None:
    """TOML has ``nan`` and ``inf``; every comparison with the one is false, and nothing is over the other."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(
            f"{value} is not a number that can be used",
            where=place_in(path, text, keys),
            remedy="write a finite number, or remove the key",
        )
    if isinstance(value, dict):
        for key, held in value.items():
            _require_finite(held, path, text, [*keys, key])
    elif isinstance(value, list):
        for held in value:
            _require_finite(held, path, text, keys)


def _read_text(path: Path, what: str) -> str:
    require_file(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"too large for a {what} file", where=str(path))
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("not a text file", where=str(path)) from None


def place_in(path: Path, text: str, keys: list[str]) -> str:
    """File, line and key of a dotted key in a TOML text, as far as it can be found."""
    line = _line_of(text, keys)
    key = ".".join(keys)
    return f"{path}, line {line}, {key}" if line else f"{path}{', ' + key if key else ''}"


def _line_of(text: str, keys: list[str]) -> int | None:
    section: list[str] = []
    best = None
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.fullmatch(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?", line)
        if header:
            section = [part.strip().strip("\"'") for part in header[1].split(".")]
            if section == keys[: len(section)]:
                best = number
            continue
        assignment = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if assignment:
            path = section + [part.strip("\"'") for part in assignment[1].split(".")]
            if path == keys[: len(path)]:
                return number
    return best
