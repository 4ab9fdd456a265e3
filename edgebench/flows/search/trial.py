"""A trial of a study: read from what Optuna stores, and written while it runs.

Nothing else knows the keys under which Optuna stores what edgebench writes about a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from edgebench.flows.search.storage import lasting
from edgebench.spaces.features import Dimension, Value

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
    """The state of a trial, in Optuna's words."""

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
    """What a study knows about one trial.

    Attributes:
        number: In its study.
        state: Its state.
        choices: Values by dimension, as far as they are chosen.
        architecture: What is tried, as its space writes it, or None before it is chosen.
        figures: Predicted costs, by column (``latency_s@host``).
        constraints: By how much limits are exceeded, by column; at most 0 if the limit is met.
        accuracy: As the search saw it, or None.
        infeasible: Whether it was not trained because the tables predict that it breaks a limit.
        failure: Why its training failed, or None.
        pruned_at: The epoch in which it was cut short, or None.
        owner: The process that it belongs to, or None if none has written its name.
        started: When it was started, or None.
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
        """The record of a trial as Optuna read it."""
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
    """A trial that this process runs; nothing else writes to it.

    Every step waits for a storage that is unreachable for a moment, and raises a StorageError if it stays so.

    Args:
        trial: Optuna's.

    Attributes:
        optuna: Optuna's trial.
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
        """What is known about it before anything is chosen."""
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
        """Write which process runs it."""
        self._set(OWNER, owner)

    def choose(self, dimensions: Sequence[Dimension]) -> list[int]:
        """Let the sampler choose, or the queue that the trial comes from; returns the index of each value."""
        return [
            dimension.values.index(lasting(partial(self.optuna.suggest_categorical, dimension.name, dimension.values)))
            for dimension in dimensions
        ]

    def tries(self, architecture: str) -> None:
        """Write which architecture it tries."""
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
        """Write that it is not worth training."""
        self._set(INFEASIBLE, True)

    def goes_on(self, epoch: int, accuracy: float) -> bool:
        """Write the accuracy after an epoch; returns whether the pruner lets it continue."""
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
        """Write why its training failed."""
        self._set(FAILURE, why)

    def _set(self, key: str, value: object) -> None:
        lasting(lambda: self.optuna.set_user_attr(key, value))
