"""What a study's storage holds, judged before anything is computed from it: it is a file, which anybody may edit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgebench.core.figure import ACCURACY
from edgebench.errors import InputError, StorageError
from edgebench.flows.search import trial as keys
from edgebench.spaces.features import Value
from edgebench.spaces.space import SearchSpace

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_ANOTHER = "begin another study with --study NAME, or restore its storage from a copy"


def damaged(study: str, what: str) -> StorageError:
    """That a study is not what edgebench wrote.

    Args:
        study: Its name.
        what: What is wrong with it.
    """
    return StorageError(
        f"it is not what edgebench wrote: {what}; it was edited or damaged", where=f"study {study}", remedy=_ANOTHER
    )


def require_trials_of(study: str, trials: Sequence[FrozenTrial], space: SearchSpace, objectives: Sequence[str]) -> None:
    """Check that every trial is one of a search in this space for these objectives.

    Args:
        study: Name of the study, for messages.
        trials: As Optuna read them.
        space: What is searched.
        objectives: ``accuracy`` and columns.

    Raises:
        StorageError: One is not.
    """
    choices, known = space.choices(), set[str]()
    for trial in trials:
        wrong = (
            wrong_choices(trial, choices)
            or _wrong_results(trial, objectives)
            or _wrong_architecture(trial.user_attrs.get(keys.ARCHITECTURE), space, known)
        )
        if wrong:
            raise damaged(study, f"trial {trial.number}: {wrong}")


def wrong_choices(trial: FrozenTrial, choices: Mapping[str, tuple[Value, ...]]) -> str:
    """What is wrong with a trial's choices, or empty.

    Args:
        trial: As Optuna read it.
        choices: Values by dimension.
    """
    for name, value in trial.params.items():
        values = getattr(trial.distributions.get(name), "choices", None)
        if name not in choices or values is None or tuple(values) != choices[name] or value not in choices[name]:
            return f"{name} = {value!r} is not a choice of this space"
    return ""


def _wrong_architecture(text: Any, space: SearchSpace, known: set[str]) -> str:
    if text is None or (isinstance(text, str) and text in known):
        return ""
    try:
        space.parse(text if isinstance(text, str) else "")
    except InputError:
        return f"{text!r} is not an architecture of {space.name}"
    known.add(text)
    return ""


def _wrong_results(trial: FrozenTrial, objectives: Sequence[str]) -> str:
    given: Mapping[str, Any] = trial.user_attrs
    figures = given.get(keys.FIGURES, {})
    if not isinstance(figures, dict) or not all(map(is_number, figures.values())):
        return f"{keys.FIGURES} are not numbers"
    wrong = next((name for name, fits in _ATTRIBUTES.items() if name in given and not fits(given[name])), "")
    if wrong or trial.state.name != keys.State.COMPLETE:
        return f"{wrong} is not one" if wrong else ""
    if (
        not isinstance(trial.values, list)
        or len(trial.values) != len(objectives)
        or not all(map(is_number, trial.values))
    ):
        return f"it does not have {len(objectives)} finite values"
    missing = [name for name in objectives if name != ACCURACY and name not in figures]
    return f"it has no {missing[0]}" if missing else ""


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_owner(text: Any) -> bool:
    try:
        where, number, created = json.loads(text)
    except (TypeError, ValueError):
        return False
    return isinstance(where, str) and isinstance(number, int) and isinstance(created, (int, float))


_ATTRIBUTES: Mapping[str, Callable[[Any], bool]] = {
    keys.ACCURACY: is_number,
    keys.ATTEMPT: is_number,
    keys.RETRY_OF: is_number,
    keys.PRUNED_AT: is_number,
    keys.OWNER: _is_owner,
    keys.FAILURE: lambda value: isinstance(value, str),
}
"""What an attribute of a trial must be."""
