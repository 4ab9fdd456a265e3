"""Messages between parent and child: typed, versioned, and never trusted."""

import json
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from edgebench.core.compression import StepDone
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat, ModelInfo
from edgebench.core.place import MeterStatus, Seen
from edgebench.core.profile import Footprint, LayerCost, Outcome, Sample
from edgebench.core.record import Record
from edgebench.core.support import LeftOperators, Support
from edgebench.errors import EdgebenchError
from edgebench.links.base import MessageTooLongError
from edgebench.models.deployment import Deployment
from edgebench.models.prepare import Prepared, PrepareRequest
from edgebench.store.devices import find_device
from edgebench.tasks.recipe import Recipe
from edgebench.workers import protocol
from edgebench.workers.measuring.board_jobs import (
    ClockTime,
    CoolDown,
    Cooled,
    FindStored,
    ListFiles,
    Look,
    ModelFiles,
    ReadClock,
    Stored,
    StorePart,
)
from edgebench.workers.measuring.jobs import (
    CompareOutputs,
    CountOperators,
    Done,
    ExecutedOperators,
    Finish,
    Finished,
    ListedLayers,
    ListLayers,
    Load,
    Loaded,
    MakeReady,
    Moment,
    OutputsCompared,
    Prepare,
    Reserve,
    Run,
    RunTimed,
    TimedSample,
    Try,
    WriteProject,
    Written,
)
from edgebench.workers.measuring.race_jobs import Race, Raced, RaceResult
from edgebench.workers.protocol import (
    FailureKind,
    LongRequest,
    Order,
    ProtocolError,
    Request,
    Trouble,
    VersionMismatchError,
    answer_message,
    failure_message,
    open_envelope,
    order_message,
    progress_message,
    read_answer,
    read_order,
    read_progress,
    read_request,
    request_message,
)
from edgebench.workers.training.compress_jobs import ApplyPass, ArtefactFacts, Deploy, ImportModel
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
from edgebench.workers.worker import ChildError, Worker
from tests.canned_workers import TalkingLink, envelope

