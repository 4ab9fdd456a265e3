"""What a study was started with, so that it can be gone on with by its name alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebench.core.secrets import redacted
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.flows.search.storage import lasting, open_storage

if TYPE_CHECKING:
    import optuna

CALL = "edgebench call"
"""The attribute of a study."""


def keep_call(study: optuna.Study, call: Mapping[str, Any]) -> None:
    """Write what a study was called with, unless it is there."""
    text = json.dumps(call, sort_keys=True)
    if call and lasting(lambda: study.user_attrs).get(CALL) != text:
        lasting(lambda: study.set_user_attr(CALL, text))


def known_call(name: str, storage: str, results: Path) -> dict[str, Any]:
    """What a study was called with last.

    Args:
        name: Of the study.
        storage: URL of an Optuna storage, or empty for its journal under ``results``.
        results: The results folder.

    Raises:
        InputError: There is no such study, or it does not say.
        StorageError: The storage cannot be opened.
    """
    call = lasting(lambda: load_study(name, storage, results / "studies").user_attrs).get(CALL)
    try:
        found = json.loads(call) if isinstance(call, str) else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"study {name!r} does not say what it was started with",
            remedy=f"give SPACE and its options again, with --study {name}",
        )
    return found


def load_study(name: str, storage: str, folder: Path) -> optuna.Study:
    """An existing study.

    Args:
        name: Of the study.
        storage: URL of an Optuna storage, or empty for its journal.
        folder: Where the folders of studies are.

    Raises:
        InputError: It does not exist.
        StorageError: The storage cannot be opened.
    """
    import optuna

    missing = InputError(
        f"there is no study {name!r}",
        where=redacted(storage) or str(folder),
        remedy=did_you_mean(name, study_names(folder))
        or "give its storage with --storage, or its folder with --results",
    )
    # Opening a journal that is not there would begin one.
    if not storage and name not in study_names(folder):
        raise missing
    opened = open_storage(storage, folder / name)
    try:
        return optuna.load_study(study_name=name, storage=opened)
    except KeyError:
        raise missing from None


def study_names(folder: Path) -> list[str]:
    """Studies that have a journal.

    Args:
        folder: Where the folders of studies are.
    """
    return sorted(path.parent.name for path in folder.glob("*/journal.log"))
