"""Trials as records: the keys they are stored under, what a view of all of them says, how often it is read."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
import pytest

from edgebench.core.budget import Budget, Limit
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search import calls
from edgebench.flows.search import study as studies
from edgebench.flows.search.lease import LEASE_S, Watch, key, signs_of_life
from edgebench.flows.search.ownership import others_at_work, requeue_abandoned
from edgebench.flows.search.sampler import make_sampler
from edgebench.flows.search.search import search
from edgebench.flows.search.study import SearchStudy
from edgebench.flows.search.trial import OpenTrial, State, Trial
from edgebench.flows.search.trials import Trials
from edgebench.machine.this_process import owner
from edgebench.search.candidates import SizeFeatures, find_candidates
from edgebench.search.costs import cost_model
from edgebench.spaces.space import SearchSpace
from tests.flows.search.test_search import PLAN, fake_table, request, run, tried
from tests.small_space import open_twelve

GONE = json.dumps([json.loads(owner())[0], 4194305, 0.0])


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return open_twelve(tmp_path)


def record(number: int, state: State, **more: Any) -> Trial:
    return Trial(number=number, state=state, **{"choices": {}, "figures": {}, "constraints": {}, **more})


def opened(*, storage: Any = None) -> tuple[optuna.Study, SearchStudy]:
    study = optuna.create_study(direction="maximize", storage=storage)
    return study, SearchStudy(study, threading.Event())


def test_a_trial_of_an_older_study_is_read() -> None:
    """The keys are written out: studies that hold them lie on people's disks."""
    study, _ = opened()
    study.enqueue_trial({"kernel": 5}, user_attrs={"retry_of": 0, "attempt": 2})
    trial = study.ask()
    trial.suggest_categorical("kernel", (3, 5))
    written = {
        "owner": GONE,
        "architecture": "1",
        "predicted": {"latency_s@fake": 2e-5},
        "infeasible": True,
        "failure": "the loss is not a number",
        "pruned_at": 3,
        "accuracy": 0.5,
    }
    for name, value in written.items():
        trial.set_user_attr(name, value)
    trial.set_constraint("latency_s@fake", -0.98)
    (frozen,) = study.get_trials()
    assert Trial.of(frozen) == Trial(
        number=0,
        state=State.RUNNING,
        choices={"kernel": 5},
        architecture="1",
        figures={"latency_s@fake": 2e-5},
        constraints={"latency_s@fake": -0.98},
        accuracy=0.5,
        infeasible=True,
        failure="the loss is not a number",
        pruned_at=3,
        owner=GONE,
        started=frozen.datetime_start,
        attempt=2,
        retry_of=0,
    )


def test_a_trial_is_written_under_the_same_keys(space: SearchSpace) -> None:
    study, ours = opened()
    trial = ours.ask("me")
    chosen = trial.choose(space.dimensions)
    trial.tries("1011")
    trial.costs({"latency_s@fake": 2e-5}, {"latency_s@fake": -0.98})
    trial.reached(0.5, least=0.75)
    trial.breaks_a_limit()
    trial.failed("because")
    (frozen,) = study.get_trials()
    assert frozen.user_attrs == {
        "owner": "me",
        "architecture": "1011",
        "predicted": {"latency_s@fake": 2e-5},
        "accuracy": 0.5,
        "infeasible": True,
        "failure": "because",
    }
    assert frozen.constraints == {"latency_s@fake": -0.98, "accuracy": 0.25}
    assert frozen.params == space.values(chosen)
    ours.queue_again(trial.choices, retry_of=0, attempt=1)
    assert study.get_trials()[1].user_attrs == {"retry_of": 0, "attempt": 1}
    ours.queue_again(trial.choices, retry_of=0, attempt=studies.MAX_RETRIES + 1)
    assert len(study.get_trials()) == 2


def test_a_trial_that_is_cut_short_says_when() -> None:
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.5))
    ours = SearchStudy(study, threading.Event())
    trial = ours.ask("me")
    assert trial.goes_on(1, 0.6)
    assert not trial.pruned
    assert not trial.goes_on(2, 0.1)
    assert trial.pruned
    ours.end(trial, State.PRUNED)
    (found,) = ours.look()
    assert (found.state, found.pruned_at) == (State.PRUNED, 2)


