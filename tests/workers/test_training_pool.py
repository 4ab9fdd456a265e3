"""The parent's side of training, with a training process that answers from a table."""

import pytest

from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.links.base import Ending, LinkClosedError
from edgebench.tasks.recipe import Recipe
from edgebench.workers.protocol import FailureKind, Trouble
from edgebench.workers.training.jobs import (
    DescribeTask,
    Epoch,
    Exported,
    ExportJob,
    Predict,
    Predictions,
    Score,
    SharedAccuracy,
    SharedWeights,
    SpaceText,
    SupernetJob,
    Synflow,
    TaskFacts,
    TaskText,
    Trained,
    TrainJob,
)
from edgebench.workers.training.pool import TrainingPool, TrainingProcess, TrialFailedError
from tests.canned_workers import CannedWorkers

SPACE = SpaceText(name="s", family="dscnn", options={})
TASK = TaskText(text="digits", seed=0)
JOB = TrainJob(space=SPACE, architecture=(0,), task=TASK, recipe=Recipe(epochs=2), seed=0)
SHARED = SupernetJob(space=SPACE, task=TASK, recipe=Recipe(epochs=2), seed=0, state="state.npz")
EXPORT = ExportJob(space=SPACE, architecture=(0,), weights="w", task=TASK, folder="f", name="n")
STEPS = [Epoch(number=1, accuracy=0.5), Trained(epochs=2, accuracy=0.75)]
KILLED = LinkClosedError("the child has ended", Ending(signal="SIGKILL"))


def failing(kind: FailureKind, what: str = "no") -> Trouble:
    exception = "OddError" if kind is FailureKind.CRASHED else None
    return Trouble(kind=kind, what=what, remedy="try", exception=exception)


def test_a_process_answers_everything_that_a_search_asks() -> None:
    facts = TaskFacts(name="d", classes=10, input_shape=(8, 8, 1), digest="ab", samples=(10, 5, 5))
    predictions = Predictions(classes=(1,), labels=(2,))
    workers = CannedWorkers(
        {
            TrainJob: lambda _: STEPS,
            SupernetJob: lambda _: [SharedWeights(epochs=2)],
            SharedAccuracy: lambda request: Score(value=request.architecture[0] / 10),
            Synflow: lambda _: Score(value=12.5),
            ExportJob: lambda _: Exported(paths=("a", "b", "c")),
            DescribeTask: lambda _: facts,
            Predict: lambda _: predictions,
        }
    )
    seen: list[Epoch] = []
    process = TrainingProcess(workers)
    assert process.facts(TASK) == facts
    assert process.train(JOB, lambda epoch: not seen.append(epoch)) == STEPS[1]
    assert seen == STEPS[:1]
    process.share(SHARED)
    assert process.shared_accuracy((3,)) == pytest.approx(0.3)
    assert process.synflow(SPACE, (0,)) == pytest.approx(12.5)
    assert process.export(EXPORT) == ["a", "b", "c"]
    assert process.predict("a", TASK, "test", reference=False) == predictions
    assert len(workers.links) == 1, "one process does it all"
    process.close()
    assert workers.links[0].closed


def test_a_process_that_dies_is_started_anew_and_the_job_with_it() -> None:
    answers = iter([KILLED, KILLED, STEPS])
    workers = CannedWorkers({TrainJob: lambda _: next(answers)})
    assert TrainingProcess(workers).train(JOB) == STEPS[1]
    assert [link.closed > 0 for link in workers.links] == [True, True, False]


@pytest.mark.parametrize(
    "death",
    [
        KILLED,
        LinkClosedError("the child has ended", Ending(exit_code=1)),
        failing(FailureKind.CRASHED, "odd"),
        failing(FailureKind.OUT_OF_MEMORY),
        Score(value=1),  # Nonsense, where an end of training is expected.
    ],
    ids=["killed", "ended", "crashed", "out of memory", "nonsense"],
)
def test_a_job_that_kills_three_processes_has_failed(death: object) -> None:
    workers = CannedWorkers({TrainJob: lambda _: death})
    with pytest.raises(TrialFailedError, match="3 times"):
        TrainingProcess(workers).train(JOB)
    assert len(workers.links) == 3


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FailureKind.TRAINING_FAILED, TrialFailedError),
        (FailureKind.BAD_INPUT, InputError),
        (FailureKind.UNAVAILABLE, TargetUnavailableError),
        (FailureKind.UNSUPPORTED, UnsupportedModelError),
    ],
)
def test_a_failure_that_would_recur_is_reported_at_once(kind: FailureKind, error: type[Exception]) -> None:
    workers = CannedWorkers({TrainJob: lambda _: failing(kind, "the loss became nan")})
    with pytest.raises(error) as caught:
        TrainingProcess(workers).train(JOB)
    assert str(caught.value) == "the loss became nan (try)"
    assert len(workers.links) == 1


def test_a_training_is_stopped_when_it_is_asked_to() -> None:
    stopped = [STEPS[0], Epoch(number=2, accuracy=0.6), Trained(epochs=1, accuracy=0.5)]
    seen: list[Epoch] = []
    found = TrainingProcess(CannedWorkers({TrainJob: lambda _: stopped})).train(
        JOB, lambda epoch: bool(seen.append(epoch))
    )
    assert (seen, found) == (stopped[:1], stopped[2])


def test_a_fresh_process_reads_the_shared_weights_first() -> None:
    answers = iter([Score(value=0.25), KILLED, Score(value=0.5)])
    workers = CannedWorkers({SupernetJob: lambda _: SharedWeights(epochs=0), SharedAccuracy: lambda _: next(answers)})
    process = TrainingProcess(workers)
    process.share(SHARED)
    assert process.shared_accuracy((0,)) == pytest.approx(0.25)
    assert process.shared_accuracy((1,)) == pytest.approx(0.5)
    assert [type(request) for request in workers.asked] == [
        SupernetJob,
        SharedAccuracy,
        SharedAccuracy,
        SupernetJob,
        SharedAccuracy,
    ]


def test_an_interrupt_ends_the_process() -> None:
    workers = CannedWorkers({TrainJob: lambda _: STEPS})
    process = TrainingProcess(workers)

    def interrupt(_: Epoch) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.train(JOB, interrupt)
    assert workers.links[0].closed
    assert process.train(JOB) == STEPS[1]
    assert len(workers.links) == 2


def test_a_pool_lends_each_process_to_one_at_a_time_and_closes_all() -> None:
    workers = CannedWorkers({Synflow: lambda _: Score(value=1)})
    with TrainingPool(2, workers) as pool:
        with pool.process() as first, pool.process() as second:
            assert first is not second
            first.synflow(SPACE, (0,))
            second.synflow(SPACE, (0,))
        with pool.process() as third:
            assert third in {first, second}
    assert [link.closed > 0 for link in workers.links] == [True, True]
