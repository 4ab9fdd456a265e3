"""The search, with an accuracy table where training is not the point, and with real training where it is."""

import json
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from edgebench.core.budget import Budget, Limit
from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Footprint, Sample
from edgebench.core.search import SearchRecord, TrialResult
from edgebench.errors import InputError, NotComparableError, StorageError
from edgebench.flows.search import calls, storage
from edgebench.flows.search.ranking import spread
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.search import search
from edgebench.flows.search.trial import OWNER
from edgebench.models.prepare import Prepared
from edgebench.reports.search import search_report
from edgebench.search.costs import cost_model
from edgebench.spaces.space import SearchSpace
from edgebench.store.devices import find_device
from edgebench.store.tables import TableStore
from edgebench.tasks.recipe import Recipe
from edgebench.workers.measuring.jobs import Finish, Finished, Load, Loaded, Prepare, Run
from edgebench.workers.training.jobs import (
    DescribeTask,
    Epoch,
    Exported,
    ExportJob,
    Predict,
    Predictions,
    SpaceText,
    TaskFacts,
    TaskText,
    Trained,
    TrainJob,
)
from edgebench.workers.training.pool import TrainingProcess, TrialFailedError
from tests.canned_workers import CannedWorkers
from tests.small_space import fake_table, open_twelve

FAKE = find_device("fake")
PLAN = MeasurementPlan(repetitions=2, time_limit_s=20)
needs_training = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "sklearn")), reason="needs edgebench[train,tasks]"
)


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return open_twelve(tmp_path)


def accuracies(space: SearchSpace, path: Path) -> dict[str, float]:
    """Larger networks are better, but for some noise."""
    random = np.random.default_rng(0)
    rows = np.concatenate(list(space.enumerate()))
    values = {
        space.text(row): 0.9 + 0.01 * float(np.log(space.network(tuple(row)).parameters)) + 0.002 * random.random()
        for row in rows
    }
    values = {key: min(value, 1.0) for key, value in values.items()}
    path.write_text(json.dumps(values))
    return values


def request(space: SearchSpace, folder: Path, **changes: Any) -> SearchRequest:
    known = folder / "accuracies.json"
    if not known.exists():
        accuracies(space, known)
    table = fake_table(space)
    settings: dict[str, Any] = {
        "space": space,
        "devices": (FAKE,),
        "tables": {"fake": table},
        "budget": Budget(limits=(Limit(figure="latency_s", device="fake", value=1e-3),)),
        "accuracy": f"table:{known}",
        "trials": 8,
        "study": "s",
        "results": folder / "results",
        "finalists": 0,
    }
    return SearchRequest(**{**settings, **changes})


def run(wanted: SearchRequest) -> SearchRecord:
    return search(wanted, PLAN, on_update=lambda *_: None)


def tried(wanted: SearchRequest) -> list[str]:
    study = calls.load_study(wanted.study, wanted.storage, wanted.results / "studies")
    return [trial.user_attrs["architecture"] for trial in study.trials if trial.state.name == "COMPLETE"]


def test_a_space_is_exhausted_without_repeating_anything(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=50)
    record = run(wanted)
    found = tried(wanted)
    assert len(found) == len(set(found)) == record.trials == space.size == 12
    values = json.loads((tmp_path / "accuracies.json").read_text())
    assert record.front[0].accuracy == pytest.approx(max(values.values()))


def test_only_what_meets_the_limit_is_tried(space: SearchSpace, tmp_path: Path) -> None:
    model = cost_model(space, {"fake": fake_table(space)})
    rows = np.concatenate(list(space.enumerate()))
    latency = model.predict(rows)[:, model.names.index("latency_s@fake")]
    limit = float(np.median(latency))
    budget = Budget(limits=(Limit(figure="latency_s", device="fake", value=limit),))
    wanted = request(space, tmp_path, trials=50, budget=budget)
    record = run(wanted)
    assert set(tried(wanted)) == {space.text(row) for row, cost in zip(rows, latency, strict=True) if cost <= limit}
    assert record.feasible == int((latency <= limit).sum())


def test_several_objectives_give_a_front_that_nothing_beats(space: SearchSpace, tmp_path: Path) -> None:
    record = run(request(space, tmp_path, trials=50, objectives=("accuracy", "latency_s@fake")))
    points = [(trial.accuracy or 0, -trial.figures["latency_s@fake"]) for trial in record.front]
    assert len(points) > 1
    assert not any(a != b and a[0] >= b[0] and a[1] >= b[1] for a in points for b in points)