SPACE = SpaceText(name="tiny", family="dscnn", options={"widths": [8, 16], "depth": 2, "ratio": 0.5})
TASK = TaskText(text="digits", seed=1)
SAMPLE = Sample(latencies_s=(1e-3, 1.5e-3), wall_s=2.5e-3)
METRIC = Metric(value=2.0, unit="s", provenance=Provenance.ESTIMATED, method="m", low=1.0, high=3.0, source="s")
LOADED = Loaded(load_s=0.1, first=SAMPLE, iterations=3, burst_s=0.01, method="a clock")
INFO = ModelInfo(name="m", source="m.onnx", format=ModelFormat.ONNX, digest="ab", size_bytes=3)
EXCHANGES: list[tuple[Request[Any], Record]] = [
    (
        Prepare(wanted=PrepareRequest(source="µ.onnx", formats=(ModelFormat.ONNX,), shapes={"x": (1, 3)}, folder="/f")),
        Prepared(info=INFO, path="/f/m.onnx"),
    ),
    (MakeReady(device=find_device("nucleo-l4r5zi")), Done()),
    (Reserve(device=find_device("nucleo-l4r5zi"), owner="kws on mine"), Done()),
    (
        Look(device=find_device("host")),
        Seen(
            versions={"onnxruntime": "1.32.0"},
            edgebench="0.1.0",
            build="0123456789ab",
            machine={"cpu": "Cortex-A76"},
            warnings=("it is warm",),
            meters=(MeterStatus(name="rapl", ready=False, detail="no sensor", remedy="use another"),),
            clock_s=1.7e9,
        ),
    ),
    (CoolDown(device=find_device("host")), Cooled(waited_s=3.5, temperature_c=48.0)),
    (ListFiles(model="model.onnx"), ModelFiles(beside=("weights.bin",))),
    (FindStored(digests={"model.onnx": "ab"}, size_bytes=2), Stored(folder="/cache", missing=("model.onnx",))),
    (StorePart(folder="/cache", name="model.onnx", offset=0, content="AA==", digest="ab"), Done()),
    (
        CountOperators(device=find_device("host"), models=("a.onnx", "b.onnx")),
        ExecutedOperators(counts=({"Conv": 3}, {})),
    ),
    (
        CompareOutputs(device=find_device("host"), before="a.onnx", after="b.onnx", inputs=InputSource()),
        OutputsCompared(compared=2, difference=0.25),
    ),
    (
        Try(device=find_device("nucleo-l4r5zi"), model="m.tflite", inputs=InputSource()),
        Support(left=(LeftOperators(operator="ERF", count=2, reason="none"),), at_least={"ram_bytes": 5}),
    ),
    (
        WriteProject(
            device=find_device("nucleo-l4r5zi"), model="/f/m.tflite", inputs=InputSource(seed=2), folder="/f/p"
        ),
        Written(files=("model.c", "kernels/a.c"), notes=("int8",)),
    ),
    (Load(device=find_device("host"), model="/f/m.onnx", inputs=InputSource(seed=2)), LOADED),
    (Run(iterations=2), SAMPLE),
    (RunTimed(iterations=2), TimedSample(sample=SAMPLE, moment=Moment(begin_s=5.0, end_s=5.5, inferences=2))),
    (ReadClock(), ClockTime(time_s=5.25)),
    (
        Finish(layers=True),
        Finished(
            peak_ram_bytes=1,
            footprint=Footprint(ram_bytes=METRIC),
            metrics={"latency_s": METRIC},
            notes=("quiet",),
            layers=(LayerCost(name="a", operator="Conv", share=0.5, metrics={"cycles": METRIC}),),
        ),
    ),
    (
        ListLayers(),
        ListedLayers(layers=(LayerCost(name="a", operator="Conv", share=0.5, metrics={"cycles": METRIC}),)),
    ),
    (
        Race(device=find_device("fake"), models=("a", "b"), seconds=0.5),
        Raced(results=(RaceResult(latency_p5_s=1e-3, latency_s=2e-3),) * 2),
    ),
    (
        TrainJob(space=SPACE, architecture=(0, 1), task=TASK, recipe=Recipe(epochs=2), seed=0, teacher=((1, 1), "w")),
        Trained(epochs=2, accuracy=0.9, seconds=1.5),
    ),
    (SupernetJob(space=SPACE, task=TASK, recipe=Recipe(epochs=2), seed=0, state="s"), SharedWeights(epochs=2)),
    (SharedAccuracy(architecture=(0, 1)), Score(value=0.5)),
    (Synflow(space=SPACE, architecture=(0, 1)), Score(value=12.5)),
    (
        ExportJob(space=SPACE, architecture=(0, 1), weights="w", task=TASK, folder="f", name="n"),
        Exported(paths=("a.onnx", "a.tflite", "a.int8.tflite")),
    ),
    (
        DescribeTask(task=TASK),
        TaskFacts(name="d", classes=10, input_shape=(8, 8, 1), digest="cd", samples=(10, 5, 5)),
    ),
    (Predict(path="a", task=TASK, part="test", reference=True), Predictions(classes=(1, 2), labels=(1, 3))),
    (
        ImportModel(model="a.tflite", name="a", folder="f", task=None, epochs=2, seed=0),
        ArtefactFacts(digest="ab", steps=(StepDone(text="train", done="trained", accuracy=0.5),)),
    ),
    (
        ApplyPass(
            text="prune(0.3)",
            parent="p",
            original="o",
            folder="f",
            task=TASK,
            epochs=2,
            seed=0,
            costs={"host": {"a": (1.5, 0.5)}},
        ),
        ArtefactFacts(not_applicable="too narrow", remedy="raise the ratio"),
    ),
    (
        Deploy(artefact="f", folder="g", name="n", task=TASK),
        Deployment(onnx=None, tflite="a.tflite", refusal="no", notes={".tflite": "x"}),
    ),
]
KINDS = {type(request).verb: type(request) for request, _ in EXCHANGES}
RUN = Run(iterations=2)


def subclasses(kind: type) -> set[type]:
    return {found for child in kind.__subclasses__() for found in (child, *subclasses(child))}


def nonsense(*messages: Any, request: Request[Any] = RUN) -> ChildError:
    """What comes of it when a child says this."""
    link = TalkingLink(*messages)
    worker = Worker(link, ["x"])
    asked = worker.ask if not isinstance(request, LongRequest) else partial(worker.follow, on_progress=lambda _: True)
    with pytest.raises(ChildError) as caught:
        asked(request, timeout_s=1)
    assert link.closed, "a child that talks nonsense is ended"
    return caught.value


@pytest.mark.parametrize(("request_", "answer"), EXCHANGES, ids=[type(request).verb for request, _ in EXCHANGES])
def test_requests_and_answers_arrive_as_they_were(request_: Request[Any], answer: Record) -> None:
    assert read_request(request_message(request_), KINDS) == request_
    assert read_answer(open_envelope(answer_message(answer)), request_) == answer


