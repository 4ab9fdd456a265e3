"""Artefacts of compression: a folder each, complete as soon as its description is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebench.core.compression import StepDone
from edgebench.errors import InputError, StorageError
from edgebench.models.artefact import Artefact, Form
from edgebench.models.file_artefact import FileArtefact
from edgebench.models.network.description import network_from_plain, network_to_plain
from edgebench.models.network.weights_file import read_weights, weights_bytes
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, write_atomically, write_json

KIND, VERSION = "artefact", 1
DESCRIPTION, WEIGHTS = "artefact.json", "weights.npz"
_KEYS = {"network", "form", "keeps_zeros", "steps"}
_FILE_KIND, _FILE_DESCRIPTION, _MODEL = "file-artefact", "file-artefact.json", "model"
_FILE_KEYS = {"suffixes", "refusals", "unread", "parameters", "macs", "form", "steps"}
_SUFFIXES = {".onnx", ".tflite"}


def save_artefact(artefact: Artefact, folder: Path) -> None:
    """Write an artefact; until the last file is in place the folder holds none.

    Raises:
        StorageError: It cannot be written.
    """
    write_atomically(folder / WEIGHTS, weights_bytes(artefact.weights))
    document: dict[str, Any] = {
        "schema": f"edgebench.{KIND}/{VERSION}",
        "network": network_to_plain(artefact.network),
        "form": to_plain(artefact.form),
        "keeps_zeros": artefact.keeps_zeros,
        "steps": [to_plain(step) for step in artefact.steps],
    }
    write_json(folder / DESCRIPTION, document)


def load_artefact(folder: Path) -> Artefact:
    """Read an artefact.

    Raises:
        StorageError: It is missing or damaged.
    """
    path = folder / DESCRIPTION
    document = read_json(path, kind=KIND, version=VERSION)
    if set(document) != _KEYS:
        raise StorageError("keys are missing or unknown", where=str(path), remedy="remove the folder and run again")
    try:
        network = network_from_plain(document["network"], where=str(path))
        weights = read_weights(folder / WEIGHTS, network)
    except InputError as error:
        raise StorageError(error.what, where=error.where, remedy="remove the folder and run again") from None
    return Artefact(
        network=network,
        weights=weights,
        form=from_plain(Form, document["form"], where=str(path)),
        keeps_zeros=bool(document["keeps_zeros"]),
        steps=tuple(from_plain(StepDone, step, where=str(path)) for step in document["steps"]),
    )


def save_file_artefact(artefact: FileArtefact, folder: Path) -> None:
    """Write a model that is kept as files; until the last one is in place the folder holds none.

    Raises:
        StorageError: It cannot be written.
    """
    for suffix, content in artefact.files.items():
        write_atomically(folder / f"{_MODEL}{suffix}", content)
    document: dict[str, Any] = {
        "schema": f"edgebench.{_FILE_KIND}/{VERSION}",
        "suffixes": sorted(artefact.files),
        "refusals": dict(artefact.refusals),
        "unread": artefact.unread,
        "parameters": artefact.parameters,
        "macs": artefact.macs,
        "form": to_plain(artefact.form),
        "steps": [to_plain(step) for step in artefact.steps],
    }
    write_json(folder / _FILE_DESCRIPTION, document)


def load_file_artefact(folder: Path) -> FileArtefact:
    """Read a model that is kept as files.

    Raises:
        StorageError: It is missing or damaged.
    """
    path = folder / _FILE_DESCRIPTION
    document = read_json(path, kind=_FILE_KIND, version=VERSION)
    if set(document) != _FILE_KEYS or not set(document["suffixes"]) <= _SUFFIXES:
        raise StorageError("keys are missing or unknown", where=str(path), remedy="remove the folder and run again")
    try:
        files = {suffix: (folder / f"{_MODEL}{suffix}").read_bytes() for suffix in document["suffixes"]}
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror or error}", where=str(folder), remedy="remove the folder and run again"
        ) from None
    return FileArtefact(
        files=files,
        refusals=dict(document["refusals"]),
        unread=str(document["unread"]),
        parameters=int(document["parameters"]),
        macs=int(document["macs"]),
        form=from_plain(Form, document["form"], where=str(path)),
        steps=tuple(from_plain(StepDone, step, where=str(path)) for step in document["steps"]),
    )


def load_either(folder: Path) -> Artefact | FileArtefact:
    """Read what is in a folder.

    Raises:
        StorageError: It is missing or damaged.
    """
    return load_file_artefact(folder) if (folder / _FILE_DESCRIPTION).is_file() else load_artefact(folder)


def is_complete(folder: Path) -> bool:
    """Whether a folder holds an artefact that can be read."""
    if not any((folder / name).is_file() for name in (DESCRIPTION, _FILE_DESCRIPTION)):
        return False
    try:
        load_either(folder)
    except StorageError:
        return False  # Damaged: it is made again.
    return True