def test_finalists_of_a_front_are_far_apart() -> None:
    trials = [TrialResult(number=number, architecture=str(number), accuracy=0.5, figures={}) for number in range(7)]
    assert [trial.number for trial in spread(trials)][:4] == [0, 6, 3, 5]
    assert sorted(trial.number for trial in spread(trials)) == list(range(7))
    assert spread([]) == []


def test_only_cost_is_minimised_if_accuracy_has_a_limit(space: SearchSpace, tmp_path: Path) -> None:
    values = accuracies(space, tmp_path / "accuracies.json")
    least = sorted(values.values())[6]
    wanted = request(space, tmp_path, trials=50, objectives=("latency_s@fake",), budget=Budget(min_accuracy=least))
    record = run(wanted)
    assert {trial.accuracy >= least for trial in record.front if trial.accuracy} == {True}
    assert len(record.front) == 1


def test_a_study_resumes_where_it_stopped(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=4)
    run(wanted)
    before = tried(wanted)
    run(replace(wanted, trials=9))
    after = tried(wanted)
    assert after[:4] == before
    assert len(after) == len(set(after)) == 9


def test_the_same_seed_tries_the_same(space: SearchSpace, tmp_path: Path) -> None:
    first, second = (request(space, tmp_path, study=name, trials=12) for name in ("a", "b"))
    run(first)
    run(second)
    assert tried(first) == tried(second)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"budget": Budget(limits=(Limit(figure="latency_s", device="fake", value=2e-3),))}, "latency_s@fake"),
        ({"objectives": ("accuracy", "latency_s@fake")}, "objectives was accuracy, is now"),
        ({"recipe": Recipe(epochs=7)}, "recipe epochs"),
    ],
)
def test_a_study_keeps_its_settings(space: SearchSpace, tmp_path: Path, change: dict[str, Any], named: str) -> None:
    wanted = request(space, tmp_path, trials=2)
    run(wanted)
    with pytest.raises((NotComparableError, ValueError)) as caught:
        run(replace(wanted, **change))
    assert named in str(caught.value)


@pytest.mark.heavy
def test_a_database_keeps_a_study_too(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=3, storage=f"sqlite:///{tmp_path}/study.db")
    run(wanted)
    run(replace(wanted, trials=5))
    assert len(tried(wanted)) == 5


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_other_samplers_may_be_chosen(space: SearchSpace, tmp_path: Path, sampler: str) -> None:
    budget = Budget(limits=(Limit(figure="latency_s", device="fake", value=6e-5),))
    wanted = request(space, tmp_path, trials=12, sampler=sampler, budget=budget)
    record = run(wanted)
    assert all(trial.figures["latency_s@fake"] <= 6e-5 for trial in record.front)


@pytest.mark.parametrize("proxy", ["parameters", "macs"])
def test_proxies_rank_without_training(space: SearchSpace, tmp_path: Path, proxy: str) -> None:
    record = run(request(space, tmp_path, trials=50, accuracy=f"proxy:{proxy}"))
    largest = space.network(space.largest)
    assert space.network(space.parse(record.front[0].architecture)).macs == largest.macs


def test_nothing_feasible_names_limits_and_the_nearest(space: SearchSpace, tmp_path: Path) -> None:
    budget = Budget(limits=(Limit(figure="latency_s", device="fake", value=1e-6),))
    record = run(request(space, tmp_path, budget=budget))
    assert record.infeasibility is not None
    (fact,) = record.infeasibility.limits
    model = cost_model(space, {"fake": fake_table(space)})
    rows = np.concatenate(list(space.enumerate()))
    least = model.predict(rows)[:, model.names.index("latency_s@fake")].min()
    assert fact.least == pytest.approx(least) == fact.needed
    assert record.infeasibility.nearest[0].excess[0] == pytest.approx(least / 1e-6 - 1)
    titles = [table.title for table in search_report(record).tables]
    assert titles[0] == "No network meets these limits"


@pytest.mark.child
@pytest.mark.slow
def test_finalists_are_measured_and_a_wrong_table_is_found_out(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=12, finalists=2)
    honest = run(wanted)
    assert all(finalist.solution for finalist in honest.finalists)
    table = fake_table(space)
    flattering = replace(
        table, entries={key: {"latency_s": value["latency_s"] / 10} for key, value in table.entries.items()}
    )
    budget = Budget(limits=(Limit(figure="latency_s", device="fake", value=4e-5),))
    fooled = run(replace(wanted, study="f", tables={"fake": flattering}, budget=budget))
    assert fooled.finalists
    assert not any(finalist.solution for finalist in fooled.finalists)
    assert any("does not meet its limit" in fault for fault in fooled.finalists[0].faults)


