"""Artefacts of compression: a folder each, complete as soon as its description is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgebench.core.compression import StepDone
from edgebench.errors import InputError, StorageError
from edgebench.models.artefact import Artefact, Form
from edgebench.models.network.description import network_from_plain, network_to_plain
from edgebench.models.network.weights_file import read_weights, weights_bytes
from edgebench.store.codec import from_plain, to_plain
from edgebench.store.files import read_json, write_atomically, write_json

KIND, VERSION = "artefact", 1
DESCRIPTION, WEIGHTS = "artefact.json", "weights.npz"
_KEYS = {"network", "form", "keeps_zeros", "steps"}


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


def is_complete(folder: Path) -> bool:
    """Whether a folder holds an artefact that can be read."""
    if not (folder / DESCRIPTION).is_file():
        return False
    try:
        load_artefact(folder)
    except StorageError:
        return False  # Damaged: it is made again.
    return True