def test_every_request_is_whole_and_tried_here() -> None:
    kinds = {
        kind
        for kind in subclasses(Request)
        if kind.__module__.startswith("edgebench.workers.") and kind.__dict__.get("verb")
    }
    # A dataclass with slots is made twice, and the first one lives on among the subclasses.
    assert {kind.__qualname__ for kind in kinds} == {type(request).__qualname__ for request, _ in EXCHANGES}
    verbs = [type(request).verb for request, _ in EXCHANGES]
    assert len(verbs) == len(set(verbs))
    for request, answer in EXCHANGES:
        assert type(request).step.startswith("while "), "it follows the word crashed"
        assert protocol._stated_types(type(request))[0] is type(answer)


def test_progress_and_orders_arrive_as_they_were() -> None:
    epoch = Epoch(number=3, accuracy=0.5)
    job = next(request for request, _ in EXCHANGES if isinstance(request, TrainJob))
    assert read_progress(open_envelope(progress_message(epoch)), job) == epoch
    assert read_progress(open_envelope(answer_message(Trained(epochs=1, accuracy=0.5))), job) is None
    assert [read_order(order_message(order)) for order in Order] == list(Order)


def test_a_message_is_a_line_that_names_its_version() -> None:
    for request, answer in EXCHANGES:
        for message in (request_message(request), answer_message(answer)):
            assert b"\n" not in message
            assert json.loads(message)["protocol"] == protocol.VERSION == 1


@pytest.mark.parametrize("theirs", [2, 7, 999_999])
def test_another_version_is_reported_with_both(theirs: int) -> None:
    message = json.dumps({"protocol": theirs, "hello": []}).encode()
    with pytest.raises(VersionMismatchError):
        read_request(message, KINDS)
    error = nonsense(message)
    assert error.outcome is Outcome.UNAVAILABLE
    assert f"protocol {theirs}" in error.message
    assert "protocol 1" in error.message
    assert "same edgebench" in str(error.remedy)


DEEP = b'{"protocol": 1, "answer": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
WRONG = [
    b"",
    b"hello",
    b"[]",
    b"null",
    b"{}",
    b'{"protocol": 1',
    b'{"protocol": true, "answer": {}}',
    b'{"protocol": 1.0, "answer": {}}',
    b'{"protocol": "1", "answer": {}}',
    b'{"protocol": -1, "answer": {}}',
    b'{"protocol": ' + b"9" * 5000 + b"}",
    b'{"answer": {"latencies_s": [1.0]}}',
    b"\xff\xfe\x00",
    '{"protocol": 1, "answer": {"latencies_s": [1.0]}}'.encode("utf-16"),
    b"[" * 100_000,
    DEEP,
    b'{"protocol": 1, "answer": {"latencies_s": [NaN]}}',
    b'{"protocol": 1, "answer": {"latencies_s": [1e999]}}',
    b'{"protocol": 1, "answer": {"latencies_s": [' + b"9" * 400 + b"]}}",
    envelope(),
    envelope(answer=[]),
    envelope(answer=None),
    envelope(answer={}),
    envelope(answer={"latencies_s": []}),
    envelope(answer={"latencies_s": ["1"], "wall_s": "now"}),
    envelope(answer={"latencies_s": [1.0], "\x1b[2J": 1}),
    envelope(answer={"latencies_s": [1.0]}, more=1),
    envelope(progress={"number": 1, "accuracy": 0.5}),
    envelope(failure={"kind": "tired", "what": "so tired"}),
    envelope(failure={"kind": "crashed"}),
    envelope(failure={"kind": "crashed", "what": "\ud800"}),
    envelope(request="run", body={"iterations": 1}),
    envelope(order="continue"),
]


@pytest.mark.parametrize("message", WRONG, ids=[str(message[:40]) for message in WRONG])
def test_what_is_not_of_the_protocol_is_nonsense(message: bytes) -> None:
    error = nonsense(message)
    assert error.outcome is Outcome.CRASHED
    assert error.message.startswith("the worker's answer is invalid: ")
    assert error.message.isprintable()
    assert len(error.message) < 500
    assert "restore the file" not in str(error)


def test_a_message_that_is_too_long_is_nonsense() -> None:
    error = nonsense(MessageTooLongError("a message of more than 67108864 bytes"))
    assert error.message == "the worker's answer is invalid: a message of more than 67108864 bytes"


def test_an_answer_to_another_request_is_nonsense() -> None:
    race = Race(device=find_device("fake"), models=("a", "b", "c"), seconds=1)
    two = answer_message(Raced(results=(RaceResult(latency_p5_s=1, latency_s=1),) * 2))
    assert "2 results of 3 models" in nonsense(two, request=race).message
    assert "not a valid Sample" in nonsense(answer_message(Score(value=1))).message
    backwards = {"load_s": 1, "first": {"latencies_s": []}, "iterations": 0, "burst_s": 1, "method": "x"}
    load = Load(device=find_device("fake"), model="m", inputs=InputSource())
    assert "at least one inference" in nonsense(envelope(answer=backwards), request=load).message