@pytest.mark.child
def test_a_limit_that_nothing_was_found_for_is_not_held(space: SearchSpace, tmp_path: Path) -> None:
    table = fake_table(space)
    figures = {**table.figures, "energy_j": table.figures["latency_s"]}
    entries = {key: {**value, "energy_j": 1e-9} for key, value in table.entries.items()}
    tables = {"fake": replace(table, figures=figures, entries=entries)}
    budget = Budget(limits=(Limit(figure="energy_j", device="fake", value=1.0),))
    record = run(request(space, tmp_path, trials=2, finalists=1, tables=tables, budget=budget))
    assert record.finalists
    for finalist in record.finalists:
        assert not finalist.solution
        assert "is unknown" in finalist.faults[0]


@pytest.mark.child
def test_accuracies_of_a_table_are_held_against_the_drop(space: SearchSpace, tmp_path: Path) -> None:
    known = accuracies(space, tmp_path / "accuracies.json")
    limit = Limit(figure="latency_s", device="fake", value=0.04e-3)
    record = run(request(space, tmp_path, trials=4, finalists=2, budget=Budget(limits=(limit,), max_accuracy_drop=0.0)))
    best = known[space.text(space.largest)]
    assert all(known[finalist.architecture] >= best for finalist in record.finalists if finalist.solution)
    assert any("not" in finalist.faults[0] for finalist in record.finalists)


def test_a_trial_that_died_before_it_had_chosen_is_replaced(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=2)
    run(wanted)
    study = calls.load_study("s", "", tmp_path / "results" / "studies")
    trial = study.ask()
    trial.suggest_categorical(space.dimensions[0].name, space.dimensions[0].values)
    trial.set_user_attr(OWNER, json.dumps([socket.gethostname(), 4194305, 0.0]))
    run(replace(wanted, trials=6))
    found = tried(wanted)
    assert len(found) == len(set(found)) == 6


def test_brute_force_ends_with_the_space(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=100, sampler="brute-force", budget=Budget())
    run(wanted)
    assert len(set(tried(wanted))) == 12


