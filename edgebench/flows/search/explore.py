"""The trials of a search: ask, train, tell, until there are enough of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebench.core.figure import ACCURACY
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.accuracy import AccuracySource
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.study import (
    ATTEMPT,
    OWNER,
    RETRY_OF,
    all_trials,
    lasting,
    one_at_a_time,
    others_at_work,
    owner,
    requeue,
    requeue_abandoned,
)
from edgebench.search.cost_model import CostModel
from edgebench.spaces.space import Architecture, Dimension
from edgebench.workers.training.jobs import Epoch
from edgebench.workers.training.pool import TrialFailedError

if TYPE_CHECKING:
    import optuna

ARCHITECTURE = "architecture"
FIGURES = "predicted"
FAILURE = "failure"
_OTHERS_S = 0.5
"""Between looks at what other processes are at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A trial on its way.

    Attributes:
        trial: Optuna's.
        architecture: What is tried.
        figures: Its predicted cost, by column.
    """

    trial: optuna.Trial
    architecture: Architecture
    figures: Mapping[str, float]


class Exploration:
    """Runs trials of one study in this process.

    Args:
        request: What is searched.
        study: Where trials are kept.
        model: Predicts costs.
        source: Tells accuracies.
        min_accuracy: What a solution must have, as far as trials can tell.
        on_progress: Told of every step.
    """

    def __init__(
        self,
        request: SearchRequest,
        study: optuna.Study,
        model: CostModel,
        source: AccuracySource,
        min_accuracy: float | None,
        on_progress: Callable[[ProfileProgress], None],
    ) -> None:
        self._request, self._study, self._model, self._source = request, study, model, source
        self._min_accuracy = min_accuracy
        self._on_progress = on_progress
        self._owner = owner()
        self._stop = threading.Event()
        self._exhausted = False
        # How Optuna's brute force says that it has tried everything; out of its own loop it may not.
        study.__dict__["stop"] = self._end
        self._epochs: dict[int, int] = {}
        self._prunes = source.prunable and request.objectives == (ACCURACY,)

    def run(self) -> None:
        """Run trials until the study has as many as were asked for, or the space is exhausted.

        Raises:
            StorageError: The storage went away and did not come back.
            KeyboardInterrupt: Trials on their way have been given back.
        """
        self._take_over()
        running: dict[Future[float], _Asked] = {}
        pool = ThreadPoolExecutor(self._request.jobs)
        try:
            more = True
            while True:
                while more and len(running) < self._request.jobs:
                    more = self._wanted()
                    asked = self._ask() if more else None
                    more = asked is not None
                    if asked is not None and not self._known(asked):
                        running[pool.submit(self._train, asked)] = asked
                self._report([asked.trial.number for asked in running.values()])
                if running:
                    done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._tell(running.pop(future), future)
                    more = not self._exhausted
                elif others_at_work(self._study):
                    # Their trials belong to the outcome, and are to be done here if those processes die.
                    time.sleep(_OTHERS_S)
                    more = not self._exhausted
                elif self._take_over():
                    more = True
                else:
                    break
        except BaseException:
            self._stop.set()
            self._give_back(running)
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _end(self) -> None:
        self._exhausted = True

    def _take_over(self) -> int:
        """Queue what dead processes were at; how much that is."""
        with one_at_a_time(self._request.folder):
            return requeue_abandoned(self._study, len(self._request.space.dimensions))

    def _wanted(self) -> bool:
        """Whether the study lacks trials, those on their way in other processes counted."""
        trials = all_trials(self._study)
        counted = [
            trial
            for trial in trials
            if trial.state.name in {"COMPLETE", "PRUNED", "RUNNING"} or FAILURE in trial.user_attrs
        ]
        waiting = any(trial.state.name == "WAITING" for trial in trials)
        return len(counted) < self._request.trials or waiting

    def _ask(self) -> _Asked | None:
        """A trial with its architecture, or None when there is nothing left to try."""
        space = self._request.space
        with one_at_a_time(self._request.folder):
            trial = lasting(self._study.ask)
            # Before anything is chosen: a trial without an owner says nothing of who is at it.
            lasting(lambda: trial.set_user_attr(OWNER, self._owner))
            chosen = [self._choose(trial, dimension) for dimension in space.dimensions]
            self._exhausted |= getattr(self._study.sampler, "exhausted", False)
            if self._exhausted and not trial.user_attrs.get(RETRY_OF):
                lasting(lambda: self._study.tell(trial, state=_state("FAIL"), skip_if_finished=True))
                return None
        architecture = space.canonical_one(chosen)
        row = self._model.predict(np.array([architecture], dtype=np.int8))[0]
        figures = {name: float(value) for name, value in zip(self._model.names, row, strict=True)}
        lasting(lambda: trial.set_user_attr(ARCHITECTURE, space.text(architecture)))
        lasting(lambda: trial.set_user_attr(FIGURES, figures))
        for limit, margin in zip(self._request.budget.limits, self._request.margins, strict=True):
            excess = figures[limit.column] * margin / limit.value - 1
            lasting(partial(trial.set_constraint, limit.column, excess))
        return _Asked(trial=trial, architecture=architecture, figures=figures)

    def _choose(self, trial: optuna.Trial, dimension: Dimension) -> int:
        value = lasting(lambda: trial.suggest_categorical(dimension.name, dimension.values))
        return dimension.values.index(value)

    def _known(self, asked: _Asked) -> bool:
        """Finish a trial that needs no training: an architecture tried before, or one that is too dear.

        edgebench's own sampler proposes neither; others may.
        """
        text = self._request.space.text(asked.architecture)
        for other in all_trials(self._study):
            if other.number == asked.trial.number or other.user_attrs.get(ARCHITECTURE) != text:
                continue
            if ACCURACY in other.user_attrs:
                self._complete(asked, float(other.user_attrs[ACCURACY]))
                return True
            if other.state.name == "RUNNING" and other.number < asked.trial.number:
                lasting(lambda: self._study.tell(asked.trial, state=_state("FAIL"), skip_if_finished=True))
                return True
        limits = zip(self._request.budget.limits, self._request.margins, strict=True)
        if any(asked.figures[limit.column] * margin > limit.value for limit, margin in limits):
            # Constrained samplers rank it by how much it exceeds; its accuracy is not worth a training.
            lasting(lambda: asked.trial.set_user_attr("infeasible", True))
            lasting(lambda: self._study.tell(asked.trial, self._values(asked, 0.0), skip_if_finished=True))
            return True
        return False

    def _train(self, asked: _Asked) -> float:
        return self._source.accuracy(asked.architecture, lambda epoch: self._goes_on(asked.trial, epoch))

    def _goes_on(self, trial: optuna.Trial, epoch: Epoch) -> bool:
        if self._stop.is_set():
            return False
        self._epochs[trial.number] = epoch.number
        if self._prunes:
            lasting(lambda: trial.report(epoch.accuracy, epoch.number))
            if lasting(trial.should_prune):
                lasting(lambda: trial.set_user_attr("pruned_at", epoch.number))
                return False
        return True

    def _tell(self, asked: _Asked, future: Future[float]) -> None:
        """Store what became of a trial."""
        try:
            accuracy = future.result()
        except TrialFailedError as error:
            message = str(error)
            lasting(lambda: asked.trial.set_user_attr(FAILURE, message))
            lasting(lambda: self._study.tell(asked.trial, state=_state("FAIL"), skip_if_finished=True))
            return
        if "pruned_at" in asked.trial.user_attrs:
            lasting(lambda: self._study.tell(asked.trial, state=_state("PRUNED"), skip_if_finished=True))
            return
        self._complete(asked, accuracy)

    def _complete(self, asked: _Asked, accuracy: float) -> None:
        lasting(lambda: asked.trial.set_user_attr(ACCURACY, accuracy))
        if self._min_accuracy is not None:
            least = self._min_accuracy
            lasting(lambda: asked.trial.set_constraint(ACCURACY, least - accuracy))
        lasting(lambda: self._study.tell(asked.trial, self._values(asked, accuracy), skip_if_finished=True))

    def _values(self, asked: _Asked, accuracy: float) -> list[float]:
        return [accuracy if name == ACCURACY else asked.figures[name] for name in self._request.objectives]

    def _give_back(self, running: Mapping[Future[float], _Asked]) -> None:
        """Trials that were cut off are tried again by whoever goes on."""
        for asked in running.values():
            try:
                self._study.tell(asked.trial, state=_state("FAIL"), skip_if_finished=True)
                # Not their fault: it does not count as an attempt.
                requeue(
                    self._study, asked.trial.number, asked.trial.params, int(asked.trial.user_attrs.get(ATTEMPT, 0))
                )
            except Exception:
                # Without its storage, a trial is found abandoned when the study goes on.
                return

    def _report(self, running: Sequence[int]) -> None:
        done = [trial for trial in all_trials(self._study) if trial.state.is_finished()]
        holding = [
            (trial.user_attrs[ACCURACY], trial.user_attrs[ARCHITECTURE])
            for trial in done
            if ACCURACY in trial.user_attrs and all(value <= 0 for value in trial.constraints.values())
        ]
        best = f", best {max(holding)[0]:.2%} ({max(holding)[1]})" if holding and self._source.trained else ""
        text = f"trial {len(done)} of {self._request.trials}{best}, {len(running)} running"
        epochs = [str(self._epochs[number]) for number in running if number in self._epochs]
        text += f" (epoch {', '.join(epochs)})" if epochs else ""
        self._on_progress(ProfileProgress(done=min(1.0, len(done) / self._request.trials), text=text))


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]
