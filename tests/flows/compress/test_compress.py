"""A compression from the model to the verdict, with real training of a small network, and what may happen to it."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebench.core.budget import Budget, Limit
from edgebench.core.compression import CompressionRecord, StrategyState
from edgebench.core.plan import MeasurementPlan
from edgebench.errors import InputError, NotComparableError, StorageError
from edgebench.flows.compress import layer_costs, measuring
from edgebench.flows.compress.compress import compress
from edgebench.flows.compress.request import CompressRequest
from edgebench.models.network.weights import random_weights
from edgebench.models.onnx.writer import to_onnx
from edgebench.reports.compress import compression_report
from edgebench.store.devices import find_device
from edgebench.store.strategies import Strategy, chosen_strategies, known_strategies
from edgebench.store.tables import TableStore
from edgebench.tasks.recipe import Recipe
from edgebench.tasks.registry import load_task
from edgebench.tasks.training import train
from edgebench.workers.training.compress_jobs import ApplyPass, ArtefactFacts
from edgebench.workers.training.jobs import TaskText, Trained, TrainJob
from edgebench.workers.training.pool import TrainingProcess, TrialFailedError
from tests.compress.files import squeezing_onnx
from tests.extras import needs_torch
from tests.small_space import fake_table, open_twelve
from tests.tasks.synthetic import bars, small_network

pytestmark = [pytest.mark.child, pytest.mark.heavy, needs_torch]
PLAN = MeasurementPlan(repetitions=1, time_limit_s=5, goal=10)
LIMIT = Limit(figure="latency_s", device="fake", value=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model and its task."""
    folder = tmp_path_factory.mktemp("compress")
    images, labels = bars(240)
    np.savez(folder / "bars.npz", x=images, y=labels)
    network = small_network(width=8)
    trained = train(network, load_task(str(folder / "bars.npz")), Recipe(epochs=10), seed=0)
    to_onnx(network, trained.weights, folder / "bars.onnx")
    return folder


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> CompressRequest:
    return CompressRequest(
        model=str(folder / "bars.onnx"),
        devices=(find_device("fake"),),
        budget=Budget(limits=(LIMIT,)),
        strategies=tuple(Strategy(name=name, pipeline=text) for name, text in PIPELINES.items()),
        task=TaskText(text=str(folder / "bars.npz"), seed=0),
        epochs=1,
        study="s",
        results=tmp_path,
    )