def test_another_table_is_another_search(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(space, tmp_path, trials=2)
    run(wanted)
    slower = {key: {"latency_s": 2 * value["latency_s"]} for key, value in wanted.tables["fake"].entries.items()}
    with pytest.raises(NotComparableError, match="table of fake"):
        run(replace(wanted, tables={"fake": replace(wanted.tables["fake"], entries=slower)}))


@pytest.mark.parametrize(
    ("content", "name"),
    [("{}", "t.json"), ("[1]", "t.json"), ('{"0000": "x"}', "t.json"), ("a,b\n1,2", "t.csv"), ("nan", "t.json")],
)
def test_wrong_tables_of_accuracies_are_named(space: SearchSpace, tmp_path: Path, content: str, name: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"accurac"):
        run(request(space, tmp_path, accuracy=f"table:{tmp_path / name}"))


def test_what_a_table_lacks_is_named(space: SearchSpace, tmp_path: Path) -> None:
    budget = Budget(limits=(Limit(figure="ram_bytes", device="fake", value=1e6),))
    with pytest.raises(InputError, match="no RAM"):
        run(request(space, tmp_path, budget=budget))
    with pytest.raises(InputError, match="needs a task"):
        run(request(space, tmp_path, accuracy="train"))
    with pytest.raises(InputError, match="smallest"):
        request(space, tmp_path, objectives=("latency_s@fake",))


def test_a_storage_that_stays_away_ends_the_search(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_WAITS_S", (0.0, 0.0))
    wanted = request(space, tmp_path, trials=12)
    run(replace(wanted, trials=2))
    import optuna

    calls = {"n": 0}
    real = optuna.Study.ask

    def ask(self: optuna.Study, *arguments: Any) -> Any:
        calls["n"] += 1
        if calls["n"] > 3:
            raise OSError("the server is gone")
        return real(self, *arguments)

    monkeypatch.setattr(optuna.Study, "ask", ask)
    with pytest.raises(StorageError, match="does not answer"):
        run(wanted)
    monkeypatch.undo()
    run(wanted)
    found = tried(wanted)
    assert len(found) == len(set(found)) == 12


def command(space: SearchSpace, folder: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "edgebench.cli.main", "search", str(folder / "search_spaces" / f"{space.name}.toml"),
        "-d", "fake", "--max-latency", "1ms", "--study", "cli", "--results", str(folder / "results"), *more,
    ]  # fmt: skip


@pytest.mark.child
def test_two_processes_share_a_study_without_repeating(space: SearchSpace, tmp_path: Path) -> None:
    accuracies(space, tmp_path / "accuracies.json")
    TableStore(tmp_path / "results").save(fake_table(space))
    line = command(space, tmp_path, "--accuracy", f"table:{tmp_path}/accuracies.json", "--finalists", "0")
    both = [subprocess.Popen([*line, "--trials", "12"], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0], [p.stderr and p.stderr.read() for p in both]
    for process in both:
        if process.stderr:
            process.stderr.close()
    found = tried(request(space, tmp_path, study="cli"))
    assert len(found) == len(set(found)) == 12


@pytest.mark.child
@needs_training
@pytest.mark.slow
def test_trained_distilled_exported_and_measured(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(
        space,
        tmp_path,
        accuracy="train",
        task=TaskText(text="digits", seed=0),
        recipe=Recipe(epochs=1),
        final_recipe=Recipe(epochs=2, distillation=0.5),
        trials=3,
        finalists=1,
        budget=Budget(limits=(Limit(figure="latency_s", device="fake", value=1e-3),), max_accuracy_drop=0.9),
    )
    record = run(wanted)
    (finalist,) = record.finalists
    assert finalist.solution, finalist.faults
    assert record.reference is not None
    assert record.reference.test_accuracy is not None
    (accuracy,) = finalist.accuracies
    assert accuracy.accuracy.low < accuracy.accuracy.value < accuracy.accuracy.high
    assert accuracy.drop is not None
    assert {Path(file).suffix for file in finalist.files} == {".onnx", ".tflite"}
    assert all(Path(file).is_file() for file in finalist.files)
    assert "digits" in record.task
    assert search_report(record).tables[-1].rows
    # A resumed search repeats no full training.
    weights = {path: path.stat().st_mtime_ns for path in wanted.folder.rglob("weights.npz")}
    again = run(wanted)
    assert {path: path.stat().st_mtime_ns for path in wanted.folder.rglob("weights.npz")} == weights
    assert again.finalists[0].validation_accuracy == finalist.validation_accuracy


def test_a_search_trains_and_measures_wherever_its_workers_are(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process is started here: workers answer from a table."""
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a child process was started"))
    largest = space.canonical_one(space.largest)
    network = space.network(largest)
    shape = (*network.input_shape[:2], network.input_shape[-1])
    classes = network.shapes[network.output][0]
    info = ModelInfo(name="n", source="n", format=ModelFormat.ONNX, digest="ab", size_bytes=1)
    facts = TaskFacts(name="canned", classes=classes, input_shape=shape, digest="cd", samples=(8, 4, 4))
    sample = Sample(latencies_s=(1e-4,), wall_s=1e-4)
    workers = CannedWorkers(
        {
            DescribeTask: lambda _: facts,
            TrainJob: lambda job: [
                Epoch(number=1, accuracy=0.5),
                Trained(epochs=2, accuracy=0.9 if job.architecture == largest else 0.8),
            ],
            ExportJob: lambda job: Exported(
                paths=(f"{job.name}.onnx", f"{job.name}.tflite", f"{job.name}.int8.tflite")
            ),
            Predict: lambda _: Predictions(classes=(1, 2, 3, 1), labels=(1, 2, 3, 4)),
            Prepare: lambda prepare: Prepared(info=info, path=prepare.wanted.source),
            Load: lambda _: Loaded(load_s=0.1, first=sample, iterations=1, burst_s=1e-4, method="canned"),
            Run: lambda _: sample,
            Finish: lambda _: Finished(peak_ram_bytes=1, footprint=Footprint()),
        }
    )
    wanted = request(space, tmp_path, accuracy="train", task=TaskText(text="canned", seed=0), trials=4, finalists=1)
    record = search(wanted, PLAN, on_update=lambda *_: None, workers=workers)
    (finalist,) = record.finalists
    assert finalist.solution
    assert finalist.accuracies[0].accuracy.value == pytest.approx(0.75)
    assert finalist.checks[0].found is not None
    assert finalist.checks[0].found.value == pytest.approx(1e-4)
    assert record.front[0].accuracy == pytest.approx(0.9 if finalist.architecture == space.text(largest) else 0.8)


@pytest.mark.child
@needs_training
@pytest.mark.slow
def test_losses_that_are_no_numbers_fail_trials_and_nothing_else(space: SearchSpace, tmp_path: Path) -> None:
    wanted = request(
        space,
        tmp_path,
        accuracy="train",
        task=TaskText(text="digits", seed=0),
        recipe=Recipe(epochs=1, learning_rate=1e30),
        trials=2,
    )
    record = run(wanted)
    assert (record.trials, record.failed, record.front) == (0, 2, ())
    assert any(remark.kind == "failure" for remark in search_report(record).remarks)


@pytest.mark.child
@needs_training
@pytest.mark.slow
def test_a_killed_training_is_done_again(space: SearchSpace) -> None:
    job = TrainJob(
        space=SpaceText.of(space),
        architecture=space.smallest,
        task=TaskText(text="digits", seed=0),
        recipe=Recipe(epochs=2),
        seed=0,
    )
    process = TrainingProcess()
    kills = [1, 0]

    def kill_once(_: object) -> bool:
        if kills[0]:
            kills[0] -= 1
            kills[1] += 1
            (child,) = (child for child in psutil.Process().children() if is_training(child))
            child.kill()
        return True

    try:
        assert process.train(job, kill_once).accuracy > 0.1
        assert kills == [0, 1]
        kills[0] = 9
        with pytest.raises(TrialFailedError, match="3 times"):
            process.train(job, kill_once)
    finally:
        process.close()


def is_training(process: psutil.Process) -> bool:
    try:
        return "edgebench.workers.training" in process.cmdline()
    except psutil.Error:
        return False  # It has just ended.


@pytest.mark.child
@needs_training
@pytest.mark.slow
def test_a_killed_search_loses_and_repeats_nothing(space: SearchSpace, tmp_path: Path) -> None:
    TableStore(tmp_path / "results").save(fake_table(space))
    line = command(
        space, tmp_path, "--task", "digits", "--epochs", "4", "--trials", "6", "--jobs", "2", "--finalists", "0"
    )
    journal = tmp_path / "results" / "studies" / "cli" / "journal.log"
    process = subprocess.Popen(line)
    # Killed in the middle of a trial, once one is finished.
    wait_for_a_trial(journal)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = tried(request(space, tmp_path, study="cli"))
    assert subprocess.run(line, timeout=200).returncode == 0
    after = tried(request(space, tmp_path, study="cli"))
    assert set(before) <= set(after)
    assert len(after) == len(set(after))
    study = calls.load_study("cli", "", tmp_path / "results" / "studies")
    assert not any(trial.state.name == "RUNNING" for trial in study.trials)
    assert sum(trial.state.name in {"COMPLETE", "PRUNED"} for trial in study.trials) == 6


@pytest.mark.child
@needs_training
@pytest.mark.slow
def test_an_interrupted_search_goes_on_by_its_name(space: SearchSpace, tmp_path: Path) -> None:
    TableStore(tmp_path / "results").save(fake_table(space))
    line = command(
        space, tmp_path, "--task", "digits", "--epochs", "2", "--trials", "5", "--finalists", "0", "--sampler", "random"
    )
    journal = tmp_path / "results" / "studies" / "cli" / "journal.log"
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    wait_for_a_trial(journal)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "of 5 trials and what was measured are saved" in said
    # The command that is printed, with nothing but the name, does go on.
    printed = said.partition("go on: edgebench ")[2].splitlines()[0].split()
    shown = edgebench_in(tmp_path, "search", "show", "cli", "--results", str(tmp_path / "results"))
    assert shown.returncode == 0
    assert "not finished" in shown.stderr
    done = edgebench_in(tmp_path, *printed)
    assert done.returncode == 0, done.stderr
    assert "optuna-dashboard" in done.stderr
    study = calls.load_study("cli", "", tmp_path / "results" / "studies")
    assert sum(trial.state.name in {"COMPLETE", "PRUNED"} for trial in study.trials) == 5
    # What is given anew is compared.
    other = edgebench_in(tmp_path, *printed, "--max-latency", "2ms")
    assert other.returncode == 4
    assert "limit of latency_s@fake was 0.001, is now 0.002" in other.stderr
    resumed = edgebench_in(tmp_path, "search", "resume", "cli", *printed[3:], "--trials", "6")
    assert resumed.returncode == 0, resumed.stderr
    mistyped = edgebench_in(tmp_path, "search", "--study", "clii", "--results", str(tmp_path / "results"))
    assert mistyped.returncode == 2
    assert "did you mean 'cli'" in mistyped.stderr


def edgebench_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "edgebench.cli.main", *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=200)


def wait_for_a_trial(journal: Path) -> None:
    """Until one is finished, or two minutes have passed."""
    until = time.monotonic() + 120
    while time.monotonic() < until and '"accuracy"' not in (journal.read_text() if journal.exists() else ""):
        time.sleep(0.05)
