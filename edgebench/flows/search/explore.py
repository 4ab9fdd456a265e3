"""The trials of a search: ask, train, tell, until there are enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from edgebench.core.figure import ACCURACY
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.accuracy import AccuracySource
from edgebench.flows.search.lease import Watch, signs_of_life
from edgebench.flows.search.ownership import one_at_a_time, others_at_work, requeue_abandoned
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.sampler import prunes
from edgebench.flows.search.study import SearchStudy
from edgebench.flows.search.trial import OpenTrial, State
from edgebench.machine.this_process import owner
from edgebench.search.limits import excess, meets_limits
from edgebench.search.predictor import Predictor
from edgebench.spaces.space import Architecture
from edgebench.workers.training.jobs import Epoch
from edgebench.workers.training.pool import TrialFailedError

_OTHERS_S = 0.5
"""Time between looks at what other processes are doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A running trial.

    Attributes:
        trial: Where its result is written.
        architecture: What is tried.
        text: The same, as its space writes it.
        figures: Its predicted cost, by column.
    """

    trial: OpenTrial
    architecture: Architecture
    text: str
    figures: Mapping[str, float]


_Running = dict[Future[float], _Asked]


class Exploration:
    """Runs trials of one study in this process.

    The study is read as a whole once for each trial that is started, under the lock that keeps the other processes of
    this machine from choosing at the same time. What this process does is added to that view, so it is complete
    as long as no other process is at work.

    Args:
        request: What is searched.
        study: Where trials are kept.
        model: Predicts costs.
        source: Determines accuracies.
        min_accuracy: What a solution must have, as far as trials show it.
        on_progress: Called for every step.
        on_trial: Called when trials have ended.
    """

    def __init__(
        self,
        request: SearchRequest,
        study: SearchStudy,
        model: Predictor,
        source: AccuracySource,
        min_accuracy: float | None,
        on_progress: Callable[[ProfileProgress], None],
        on_trial: Callable[[], object] = lambda: None,
    ) -> None:
        self._request, self._study, self._model, self._source = request, study, model, source
        self._min_accuracy = min_accuracy
        self._on_progress, self._on_trial = on_progress, on_trial
        self._owner = owner()
        self._watch = Watch(study)
        self._stop = threading.Event()
        self._epochs: dict[int, int] = {}
        self._prunes = prunes(request, source)

    def run(self) -> None:
        """Run trials until the study has as many as requested, or the space is exhausted.

        Raises:
            StorageError: The storage went away and did not come back.
            KeyboardInterrupt: Running trials have been given back.
        """
        with signs_of_life(self._study, self._owner):
            self._run()

    def _run(self) -> None:
        self._take_over()
        running: _Running = {}
        pool = ThreadPoolExecutor(self._request.jobs)
        try:
            while True:
                while len(running) < self._request.jobs and self._left() and self._begin(running, pool):
                    pass
                self._report(running)
                if running:
                    self._collect(running)
                elif not self._take_over() and not self._left():
                    others = others_at_work(self._study.trials, self._owner, self._watch)
                    if not others:
                        break
                    self._report(running, f", waiting for trials of {', '.join(others)}")
                    # Their trials belong to the outcome, and are repeated here if those processes die.
                    time.sleep(_OTHERS_S)
        except BaseException:
            self._stop.set()
            self._give_back(running)
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _take_over(self) -> int:
        """Look at the study, and queue the trials of dead processes; returns how many."""
        with one_at_a_time(self._request.folder):
            return requeue_abandoned(self._study, len(self._request.space.dimensions), self._watch)

    def _left(self) -> bool:
        """Whether trials are missing from the study as last seen, including what was done here since."""
        trials = self._study.trials
        return trials.waiting if self._study.exhausted else trials.lack(self._request.trials)

    def _begin(self, running: _Running, pool: ThreadPoolExecutor) -> bool:
        """Start one more trial; False if there is none to start."""
        asked = self._ask()
        if asked is None:
            return False
        if not self._settled(asked):
            running[pool.submit(self._train, asked)] = asked
        return True

    def _ask(self) -> _Asked | None:
        """A trial with its architecture, or None if there are enough, or nothing is left to try."""
        space = self._request.space
        with one_at_a_time(self._request.folder):
            self._study.look()
            if not self._left():
                return None
            trial = self._study.ask(self._owner)
            chosen = trial.choose(space.dimensions)
            if self._study.exhausted and trial.retry_of is None:
                self._study.end(trial, State.FAIL)
                return None
            architecture = space.canonical_one(chosen)
            text = space.text(architecture)
            # Written before the next process looks, so that it knows what is being tried.
            trial.tries(text)
        row = self._model.predict(np.array([architecture], dtype=np.int8))[0]
        figures = {name: float(value) for name, value in zip(self._model.names, row, strict=True)}
        trial.costs(figures, excess(figures, self._request.budget.limits, self._request.margins))
        return _Asked(trial=trial, architecture=architecture, text=text, figures=figures)

    def _settled(self, asked: _Asked) -> bool:
        """Finish a trial that needs no training: an architecture tried before, or one that is too expensive.

        edgebench's own sampler proposes neither; others may.
        """
        number = asked.trial.number
        for other in self._study.trials.of_architecture(asked.text):
            if other.number == number:
                continue
            if other.accuracy is not None:
                self._complete(asked, other.accuracy)
                return True
            if other.state is State.RUNNING and other.number < number:
                self._study.end(asked.trial, State.FAIL)
                return True
        if not meets_limits(asked.figures, self._request.budget.limits, self._request.margins):
            # Constrained samplers rank it by how much it exceeds; its accuracy is not worth a training.
            asked.trial.breaks_a_limit()
            self._study.complete(asked.trial, self._values(asked, 0.0))
            return True
        return self._begun_elsewhere(asked)

    def _begun_elsewhere(self, asked: _Asked) -> bool:
        """Give up a trial that a process with another folder, and so another lock, started at the same moment."""
        if not self._request.storage:
            return False  # The journal is next to the lock: processes that share one share the other.
        number = asked.trial.number
        if any(other.architecture == asked.text and other.number < number for other in self._study.running()):
            self._study.end(asked.trial, State.FAIL)
            return True
        return False

    def _train(self, asked: _Asked) -> float:
        return self._source.accuracy(asked.architecture, lambda epoch: self._goes_on(asked.trial, epoch))

    def _goes_on(self, trial: OpenTrial, epoch: Epoch) -> bool:
        if self._stop.is_set():
            return False
        self._epochs[trial.number] = epoch.number
        return not self._prunes or trial.goes_on(epoch.number, epoch.accuracy)

    def _collect(self, running: _Running) -> None:
        """Store the results of trials as soon as one has ended, or after a second."""
        done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in done:
            self._tell(running.pop(future), future)
        if done:
            self._on_trial()
        if not done and any(
            trial.state is State.RUNNING and trial.owner != self._owner for trial in self._study.trials
        ):
            # What others do changes what is left to do; when alone, this process knows everything.
            self._study.look()

    def _tell(self, asked: _Asked, future: Future[float]) -> None:
        """Store the result of a trial."""
        try:
            accuracy = future.result()
        except TrialFailedError as error:
            asked.trial.failed(str(error))
            self._study.end(asked.trial, State.FAIL)
            return
        if asked.trial.pruned:
            self._study.end(asked.trial, State.PRUNED)
            return
        self._complete(asked, accuracy)

    def _complete(self, asked: _Asked, accuracy: float) -> None:
        asked.trial.reached(accuracy, self._min_accuracy)
        self._study.complete(asked.trial, self._values(asked, accuracy))

    def _values(self, asked: _Asked, accuracy: float) -> list[float]:
        return [accuracy if name == ACCURACY else asked.figures[name] for name in self._request.objectives]

    def _give_back(self, running: _Running) -> None:
        """Return interrupted trials to the queue, for whichever process continues."""
        for asked in running.values():
            try:
                self._study.give_back(asked.trial)
            except Exception:
                # Without its storage, a trial is found abandoned when the study is resumed.
                return

    def _report(self, running: _Running, more: str = "") -> None:
        trials, wanted = self._study.trials, self._request.trials
        good = [
            (trial.accuracy, trial.architecture or "")
            for trial in trials
            if trial.state.finished
            and trial.accuracy is not None
            and all(value <= 0 for value in trial.constraints.values())
        ]
        best = f", best {max(good)[0]:.2%} ({max(good)[1]})" if good and self._source.trained else ""
        text = f"trial {trials.finished} of {wanted}{best}, {len(running)} running"
        numbers = [asked.trial.number for asked in running.values()]
        epochs = [str(self._epochs[number]) for number in numbers if number in self._epochs]
        text += f" (epoch {', '.join(epochs)})" if epochs else ""
        self._on_progress(ProfileProgress(done=min(1.0, trials.finished / wanted), text=text + more))
