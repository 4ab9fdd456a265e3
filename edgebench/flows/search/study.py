"""The Optuna study behind a search: opened, checked, resumed."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edgebench.core.figure import ACCURACY
from edgebench.errors import NotComparableError
from edgebench.flows.search.calls import keep_call
from edgebench.flows.search.request import SearchRequest, SearchSettings
from edgebench.flows.search.storage import lasting, open_storage
from edgebench.flows.search.stored_trials import damaged, is_number, require_trials_of
from edgebench.flows.search.trial import OpenTrial, State, Trial, retry
from edgebench.flows.search.trials import Trials
from edgebench.spaces.features import Value
from edgebench.store.codec import from_plain, to_plain

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SETTINGS = "edgebench"
REFERENCE = "reference_accuracy"
MAX_RETRIES = 2


class SearchStudy:
    """A study whose every step waits for a storage that is unreachable for a moment.

    All steps raise a StorageError if it does not come back.

    Args:
        study: Optuna's.
        exhausted: Set when a sampler says that it has tried everything.

    Attributes:
        trials: As last read, with what this process has done to its own trials since.
    """

    def __init__(self, study: optuna.Study, exhausted: threading.Event) -> None:
        self._study = study
        self._exhausted = exhausted
        self.trials = Trials()

    @property
    def exhausted(self) -> bool:
        """Whether the sampler has tried everything."""
        return self._exhausted.is_set()

    @property
    def reference_accuracy(self) -> float | None:
        """That of the network that accuracy drops are relative to, or None if it was not trained yet."""
        known = lasting(lambda: self._study.user_attrs).get(REFERENCE)
        return None if known is None else float(known)

    def keep_reference_accuracy(self, accuracy: float) -> None:
        """Write the accuracy of the reference, so that it is trained only once."""
        lasting(lambda: self._study.set_user_attr(REFERENCE, accuracy))

    def count_up(self, name: str, count: int) -> None:
        """Write a number that others watch; at once or not at all.

        Raises:
            Exception: Whatever the storage raises if it is unreachable.
        """
        self._study.set_user_attr(name, count)

    def count_of(self, name: str) -> object:
        """A number that another process counts up, or None if there is none."""
        return lasting(lambda: self._study.user_attrs).get(name)

    def use(self, sampler: Any, pruner: Any) -> None:
        """Set a sampler and a pruner of Optuna's types."""
        self._study.sampler, self._study.pruner = sampler, pruner

    def look(self) -> Trials:
        """Read all trials from the storage: once for each trial that is started."""
        frozen = lasting(lambda: self._study.get_trials(deepcopy=False))
        self.trials = self.trials.renewed(frozen)
        return self.trials

    def running(self) -> list[Trial]:
        """Read the trials that are running at this moment, here and elsewhere."""
        states = (_state(State.RUNNING),)
        return [Trial.of(frozen) for frozen in lasting(lambda: self._study.get_trials(deepcopy=False, states=states))]

    def ask(self, owner: str) -> OpenTrial:
        """Start a new trial, or one that was queued.

        Args:
            owner: The process that runs it. It is written at once, because a trial without an owner looks abandoned.
        """
        trial = OpenTrial(lasting(self._study.ask))
        trial.belongs_to(owner)
        self.trials = self.trials.having(trial.begun(owner))
        return trial

    def complete(self, trial: OpenTrial, values: Sequence[float]) -> None:
        """Finish a trial.

        Args:
            trial: The trial.
            values: Of each objective.
        """
        self._told(lasting(lambda: self._study.tell(trial.optuna, values, skip_if_finished=True)))

    def end(self, trial: OpenTrial | int, state: State) -> None:
        """Finish a trial that has no values.

        Args:
            trial: The trial, or its number if it belongs to another process.
            state: ``PRUNED`` or ``FAIL``.
        """
        what = trial if isinstance(trial, int) else trial.optuna
        self._told(lasting(lambda: self._study.tell(what, state=_state(state), skip_if_finished=True)))

    def queue_again(self, choices: Mapping[str, Value], *, retry_of: int, attempt: int) -> None:
        """Queue an architecture again, unless its processes died too often.

        Args:
            choices: Values by dimension.
            retry_of: Number of the trial that failed.
            attempt: How often a process died over it.
        """
        if attempt <= MAX_RETRIES:
            lasting(lambda: self._study.enqueue_trial(dict(choices), user_attrs=retry(retry_of, attempt)))

    def give_back(self, trial: OpenTrial) -> None:
        """Queue an interrupted trial; at once or not at all, because somebody is waiting for the process to end.

        Raises:
            Exception: Whatever the storage raises if it is unreachable.
        """
        self._study.tell(trial.optuna, state=_state(State.FAIL), skip_if_finished=True)
        # Not its fault: it does not count as an attempt.
        self.queue_again(trial.choices, retry_of=trial.number, attempt=trial.attempt)

    def _told(self, frozen: FrozenTrial) -> None:
        self.trials = self.trials.having(Trial.of(frozen))


