"""All trials of a study at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgebench.core.search import TrialResult
from edgebench.flows.search.trial import State, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of a study, in the order of their numbers.

    They are read from the storage as a whole, once for each trial that is started, and passed around; see
    ``SearchStudy.look``.
    """

    _by_number: Mapping[int, Trial] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._by_number.values())

    def __len__(self) -> int:
        return len(self._by_number)

    def renewed(self, frozen: Sequence[FrozenTrial]) -> Trials:
        """The trials as Optuna has just read them; those that were already finished are not parsed again."""
        return Trials({item.number: self._finished(item.number) or Trial.of(item) for item in frozen})

    def having(self, trial: Trial) -> Trials:
        """The trials with one of them updated."""
        together = {**self._by_number, trial.number: trial}
        return Trials(together if trial.number in self._by_number else dict(sorted(together.items())))

    def of_architecture(self, text: str) -> list[Trial]:
        """Those that try an architecture."""
        return [trial for trial in self if trial.architecture == text]

    def count(self, state: State) -> int:
        """How many are in a state."""
        return sum(trial.state is state for trial in self)

    @property
    def finished(self) -> int:
        """How many are done, whatever their result."""
        return sum(trial.state.finished for trial in self)

    @property
    def failures(self) -> int:
        """How many trainings failed."""
        return sum(trial.failure is not None for trial in self)

    @property
    def waiting(self) -> bool:
        """Whether a trial is waiting to be tried again."""
        return any(trial.state is State.WAITING for trial in self)

    def lack(self, wanted: int) -> bool:
        """Whether more must be started to reach the wanted number.

        Running trials count, in other processes too, and so do trainings that failed; a trial that was
        given up does not, because it is queued again or repeats another.
        """
        counted = {State.COMPLETE, State.PRUNED, State.RUNNING}
        return self.waiting or sum(trial.state in counted or trial.failure is not None for trial in self) < wanted

    def results(self) -> list[TrialResult]:
        """Networks whose accuracy is known, each architecture once."""
        found: dict[str, TrialResult] = {}
        for trial in self:
            if trial.state is not State.COMPLETE or trial.accuracy is None or trial.architecture is None:
                continue
            if trial.architecture not in found:
                found[trial.architecture] = TrialResult(
                    number=trial.number,
                    architecture=trial.architecture,
                    accuracy=trial.accuracy,
                    figures=trial.figures,
                )
        return list(found.values())

    def _finished(self, number: int) -> Trial | None:
        known = self._by_number.get(number)
        return known if known is not None and known.state.finished else None