def test_progress_that_continues_after_a_stop_is_nonsense() -> None:
    job = next(request for request, _ in EXCHANGES if isinstance(request, TrainJob))
    epoch = progress_message(Epoch(number=1, accuracy=0.5))
    link = TalkingLink(*[epoch] * 5)
    with pytest.raises(ChildError, match=r"invalid: instead of an answer, progress"):
        Worker(link, ["x"]).follow(job, lambda _: False, timeout_s=1)
    assert link.sent[1:] == [order_message(Order.STOP)]


TEXT = st.text(st.characters(), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)
PARTS = st.sampled_from(["protocol", "answer", "progress", "failure", "request", "kind", "what", "latencies_s"])
SHAPES = st.dictionaries(PARTS, JSON | st.just(1), max_size=4)


def only_a_child_error(message: bytes) -> None:
    for request, _ in EXCHANGES:
        assert nonsense(message, request=request).message


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
@example(b"\xed\xa0\x80")
def test_no_bytes_are_more_than_a_child_error(message: bytes) -> None:
    only_a_child_error(message)


@settings(max_examples=300, deadline=None)
@given(JSON | SHAPES)
def test_no_json_is_more_than_a_child_error(value: Any) -> None:
    # The right answer where all fields have defaults.
    assume(value != {"answer": {}, "protocol": 1})
    only_a_child_error(json.dumps(value).encode())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["answer", "progress", "failure"]), st.data())
def test_no_content_of_an_envelope_is_more_than_an_error_or_an_answer(part: str, data: st.DataObject) -> None:
    """Right envelopes around what is nearly right."""
    request, answer = data.draw(st.sampled_from(EXCHANGES))
    plain = json.loads(answer_message(answer))["answer"]
    for _ in range(data.draw(st.integers(1, 3))):
        plain = damaged(plain, data)
    message = json.dumps({"protocol": 1, part: plain}).encode()
    try:
        found = read_answer(open_envelope(message), request)
    except ProtocolError as error:
        assert error.what.isprintable()
    else:
        assert isinstance(found, (type(answer), Trouble))


def damaged(value: Any, data: st.DataObject) -> Any:
    """The same with something in it replaced, left out or added."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: damaged(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], damaged(value[place], data), *value[place + 1 :]]
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        return {key: item for key, item in value.items() if key != data.draw(st.sampled_from(sorted(value)))}
    return data.draw(JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Request[Score]):
    verb: ClassVar[str] = "odd"
    step: ClassVar[str] = "while something odd happened"
    text: str = ""
    value: float = 0.0


@pytest.mark.parametrize(
    "odd", [Odd(text="\udcff.onnx"), Odd(value=math.nan), Odd(value=math.inf), Odd(text="x" * (65 << 20))]
)
def test_what_cannot_be_sent_is_bad_input_and_harms_nothing(odd: Odd) -> None:
    link = TalkingLink(answer_message(SAMPLE))
    worker = Worker(link, ["x"])
    with pytest.raises(ChildError) as caught:
        worker.ask(odd, timeout_s=1)
    assert caught.value.outcome is Outcome.BAD_INPUT
    assert (link.sent, link.closed) == ([], 0)
    assert worker.ask(RUN, timeout_s=1) == SAMPLE


def test_failures_are_reported_whatever_they_contain() -> None:
    trouble = Trouble(kind=FailureKind.BAD_INPUT, what="no \udcff", where="a\udcff.onnx", remedy="rename it")
    found = read_answer(open_envelope(failure_message(trouble)), RUN)
    assert isinstance(found, Trouble)
    assert (found.what, found.where, found.remedy) == ("no ?", "a?.onnx", "rename it")


@pytest.mark.parametrize(
    "message", [*WRONG, envelope(request="sing", body={}), envelope(request="run", body={"do": 1})]
)
def test_a_child_takes_nothing_else_for_a_request_or_an_order(message: bytes) -> None:
    if message != envelope(order="continue"):
        with pytest.raises(ProtocolError):
            read_order(message)
    if message != envelope(request="run", body={"iterations": 1}):
        with pytest.raises(ProtocolError):
            read_request(message, KINDS)


def test_nothing_of_the_protocol_speaks_of_files(tmp_path: Path) -> None:
    """The codec is shared with files; what to do about damage is not."""
    with pytest.raises(EdgebenchError) as caught:
        read_answer(open_envelope(envelope(answer={})), RUN)
    assert caught.value.remedy is None