def open_study(request: SearchRequest, settings: SearchSettings) -> SearchStudy:
    """The study of a request: a new one, or the existing one if it was started with the same settings.

    Raises:
        NotComparableError: It exists with other settings; the differences are named.
        StorageError: The storage cannot be opened.
    """
    import optuna
    from optuna.study import StudyDirection

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = [
        StudyDirection.MAXIMIZE if objective == ACCURACY else StudyDirection.MINIMIZE
        for objective in request.objectives
    ]
    storage = open_storage(request.storage, request.folder)
    create = partial(
        optuna.create_study, study_name=request.study, storage=storage, directions=directions, load_if_exists=True
    )
    lasting(create)
    exhausted = threading.Event()
    study = lasting(lambda: _stoppable(request.study, storage, exhausted.set))
    stored = lasting(lambda: study.user_attrs).get(SETTINGS)
    if stored is None:
        _begin(study, request, settings)
        keep_call(study, request.call)
        return SearchStudy(study, exhausted)
    before = from_plain(SearchSettings, stored, where=f"study {request.study}")
    differences = settings.differences(before)
    if differences:
        raise NotComparableError(
            f"study {request.study!r} was started with other settings: {'; '.join(differences)}",
            remedy="choose another name with --study, or return to those settings",
        )
    if list(lasting(lambda: study.directions)) != directions:
        raise damaged(request.study, "its directions are not those of its objectives")
    frozen = lasting(lambda: study.get_trials(deepcopy=False))
    require_trials_of(request.study, frozen, request.space, request.objectives)
    reference = lasting(lambda: study.user_attrs).get(REFERENCE)
    if not (reference is None or is_number(reference)):
        raise damaged(request.study, f"{REFERENCE} is not a number")
    keep_call(study, request.call)
    return SearchStudy(study, exhausted)


def _begin(study: optuna.Study, request: SearchRequest, settings: SearchSettings) -> None:
    """Write into a new study what it must keep."""
    if lasting(lambda: study.get_trials(deepcopy=False)):
        raise NotComparableError(
            f"study {request.study!r} was not started by edgebench", remedy="choose another name with --study"
        )
    lasting(lambda: study.set_user_attr(SETTINGS, to_plain(settings)))
    with warnings.catch_warnings():
        # Experimental in Optuna since 3.2; the dashboard shows the names.
        warnings.simplefilter("ignore")
        lasting(lambda: study.set_metric_names(list(request.objectives)))


def _stoppable(name: str, storage: Any, on_stop: Callable[[], None]) -> optuna.Study:
    """An Optuna study that may be stopped by a sampler outside of ``Study.optimize``.

    ``Study.stop`` is how a sampler says that it has tried everything: ``BruteForceSampler`` calls it after the last
    trial, and so does edgebench's own. Optuna refuses it with the ask-and-tell interface, and has no other public
    way of saying so; the method itself is public, so it is overridden.
    """
    import optuna

    class StoppableStudy(optuna.Study):
        """Passes the stop signal on."""

        def stop(self) -> None:
            on_stop()

    return StoppableStudy(study_name=name, storage=storage)


def _state(state: State) -> Any:
    from optuna.trial import TrialState

    return TrialState[state.name]
