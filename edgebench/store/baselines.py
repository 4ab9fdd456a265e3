"""Baselines: ``results/baselines/NAME.json``, small and sorted, so that a diff shows what changed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.baseline import Baseline
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError, StorageError
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, write_atomically

KIND = "baseline"
VERSION = 1
_FREE = {"figures", "versions", "options", "machine", "fallbacks"}
_TOLD = {"fallbacks"}
"""Empty means none, and absent means unknown."""
_FIGURE = re.compile(r"\{\s+(\"value\": [^{}]*?)\s+\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class BaselineStore:
    """The baselines in one results folder.

    Args:
        results: The results folder; baselines are in its ``baselines``.
    """

    def __init__(self, results: Path) -> None:
        self._folder = results / "baselines"

    def path(self, name: str) -> Path:
        """The path of the baseline of that name.

        Raises:
            InputError: The name could leave the folder, or be no name of a file.
        """
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} is not a name for a baseline",
                remedy="use letters, digits, dots, dashes and underscores, at most 100",
            )
        return self._folder / f"{name}.json"

    def file(self, reference: str) -> Path:
        """The file that a name or a path refers to.

        Raises:
            InputError: It is not a valid name.
        """
        return Path(reference) if reference.endswith(".json") else self.path(reference)

    def exists(self, name: str) -> bool:
        """Whether there is a baseline of that name.

        Raises:
            InputError: It is not a valid name.
        """
        return self.path(name).exists()

    def save(self, baseline: Baseline) -> Path:
        """Write a baseline, replacing what was saved before.

        Raises:
            InputError: Its name is not valid.
            StorageError: It cannot be written.
        """
        path = self.path(baseline.name)
        entries = tuple(sorted(baseline.entries, key=lambda entry: (entry.model, entry.device, entry.source)))
        plain = _tidy(to_plain(replace(baseline, entries=entries)))
        held = plain.pop("entries", [])
        document: dict[str, Any] = {
            "schema": f"edgebench.{KIND}/{VERSION}",
            **plain,
            "digest": _digest(held),
            "entries": held,
        }
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        # A figure takes one line, so that a diff shows a line for each that changed.
        text = _FIGURE.sub(lambda match: "{" + " ".join(match[1].split()) + "}", text)
        write_atomically(path, (text + "\n").encode())
        return path

    def load(self, reference: str, *, trusted: bool = True) -> Baseline:
        """Read a baseline by its name, or by the path of its file.

        Args:
            reference: The name or the path.
            trusted: Whether its figures must be those that were measured.

        Raises:
            InputError: There is none of that name.
            StorageError: The file is damaged, edited by hand, or newer than this edgebench.
        """
        path = self.file(reference)
        if reference.endswith(".json"):
            return load_baseline(path, trusted=trusted)
        if not path.exists():
            names = self.names()
            near = did_you_mean(reference, names)
            raise InputError(
                f"there is no baseline {reference!r}",
                where=str(self._folder),
                remedy=near
                or (
                    f"there are {', '.join(names)}" if names else f"edgebench baseline save {reference} MODEL -d DEVICE"
                ),
            )
        return load_baseline(path, trusted=trusted)

    def names(self) -> list[str]:
        """Names of all baselines, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.json")) if self._folder.is_dir() else []


def load_baseline(path: Path, *, trusted: bool = True) -> Baseline:
    """Read a baseline from a file.

    Args:
        path: The file.
        trusted: Whether its figures must be those that were measured.

    Raises:
        StorageError: The file is missing, damaged, edited by hand, or newer than this edgebench.
    """
    document = read_json(path, kind=KIND, version=VERSION)
    digest = document.pop("digest", None)
    baseline = from_plain(Baseline, document, where=str(path))
    if trusted and digest != _digest(document.get("entries", [])):
        raise StorageError(
            "its figures were edited by hand: they do not match their digest",
            where=str(path),
            remedy=f"restore the file, or measure again: edgebench baseline update {baseline.name} --reason WHY",
        )
    return baseline


def _digest(entries: Any) -> str:
    """Over figures only: limits and reasons may be edited."""
    text = json.dumps(entries, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _tidy(plain: Any, key: str = "") -> Any:
    """Without what is empty, and with the keys of free mappings sorted; layers stay in the order of the model."""
    if isinstance(plain, dict):
        kept = {name: _tidy(value, name) for name, value in plain.items() if _says_something(name, value)}
        return dict(sorted(kept.items())) if key in _FREE else kept
    return [_tidy(item) for item in plain] if isinstance(plain, list) else plain


def _says_something(name: str, value: Any) -> bool:
    return value is not None and (name in _TOLD or value not in ("", [], {}))
