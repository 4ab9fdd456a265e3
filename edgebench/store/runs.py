"""Runs: one JSON file each under ``results/runs``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from edgebench.core.run import Run, RunSummary
from edgebench.errors import EdgebenchError, InputError, StorageError
from edgebench.machine.lock import alone
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import Migration, read_json, write_json
from edgebench.store.renames import present_options
from edgebench.store.run_index import Entry, fingerprint, load_index, save_index
from edgebench.store.run_names import in_order, next_name

KIND = "run"
VERSION = 6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class RunStore:
    """The runs in one results folder.

    Args:
        results: The results folder; runs are in its ``runs``.
    """

    def __init__(self, results: Path) -> None:
        self._folder = results / "runs"

    def new_name(self) -> str:
        """A name no other run has, after those of all others: its time and four more digits.

        Raises:
            StorageError: The folder cannot be written.
        """
        return next_name(self._folder)

    def path(self, name: str) -> Path:
        """The path of the run of that name."""
        return self._folder / f"{name}.json"

    def save(self, run: Run) -> Path:
        """Write a run, replacing what was saved of it before.

        Raises:
            StorageError: It cannot be written.
        """
        path = self.path(run.name)
        write_json(path, {"schema": f"edgebench.{KIND}/{VERSION}", **to_plain(run)})
        return path

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Keep other processes from writing the same run.

        Raises:
            StorageError: Another process writes it, or the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(alone(self._folder / f".{name}.lock"))
            except BlockingIOError:
                raise StorageError(
                    "another process is measuring for this run", where=name, remedy="wait until it has finished"
                ) from None
            except OSError as error:
                raise StorageError(
                    f"cannot be written: {error.strerror}", where=str(self._folder), remedy="choose another --results"
                ) from None
            yield

    def load(self, reference: str) -> Run:
        """Read a run by its path, its name, the beginning of its name, or its label.

        Of several runs with one label the newest is meant.

        Raises:
            InputError: No run, or more than one, matches that reference.
            StorageError: The file is damaged or newer than this edgebench.
        """
        return load_run(self.find(reference))

    def latest(self) -> Run:
        """The newest run with results; runs in which nothing was measured are skipped.

        Raises:
            InputError: There is none.
        """
        names = self.names()
        for name in reversed(names):
            run = load_run(self.path(name))
            if run.has_figures:
                return run
        raise InputError(
            "nothing was measured in any of the runs" if names else "there are no runs yet",
            where=str(self._folder),
            remedy=f"edgebench report {names[-1]} says why" if names else "edgebench profile zoo:ds-cnn -d host",
        )

    def names(self) -> list[str]:
        """Names of all runs, oldest first."""
        return in_order(path.stem for path in self._folder.glob("*.json")) if self._folder.is_dir() else []

    def readable(self) -> list[Run]:
        """All runs that can be read, oldest first; one that is damaged does not hide the others."""
        return self.all()[0]

    def all(self) -> tuple[list[Run], dict[str, EdgebenchError]]:
        """All runs, oldest first, and by name why others cannot be read."""
        found, damaged = [], {}
        for name in self.names():
            try:
                found.append(load_run(self.path(name)))
            except EdgebenchError as error:
                damaged[name] = error
        return found, damaged

    def summaries(self) -> tuple[list[RunSummary], dict[str, EdgebenchError]]:
        """What a list says of all runs, oldest first, and by name why others cannot be read.

        Runs that have not changed since the last list are not read again, and one is in memory at a time.
        """
        known, entries, damaged = load_index(self._folder), dict[str, Entry](), dict[str, EdgebenchError]()
        for name in self.names():
            path = self.path(name)
            try:
                mark = fingerprint(path)
                entry = known.get(name)
                # Taken before it is read: if it changes meanwhile, it is read again the next time.
                same = entry is not None and entry[0] == mark
                entries[name] = entry if entry is not None and same else (mark, load_run(path).summary)
            except FileNotFoundError:
                continue
            except EdgebenchError as error:
                damaged[name] = error
        if entries != known:
            save_index(self._folder, entries)
        return [summary for _, summary in entries.values()], damaged

    def find(self, reference: str) -> Path:
        """The file that ``load`` reads for a reference.

        Raises:
            InputError: No run, or more than one, matches that reference.
            StorageError: A file is damaged whose label was looked for.
        """
        path = Path(reference)
        if path.suffix == ".json" or path.is_file():
            return path
        matches = [name for name in self.names() if name.startswith(reference)]
        if len(matches) == 1 and _NAME.fullmatch(reference):
            return self.path(matches[0])
        if not matches and reference:
            for name in reversed(self.names()):
                if load_run(self.path(name)).label == reference:
                    return self.path(name)
        what = f"{len(matches)} runs begin with {reference!r}" if matches else f"there is no run {reference!r}"
        newest = ", ".join(self.names()[-3:])
        raise InputError(
            what,
            where=str(self._folder),
            remedy=f"the newest are {newest}" if newest else "profile a model first",
        )


def load_run(path: Path) -> Run:
    """Read a run from a file.

    Raises:
        StorageError: The file is missing, damaged or newer than this edgebench.
    """
    return from_plain(Run, read_json(path, kind=KIND, version=VERSION, migrations=_MIGRATIONS), where=str(path))


def _to_version_3(document: dict[str, Any]) -> dict[str, Any]:
    """Searches had notes that nothing ever wrote; options of targets get their current names."""
    found = document.get("search")
    if isinstance(found, dict):
        document = {**document, "search": {key: value for key, value in found.items() if key != "notes"}}
    profiles = document.get("profiles")
    if isinstance(profiles, list):
        document = {**document, "profiles": [_with_present_options(profile) for profile in profiles]}
    return document


def _with_present_options(profile: Any) -> Any:
    device = profile.get("device") if isinstance(profile, dict) else None
    if not isinstance(device, dict) or not isinstance(device.get("options"), dict):
        return profile  # Not valid: the key is named where the document is checked.
    options = present_options(str(device.get("target")), device["options"])
    return {**profile, "device": {**device, "options": options}}


# Version 2 added the outcome of a search, which older runs do not have. Since version 3 a model that could not be read
# has no format; older runs say ONNX of it, and nobody can tell which of them is true. Version 4 added the label, the
# revision and the networks that a search tried, none of which older runs can tell. Version 5 added compressions,
# version 6 what a run is gone on with; older ones cannot be gone on with.
_MIGRATIONS: Mapping[int, Migration] = {
    1: lambda document: document,
    2: _to_version_3,
    3: lambda document: document,
    4: lambda document: document,
    5: lambda document: document,
}