PIPELINES = {
    "plain": "",
    "pruned": "prune(0.5) + tune",
    "both": "prune(0.5) + tune + int8",
    "none": "prune(0.5, by=moon)",
}


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passes that processes were asked for."""
    asked: list[str] = []
    real = TrainingProcess.compress

    def noting(self: TrainingProcess, job: Any, *rest: Any) -> ArtefactFacts:
        asked.append(job.text if isinstance(job, ApplyPass) else "import")
        return real(self, job, *rest)

    monkeypatch.setattr(TrainingProcess, "compress", noting)
    return asked


def run(request: CompressRequest, **options: Any) -> CompressionRecord:
    return compress(request, PLAN, on_update=options.pop("on_update", lambda *_: None), **options)


@pytest.mark.slow
def test_every_strategy_is_made_measured_and_judged_and_nothing_twice(
    request_: CompressRequest, jobs: list[str]
) -> None:
    record = run(request_)
    states = {result.name: result.state for result in record.strategies}
    assert states["none"] is StrategyState.NOT_APPLICABLE
    assert {states[name] for name in ("plain", "pruned", "both")} == {StrategyState.MEASURED}
    assert record.recommendation is not None
    assert record.recommendation.meets
    assert jobs == ["import", "prune(0.5)", "tune", "int8", "prune(0.5, by=moon)"], "shared prefixes run once"
    both = record.strategies[2]
    assert [step.text for step in both.steps] == ["prune(0.5)", "tune", "int8"]
    assert both.files[0].update_bytes < both.files[0].file_bytes
    assert both.accuracies[0].drop is not None
    assert all(Path(path).exists() for path in both.artefacts)
    assert any(path.endswith("manifest.json") for path in both.artefacts)
    jobs.clear()
    again = run(replace(request_, budget=Budget()))
    assert jobs == ["prune(0.5, by=moon)"], "what does not apply leaves nothing behind"
    assert again.strategies[2].figures == both.figures, "nothing is measured twice either"
    text = str(compression_report(record))
    assert "moon" in text
    assert record.recommendation.strategy in text


def test_a_model_that_knows_nothing_is_trained_first(request_: CompressRequest, tmp_path: Path) -> None:
    network = small_network(width=8)
    to_onnx(network, random_weights(network, 0), tmp_path / "random.onnx")
    (plain,) = run(
        replace(request_, model=str(tmp_path / "random.onnx"), strategies=request_.strategies[:1])
    ).strategies
    assert [step.text for step in plain.steps] == ["train"]


@pytest.mark.slow
def test_a_killed_run_resumes_without_training_again(request_: CompressRequest, jobs: list[str]) -> None:
    def interrupt(record: CompressionRecord, _: object) -> None:
        if len(record.strategies) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(request_, on_update=interrupt)
    first = list(jobs)
    run(request_)
    assert sorted(jobs) == sorted([*first, "int8", "prune(0.5, by=moon)"])


def test_a_strategy_that_diverges_fails_alone(request_: CompressRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    real = TrainingProcess.compress

    def diverging(self: TrainingProcess, job: Any, *rest: Any) -> ArtefactFacts:
        if isinstance(job, ApplyPass) and job.text == "tune":
            raise TrialFailedError("the loss became nan", remedy="lower the learning rate")
        return real(self, job, *rest)

    monkeypatch.setattr(TrainingProcess, "compress", diverging)
    record = run(request_)
    states = [result.state for result in record.strategies]
    assert states == ["measured", "failed", "failed", "not applicable"]
    assert "nan" in record.strategies[1].reason
    assert record.recommendation is not None
    assert record.recommendation.strategy == "plain"


@pytest.mark.slow
def test_a_full_disk_ends_the_command_and_what_was_done_is_kept(
    request_: CompressRequest, monkeypatch: pytest.MonkeyPatch, jobs: list[str]
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise StorageError("the disk is full", where=str(path), remedy="free some space and run again")

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "write_atomically", full)
        with pytest.raises(StorageError, match="full"):
            run(request_)
    done = list(jobs)
    run(request_)
    assert jobs.count("import") == done.count("import") == 1


def test_without_a_task_costs_are_found_and_training_does_not_apply(request_: CompressRequest) -> None:
    record = run(replace(request_, task=None))
    states = [result.state for result in record.strategies]
    assert states == ["measured", "not applicable", "not applicable", "not applicable"]
    assert "needs a task" in record.strategies[1].reason
    assert record.reference is None
    assert not record.strategies[0].accuracies


def test_a_limit_of_accuracy_without_a_task_is_refused(request_: CompressRequest) -> None:
    with pytest.raises(InputError, match="needs a task"):
        replace(request_, task=None, budget=Budget(max_accuracy_drop=0.02))


def test_classes_that_do_not_match_are_refused_before_anything_is_trained(
    request_: CompressRequest, tmp_path: Path, jobs: list[str]
) -> None:
    network = small_network(width=8, classes=5)
    to_onnx(network, random_weights(network, 0), tmp_path / "five.onnx")
    with pytest.raises(InputError, match="has 3 classes"):
        run(replace(request_, model=str(tmp_path / "five.onnx")))
    assert jobs == ["import"]


def test_a_pipeline_that_is_wrong_is_refused_with_the_name_of_its_strategy(request_: CompressRequest) -> None:
    with pytest.raises(InputError, match="above 0") as caught:
        replace(request_, strategies=(Strategy(name="mine", pipeline="prune(0)"),))
    assert caught.value.where == "strategy mine"


def test_the_strategies_included_are_valid_and_the_users_own_win(
    request_: CompressRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    included = known_strategies()
    replace(request_, strategies=tuple(included.values()))
    assert {"int8-prune-distil", "prune-50", "scratch", "mixed-fused"} <= set(included)
    (tmp_path / "strategies.toml").write_text(
        'schema = "edgebench.strategies/1"\n[strategies.int8]\npipeline = "qat"\n[strategies.mine]\npipeline = "int8"\n'
    )
    assert known_strategies()["int8"].pipeline == "qat"
    assert [item.name for item in chosen_strategies(["mine", "prune(0.2) + int8"])] == ["mine", "prune-0.2-int8"]
    assert chosen_strategies(["fuse"], ["fuse"])[0].pipeline == "fuse"
    with pytest.raises(InputError, match="no strategy"):
        chosen_strategies(["min"])
    (tmp_path / "strategies.toml").write_text('schema = "edgebench.strategies/1"\n[strategies.x]\npipe = "int8"\n')
    with pytest.raises(InputError, match="pipeline"):
        known_strategies()


@pytest.mark.slow
def test_a_search_tries_pipelines_and_goes_on_where_it_ended(request_: CompressRequest, jobs: list[str]) -> None:
    searching = replace(request_, strategies=request_.strategies[:1], trials=3)
    first = run(searching)
    assert len(first.tried) == 3
    assert any(result.name.startswith("search-") for result in first.strategies)
    jobs.clear()
    again = run(searching)
    assert again.tried == first.tried
    assert not jobs, "nothing is trained or chosen again"
    more = run(replace(searching, trials=4))
    assert more.tried[:3] == first.tried
    assert len(more.tried) == 4
    with pytest.raises(NotComparableError, match="other limits"):
        run(replace(searching, budget=Budget()))


def test_a_search_trains_nothing_that_costs_too_much(request_: CompressRequest, jobs: list[str]) -> None:
    limit = Limit(figure="latency_s", device="fake", value=1e-9)
    record = run(replace(request_, strategies=(), trials=3, budget=Budget(limits=(limit,))))
    assert not {"tune", "distil", "qat", "qat(0.5)"} & set(jobs)
    assert all(item.accuracy is None and "exceeds its limit" in item.reason for item in record.tried)
    assert record.recommendation is not None
    assert not record.recommendation.meets


@pytest.fixture
def file_request(request_: CompressRequest, tmp_path: Path) -> CompressRequest:
    """A model with operators that networks of ours lack."""
    pipelines = {"plain": "", "int8": "int8", "weights": "int8_weights", "pruned": "prune(0.5) + tune"}
    return replace(
        request_,
        model=str(squeezing_onnx(tmp_path / "squeezing.onnx")),
        strategies=tuple(Strategy(name=name, pipeline=text) for name, text in pipelines.items()),
    )


@pytest.mark.slow
def test_a_model_that_is_no_network_of_ours_gets_a_verdict_all_the_same(
    file_request: CompressRequest, jobs: list[str]
) -> None:
    record = run(replace(file_request, trials=2))
    assert [result.state for result in record.strategies] == ["measured", "measured", "measured", "not applicable"]
    assert "MUL" in record.unread
    assert "changes the layers" in record.strategies[3].reason
    assert "MUL" in record.strategies[3].reason
    assert record.recommendation is not None
    assert record.recommendation.strategy
    assert not record.tried, "a search is made of passes that do not apply"
    assert record.reference is not None
    assert record.strategies[1].accuracies[0].drop is not None
    assert all(Path(path).exists() for result in record.strategies for path in result.artefacts)
    assert "cannot be read as a network" in str(compression_report(record))
    jobs.clear()
    again = run(file_request)
    assert jobs == ["prune(0.5)"], "what was made is not made again"
    assert again.strategies[1].figures == record.strategies[1].figures


def test_without_a_task_such_a_model_gets_figures_of_cost(file_request: CompressRequest) -> None:
    record = run(replace(file_request, task=None, strategies=file_request.strategies[:2]))
    assert [result.state for result in record.strategies] == ["measured", "measured"]
    assert record.parameters == 915
    assert record.recommendation is not None
    assert "unknown without a task" in record.recommendation.reason


@pytest.mark.slow
def test_a_redesign_searches_once_with_the_original_as_teacher(
    request_: CompressRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[TrainJob] = []
    real = TrainingProcess.train

    def noting(self: TrainingProcess, job: TrainJob, *rest: Any) -> Trained:
        asked.append(job)
        return real(self, job, *rest)

    monkeypatch.setattr(TrainingProcess, "train", noting)
    monkeypatch.chdir(tmp_path)
    space = open_twelve(tmp_path, classes=3)
    TableStore(request_.results).save(fake_table(space))
    wanted = replace(request_, strategies=(Strategy(name="new", pipeline=f"redesign({space.name}, trials=3)"),))
    (result,) = run(wanted).strategies
    assert result.state is StrategyState.MEASURED, result.reason
    assert len(asked) == 3
    assert all(job.original and job.recipe.distillation == 0.5 for job in asked)
    assert "3 under the limits" in result.steps[-1].done
    asked.clear()
    (again,) = run(wanted).strategies
    assert not asked, "the search is not repeated"
    assert again.figures == result.figures
    tight = Budget(limits=(replace(LIMIT, value=1e-9),))
    (refused,) = run(replace(wanted, budget=tight)).strategies
    assert refused.state is StrategyState.NOT_APPLICABLE
    assert "meets the limits" in refused.reason


def test_a_redesign_without_a_table_says_how_to_build_one(request_: CompressRequest) -> None:
    wanted = replace(request_, strategies=(Strategy(name="new", pipeline="redesign(mobile)"),))
    (result,) = run(wanted).strategies
    assert result.state is StrategyState.NOT_APPLICABLE
    assert "edgebench lut build mobile -d fake" in result.reason


@pytest.mark.slow
def test_a_search_trains_several_at_once_in_a_storage_of_the_users_and_nothing_twice(
    request_: CompressRequest, jobs: list[str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    searching = replace(request_, strategies=(), trials=4, jobs=2, storage=url)
    record = run(searching)
    assert len(record.tried) == 4
    assert (tmp_path / "trials.db").is_file()
    assert record.recommendation is not None
    done = sorted(jobs)
    jobs.clear()
    again = run(replace(searching, jobs=1))
    assert again.tried == record.tried
    assert not jobs
    (tmp_path / "results").mkdir()
    alone = run(replace(searching, jobs=1, trials=4, results=tmp_path / "results", storage="", study="alone"))
    assert {item.pipeline for item in alone.tried} == {item.pipeline for item in record.tried}, "four known starts"
    assert sorted(jobs) == done, "beginnings that pipelines share are trained once"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ethosu") is None, reason="needs Vela")
def test_passes_choose_by_the_layers_of_a_device_that_are_measured_once(
    request_: CompressRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    real = layer_costs.profile

    def noting(wanted: Any, **options: Any) -> Any:
        measured.append(wanted.devices[0].name)
        return real(wanted, **options)

    monkeypatch.setattr(layer_costs, "profile", noting)
    pipelines = {
        "pruned": "prune(0.5, by=ethos-u55-128) + int8",
        "thin": "lowrank(0.3, multiple=1, by=ethos-u55-128) + int8",
        "fake": "prune(0.5, by=fake) + int8",
    }
    wanted = replace(
        request_,
        devices=(find_device("ethos-u55-128"), find_device("fake")),
        strategies=tuple(Strategy(name=name, pipeline=text) for name, text in pipelines.items()),
        budget=Budget(),
        task=None,
    )
    pruned, thin, fake = run(wanted).strategies
    assert pruned.state is StrategyState.MEASURED, pruned.reason
    assert "by the time of layers on ethos-u55-128" in pruned.steps[0].done
    assert thin.state is StrategyState.MEASURED or "not be faster" in thin.reason
    assert fake.state is StrategyState.NOT_APPLICABLE
    assert "layers" in fake.reason
    assert measured.count("ethos-u55-128") > 5
    assert measured.count("fake") == 1, "a device that reports no layers is asked once"
    measured.clear()
    run(wanted)
    assert "ethos-u55-128" not in measured