def test_what_a_study_lacks() -> None:
    some = [record(0, State.COMPLETE), record(1, State.PRUNED), record(2, State.RUNNING)]
    trials = Trials({trial.number: trial for trial in some})
    assert trials.lack(4)
    assert not trials.lack(3)
    # A training that came to nothing counts, a trial that was given up does not.
    assert not trials.having(record(3, State.FAIL, failure="because")).lack(4)
    assert trials.having(record(3, State.FAIL)).lack(4)
    assert trials.having(record(3, State.WAITING)).lack(3)
    assert (trials.finished, trials.count(State.RUNNING), trials.failures, trials.waiting) == (2, 1, 0, False)


def test_a_view_stays_in_the_order_of_numbers_and_keeps_what_is_finished() -> None:
    study, ours = opened()
    first, second = study.ask(), study.ask()
    study.tell(first, 0.5)
    before = ours.look()
    study.tell(second, 0.7)
    after = ours.look()
    one, two = after
    assert one is next(iter(before))
    assert two.state is State.COMPLETE
    mixed = Trials().having(record(5, State.RUNNING)).having(record(3, State.RUNNING))
    assert [trial.number for trial in mixed.having(record(5, State.COMPLETE))] == [3, 5]


def test_the_first_trial_of_an_architecture_is_its_result() -> None:
    trials = Trials()
    for number, accuracy in ((0, 0.5), (1, 0.9), (2, None)):
        trials = trials.having(record(number, State.COMPLETE, architecture="01", accuracy=accuracy))
    trials = trials.having(record(3, State.FAIL, architecture="11", accuracy=0.9))
    assert [(item.number, item.accuracy) for item in trials.results()] == [(0, 0.5)]


def test_trials_of_processes_that_are_gone_are_queued_again() -> None:
    study, ours = opened()
    for name in (GONE, owner(), json.dumps(["elsewhere", 1, 0.0])):
        trial = study.ask()
        trial.set_user_attr("owner", name)
        trial.suggest_categorical("kernel", (3, 5))
    watch = Watch(ours)
    assert others_at_work(ours.look(), owner(), watch) == ("elsewhere",)
    assert len(others_at_work(ours.trials, "somebody else", watch)) == 2
    assert requeue_abandoned(ours, 1, watch) == 1
    assert [trial.state for trial in ours.look()] == [State.FAIL, State.RUNNING, State.RUNNING, State.WAITING]
    assert requeue_abandoned(ours, 1, watch) == 0
    again = ours.ask(owner())
    assert (again.retry_of, again.attempt) == (0, 1)
    assert again.optuna.suggest_categorical("kernel", (3, 5)) == study.get_trials()[0].params["kernel"]


def test_a_trial_without_a_name_has_a_moment_to_get_one() -> None:
    now = datetime.now()
    young, old = (record(0, State.RUNNING, started=now - timedelta(seconds=age)) for age in (1, 60))
    watch = Watch(opened()[1])
    assert others_at_work(Trials({0: young}), "me", watch)
    assert not others_at_work(Trials({0: old}), "me", watch)


def test_a_process_elsewhere_lives_as_long_as_it_gives_signs_of_life() -> None:
    study, ours = opened()
    now = 0.0
    watch = Watch(ours, lambda: now)
    elsewhere = json.dumps(["elsewhere", os.getpid(), psutil.Process().create_time()])
    trial = study.ask()
    trial.set_user_attr("owner", elsewhere)
    trial.suggest_categorical("kernel", (3, 5))
    for step in range(5):
        ours.count_up(key(elsewhere), step)
        assert requeue_abandoned(ours, 1, watch) == 0, "a number of a process means nothing elsewhere"
        now += 0.9 * LEASE_S
    assert requeue_abandoned(ours, 1, watch) == 0
    now += 0.2 * LEASE_S
    assert requeue_abandoned(ours, 1, watch) == 1
    assert ours.look().waiting


def test_signs_of_life_are_given_and_end() -> None:
    _, ours = opened()
    with signs_of_life(ours, "me"):
        deadline = time.monotonic() + 5
        while ours.count_of(key("me")) is None and time.monotonic() < deadline:
            time.sleep(0.01)
    assert ours.count_of(key("me")) == 1
    assert not [thread for thread in threading.enumerate() if "beat" in thread.name]


