"""A trial of a study: read from what Optuna keeps of it, written to one on its way.

Nothing else knows under which keys Optuna keeps what edgebench says of a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from edgebench.flows.search.storage import lasting
from edgebench.spaces.space import Dimension, Value

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

# Keys of a trial's attributes; studies written with them must stay readable.
OWNER = "owner"
RETRY_OF = "retry_of"
ATTEMPT = "attempt"
ARCHITECTURE = "architecture"
FIGURES = "predicted"
ACCURACY = "accuracy"
INFEASIBLE = "infeasible"
FAILURE = "failure"
PRUNED_AT = "pruned_at"


class State(StrEnum):
    """What has become of a trial, in Optuna's words."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self not in {State.WAITING, State.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a study knows of one trial.

    Attributes:
        number: In its study.
        state: What has become of it.
        choices: Values by dimension, as far as they are chosen.
        architecture: What is tried, as its space writes it, or None before it is chosen.
        figures: Predicted costs, by column (``latency_s@host``).
        constraints: By how much limits are exceeded, by column; at most 0 where one is met.
        accuracy: As the search saw it, or None.
        infeasible: Whether it was not trained, as tables say that it breaks a limit.
        failure: Why its training came to nothing, or None.
        pruned_at: The epoch in which it was cut short, or None.
        owner: The process that it belongs to, or None where none has written its name.
        started: When it was begun, or None.
        attempt: How often a process died over the same architecture before.
        retry_of: Number of the trial that it repeats, or None.
    """

    number: int
    state: State
    choices: Mapping[str, Value]
    architecture: str | None = None
    figures: Mapping[str, float]
    constraints: Mapping[str, float]
    accuracy: float | None = None
    infeasible: bool = False
    failure: str | None = None
    pruned_at: int | None = None
    owner: str | None = None
    started: datetime | None = None
    attempt: int = 0
    retry_of: int | None = None

    @classmethod
    def of(cls, frozen: FrozenTrial) -> Self:
        """The record of what Optuna read."""
        attributes: Mapping[str, Any] = frozen.user_attrs
        accuracy = attributes.get(ACCURACY)
        return cls(
            number=frozen.number,
            state=State[frozen.state.name],
            choices=frozen.params,
            architecture=attributes.get(ARCHITECTURE),
            figures=attributes.get(FIGURES, {}),
            constraints=frozen.constraints,
            accuracy=None if accuracy is None else float(accuracy),
            infeasible=bool(attributes.get(INFEASIBLE, False)),
            failure=attributes.get(FAILURE),
            pruned_at=attributes.get(PRUNED_AT),
            owner=attributes.get(OWNER),
            started=frozen.datetime_start,
            attempt=int(attributes.get(ATTEMPT, 0)),
            retry_of=attributes.get(RETRY_OF),
        )


def retry(retry_of: int, attempt: int) -> dict[str, Any]:
    """Attributes of a trial that repeats another, for the study's queue.

    Args:
        retry_of: Number of the other.
        attempt: How often a process died over the same architecture.
    """
    return {RETRY_OF: retry_of, ATTEMPT: attempt}


class OpenTrial:
    """A trial on its way in this process, and the only hand that writes to it.

    Every step outlasts a storage that is away for a moment, and raises a StorageError where it stays away.

    Args:
        trial: Optuna's.

    Attributes:
        optuna: The same.
        number: In its study.
        attempt: How often a process died over the same architecture before.
        retry_of: Number of the trial that it repeats, or None.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        given = trial.user_attrs
        self.optuna = trial
        self.number = trial.number
        self.attempt = int(given.get(ATTEMPT, 0))
        self.retry_of: int | None = given.get(RETRY_OF)

    @property
    def choices(self) -> Mapping[str, Value]:
        """Values by dimension, as far as they are chosen."""
        return self.optuna.params

    @property
    def pruned(self) -> bool:
        """Whether it was cut short."""
        return PRUNED_AT in self.optuna.user_attrs

    def begun(self, owner: str) -> Trial:
        """What is known of it before anything is chosen."""
        return Trial(
            number=self.number,
            state=State.RUNNING,
            choices={},
            figures={},
            constraints={},
            owner=owner,
            attempt=self.attempt,
            retry_of=self.retry_of,
        )

    def belongs_to(self, owner: str) -> None:
        """Say who is at it."""
        self._set(OWNER, owner)

    def choose(self, dimensions: Sequence[Dimension]) -> list[int]:
        """Let the sampler choose, or the queue that the trial comes from; the index of each value."""
        return [
            dimension.values.index(lasting(partial(self.optuna.suggest_categorical, dimension.name, dimension.values)))
            for dimension in dimensions
        ]

    def tries(self, architecture: str) -> None:
        """Say which architecture it is about."""
        self._set(ARCHITECTURE, architecture)

    def costs(self, figures: Mapping[str, float], excess: Mapping[str, float]) -> None:
        """Write what is predicted.

        Args:
            figures: By column.
            excess: By how much each limit is exceeded, by column.
        """
        self._set(FIGURES, dict(figures))
        for column, value in excess.items():
            lasting(partial(self.optuna.set_constraint, column, value))

    def breaks_a_limit(self) -> None:
        """Say that it is not worth a training."""
        self._set(INFEASIBLE, True)

    def goes_on(self, epoch: int, accuracy: float) -> bool:
        """Write the accuracy after an epoch; whether the pruner lets it go on."""
        lasting(lambda: self.optuna.report(accuracy, epoch))
        if lasting(self.optuna.should_prune):
            self._set(PRUNED_AT, epoch)
            return False
        return True

    def reached(self, accuracy: float, least: float | None) -> None:
        """Write its accuracy.

        Args:
            accuracy: As the search sees it.
            least: What it should be, or None.
        """
        self._set(ACCURACY, accuracy)
        if least is not None:
            lasting(lambda: self.optuna.set_constraint(ACCURACY, least - accuracy))

    def failed(self, why: str) -> None:
        """Say why its training came to nothing."""
        self._set(FAILURE, why)

    def _set(self, key: str, value: object) -> None:
        lasting(lambda: self.optuna.set_user_attr(key, value))