@pytest.mark.child
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_whose_process_dies_when_nothing_else_is_left_is_done_here(space: SearchSpace, tmp_path: Path) -> None:
    """The other process is at trial 0, whose number is one like others."""
    wanted = request(space, tmp_path, trials=50)
    ours = studies.open_study(wanted, wanted.settings(""))
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def end() -> None:
        other.kill()
        other.wait()

    late = threading.Timer(60, end)
    late.start()
    try:
        name = json.dumps([json.loads(owner())[0], other.pid, psutil.Process(other.pid).create_time()])
        trial = ours.ask(name)
        chosen = space.canonical_one(space.largest)
        fixed = optuna.samplers.PartialFixedSampler(space.values(chosen), optuna.samplers.RandomSampler())
        ours.use(fixed, optuna.pruners.NopPruner())
        text = space.text(trial.choose(space.dimensions))
        trial.tries(text)

        def on_progress(progress: ProfileProgress) -> None:
            # Eleven trials, and one for which nothing was left.
            if progress.text.startswith("trial 12 of 50"):
                end()

        search(wanted, PLAN, on_update=lambda *_: None, on_progress=on_progress)
    finally:
        late.cancel()
        end()
    found = tried(wanted)
    assert len(found) == len(set(found)) == 12
    assert found[-1] == text
    study = calls.load_study("s", "", tmp_path / "results" / "studies")
    assert study.get_trials()[-1].user_attrs["retry_of"] == 0


class Counting(optuna.storages.InMemoryStorage):
    """Counts how often all trials are read."""

    def __init__(self) -> None:
        super().__init__()
        self.full = 0

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Any = None) -> Any:
        self.full += states is None
        return super().get_all_trials(study_id, deepcopy, states)


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("trials", [5, 11, 50])
def test_a_study_is_read_once_for_each_trial(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, trials: int
) -> None:
    storage = Counting()
    monkeypatch.setattr(studies, "open_storage", lambda *_: storage)
    wanted = request(space, tmp_path, trials=trials, jobs=jobs)
    found = run(wanted)
    begun = len(storage.get_all_trials(0, states=tuple(optuna.trial.TrialState)))
    assert found.trials == min(trials, 12)
    # When it is opened, before the first trial and after the last, and for the record.
    assert storage.full <= begun + 4
    monkeypatch.undo()
    same = run(replace(wanted, study="journal"))
    assert (same.trials, same.failed, same.pruned) == (found.trials, found.failed, found.pruned)
    if jobs == 1 or trials == 50:
        assert same.front == found.front


def test_searches_at_once_begin_no_more_than_was_asked_for(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=7)
    run(replace(wanted, trials=1))
    threads = [threading.Thread(target=run, args=(wanted,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = tried(wanted)
    assert len(found) == len(set(found)) == 7


def test_the_sampler_serves_and_stops_a_loop_of_optunas(space: SearchSpace) -> None:
    model = cost_model(space, {"fake": fake_table(space)})
    limits = (Limit(figure="latency_s", device="fake", value=1e-3),)
    sampler = make_sampler(
        space,
        find_candidates(space, model, limits, (1.0,), 0),
        SizeFeatures(space, model, 0),
        costs=(),
        maximise_accuracy=True,
        min_accuracy=None,
        seed=0,
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        chosen = OpenTrial(trial).choose(space.dimensions)
        accuracy = float(np.sum(chosen))
        trial.set_user_attr("accuracy", accuracy)
        return accuracy

    study.optimize(objective, n_trials=50)
    chosen = [tuple(trial.params.values()) for trial in study.get_trials()]
    # The last one found nothing left.
    assert len(set(chosen)) == len(chosen) - 1 == 12


def test_the_sampler_knows_the_accuracy_that_follows_from_the_reference(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgebench.flows.search import search as verb

    given: list[Any] = []
    real = verb.search_sampler

    def noted(*arguments: Any, **more: Any) -> Any:
        given.append(more["min_accuracy"])
        return real(*arguments, **more)

    monkeypatch.setattr(verb, "search_sampler", noted)
    budget = Budget(max_accuracy_drop=0.01)
    found = run(request(space, tmp_path, trials=2, objectives=("latency_s@fake",), budget=budget))
    known = json.loads((tmp_path / "accuracies.json").read_text())
    assert given == [known[space.text(space.largest)] - 0.01]
    assert found.reference is not None
