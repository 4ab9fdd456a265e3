"""The flow of the gate on machines without processes: from models to verdicts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgebench.core.baseline import Baseline, BaselineEntry
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run as StoredRun
from edgebench.errors import InputError, NotComparableError
from edgebench.flows.gate import gate as gate_module
from edgebench.flows.gate.baselines import baseline_of, change, updated
from edgebench.flows.gate.cells import chosen_cells
from edgebench.flows.gate.entries import entry_of
from edgebench.flows.gate.gate import gate
from edgebench.flows.gate.request import GateRequest, Reference
from edgebench.flows.gate.stored import profiled_once
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.gate.limits import Limits, parse_limits
from edgebench.gate.verdict import Finding, GateResult, Mode, Verdict, exit_code
from edgebench.reports.gate import gate_report, sentence
from edgebench.workers.training.jobs import TaskText
from tests.flows.gate.machine import ExactTarget, Machine, Model, device

PLAN = MeasurementPlan(repetitions=1, time_limit_s=1000)
INPUTS = InputSource()


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "machine_warnings", list)
    monkeypatch.setattr(gate_module, "describe_machine", dict)
    monkeypatch.setattr("edgebench.flows.gate.baselines.git_revision", lambda _: None)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets whose figures repeat."""
    monkeypatch.setattr("edgebench.flows.profile.preparation.create_target", ExactTarget)


def asked(*limits: str, **changes: Any) -> GateRequest:
    request = GateRequest(
        cells=[("new.onnx", device())],
        limits=Limits(parse_limits(limits)),
        plan=PLAN,
        inputs=INPUTS,
        references={"new.onnx": Reference(path="old.onnx", text="old.onnx")},
    )
    return replace(request, **changes)


def held(old: Model, new: Model, *limits: str, output_difference: float | None = 0.0, **changes: Any) -> GateResult:
    machine = Machine({"old.onnx": old, "new.onnx": new}, output_difference=output_difference)
    return gate(asked(*limits, **changes), workers=machine)


def of(result: GateResult, figure: str, mode: Mode | None = None) -> Finding:
    (found,) = [one for one in result.findings if one.figure == figure and mode in {None, one.mode}]
    return found


def figures(result: GateResult) -> dict[str, Verdict]:
    return {finding.figure: finding.verdict for finding in result.findings}


def test_the_same_model_passes_after_six_pairs_of_fresh_processes() -> None:
    machine = Machine({"old.onnx": Model(noise=0.001), "new.onnx": Model(noise=0.001)})
    result = gate(asked(), workers=machine)
    assert figures(result) == dict.fromkeys(("latency_s", "latency_p90_s", "model_bytes"), Verdict.PASSED)
    assert of(result, "latency_s").pairs == 6
    assert len(of(result, "latency_s").ratios) == 6
    # Who is first changes with each pair; one more process of each for its layers.
    pairs = [("old.onnx", "new.onnx"), ("new.onnx", "old.onnx")] * 3
    assert machine.loads == [*(name for pair in pairs for name in pair), "old.onnx", "new.onnx"]
    assert exit_code(result.findings) == 0


def test_a_slower_model_regresses_and_its_slower_layers_are_named() -> None:
    old = Model(latency_s=1e-3, noise=0.002, layers={"stem": 0.5, "head": 0.5})
    new = Model(latency_s=1.1e-3, noise=0.002, layers={"stem": 0.6 / 1.1, "head": 0.5 / 1.1})
    found = of(held(old, new), "latency_s")
    assert (found.verdict, found.mode) == (Verdict.REGRESSED, Mode.PAIRED)
    assert found.pairs >= 12
    assert found.change == pytest.approx(0.1, abs=0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.1 < found.high
    assert [layer.name for layer in found.layers] == ["stem (Conv)"]
    assert "; slower: stem (Conv) (" in sentence(found)


def test_a_faster_model_improves_and_the_update_is_offered() -> None:
    result = held(Model(latency_s=1.2e-3), Model(latency_s=1e-3))
    assert of(result, "latency_s").verdict is Verdict.IMPROVED
    assert exit_code(result.findings) == 0
    with_update = gate_report(replace(result, update="edgebench baseline update main"))
    assert any(remark.remedy == "keep it: edgebench baseline update main" for remark in with_update.remarks)


def test_a_restless_machine_decides_nothing_and_never_passes() -> None:
    result = held(Model(noise=0.2), Model(noise=0.2))
    found = of(result, "latency_s")
    assert (found.verdict, found.pairs) == (Verdict.INCONCLUSIVE, 30)
    assert found.remedy
    assert exit_code(result.findings) == 4


def test_the_time_limit_is_kept_and_said() -> None:
    seconds = iter(range(0, 10_000, 5))
    machine = Machine({"old.onnx": Model(), "new.onnx": Model()})
    request = asked(plan=replace(PLAN, time_limit_s=21))
    from edgebench.flows.gate.paired import compare_paired

    preparation = Preparation("", PLAN, INPUTS, machine)
    ready = []
    for name in ("old.onnx", "new.onnx"):
        machine.models = {"old.onnx": Model(), "new.onnx": Model()}
        prepared = _prepared(preparation, name)
        ready.append(prepared)
    outcome = compare_paired(ready[0], ready[1], request, machine, lambda _: None, lambda: float(next(seconds)))
    found = outcome.findings[0]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "within the time limit of 21 s" in found.reason
    assert 0 < found.pairs < 6


def _prepared(preparation: Preparation, name: str) -> Ready:
    import tempfile

    preparation._folder = tempfile.mkdtemp()
    found = preparation.prepare(name, device())
    assert isinstance(found, Ready)
    return found


def test_energy_is_compared_where_there_is_a_meter() -> None:
    result = held(Model(energy_j=1e-3), Model(energy_j=1.2e-3))
    assert of(result, "energy_j").verdict is Verdict.REGRESSED
    without = held(Model(), Model(), "energy 5%")
    assert (of(without, "energy_j").verdict, of(without, "energy_j").reason) == (
        Verdict.NOT_MEASURED,
        "there is no energy meter",
    )


def test_a_limit_on_the_process_is_held_in_pairs_too() -> None:
    result = held(Model(), Model(), "peak_ram_bytes 5%", "load_s 50%")
    assert of(result, "peak_ram_bytes").mode is Mode.PAIRED
    assert of(result, "load_s").verdict is Verdict.PASSED


@pytest.mark.parametrize("limit", ["latency 0", "latency 1ms", "latency 0%"])
def test_measured_figures_need_a_percentage(limit: str) -> None:
    with pytest.raises(InputError, match="takes a percentage"):
        held(Model(), Model(), limit)


def test_a_bound_is_judged_beside_the_ratio() -> None:
    result = held(Model(latency_s=2e-3), Model(latency_s=2e-3), "latency <= 1ms", "flash <= 1KB")
    assert of(result, "latency_s", Mode.PAIRED).verdict is Verdict.PASSED
    assert of(result, "latency_s", Mode.BOUND).verdict is Verdict.BOUND_BROKEN
    assert of(result, "flash_bytes").verdict is Verdict.NOT_MEASURED
    assert exit_code(result.findings) == 1


@pytest.mark.parametrize(
    ("old", "new", "who"),
    [
        (Model(dies=True), Model(), "the baseline"),
        (Model(), Model(dies=True), "the candidate"),
        (Model(), Model(dies_later=3), "the candidate"),
        (Model(unreadable=True), Model(), "the baseline"),
        (Model(), Model(unreadable=True), "the candidate"),
    ],
)
def test_what_dies_is_not_measured(old: Model, new: Model, who: str) -> None:
    result = held(old, new)
    (found,) = result.findings
    assert (found.verdict, found.model.removesuffix(".onnx")) == (Verdict.NOT_MEASURED, "new")
    assert found.reason.startswith(f"{who}: ")
    assert exit_code(result.findings) == 4


def test_one_broken_model_spares_the_others() -> None:
    machine = Machine({"old.onnx": Model(), "bad.onnx": Model(dies=True), "new.onnx": Model()})
    reference = Reference(path="old.onnx", text="old.onnx")
    request = asked(
        cells=[("bad.onnx", device()), ("new.onnx", device())],
        references={"bad.onnx": reference, "new.onnx": reference},
    )
    result = gate(request, workers=machine)
    assert [(one.model, one.verdict) for one in result.findings][:2] == [
        ("bad", Verdict.NOT_MEASURED),
        ("new", Verdict.PASSED),
    ]


def test_other_inputs_are_not_comparable() -> None:
    result = held(Model(), Model(shape=(1, 4)))
    (found,) = result.findings
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.reason == "other inputs: x float32[1,3] | x float32[1,4]"
    assert exit_code(result.findings) == 4


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(0.0, Verdict.PASSED), (0.001, Verdict.PASSED), (0.0011, Verdict.REGRESSED), (None, Verdict.NOT_MEASURED)],
)
def test_outputs_are_compared_if_asked_for(difference: float | None, verdict: Verdict) -> None:
    result = held(Model(), Model(), "outputs 0.001", output_difference=difference)
    assert of(result, "output_difference").verdict is verdict
    assert "output_difference" not in figures(held(Model(), Model()))


@pytest.mark.parametrize(("right", "verdict"), [(9, Verdict.PASSED), (8, Verdict.REGRESSED), (10, Verdict.IMPROVED)])
def test_accuracy_is_compared_on_the_same_samples(right: int, verdict: Verdict) -> None:
    result = held(Model(), Model(right=right), task=TaskText(text="digits", seed=0))
    found = of(result, "accuracy")
    assert found.verdict is verdict
    assert "of 10" in found.reason or not found.reason
    without = held(Model(), Model(), "accuracy 1pt")
    assert of(without, "accuracy").remedy == "give --task"


def test_accuracy_has_a_floor() -> None:
    result = held(Model(), Model(), "accuracy >= 95%", task=TaskText(text="digits", seed=0))
    assert of(result, "accuracy", Mode.BOUND).verdict is Verdict.BOUND_BROKEN


def stored(figures: Model, *, source: str = "old.onnx", name: str = "fake", **changes: Any) -> BaselineEntry:
    """The entry of a model on a target whose figures repeat."""
    import tempfile

    machine = Machine({source: figures})
    with tempfile.TemporaryDirectory() as folder:
        ready = Preparation(folder, PLAN, INPUTS, machine).prepare(source, device(name))
        assert isinstance(ready, Ready)
        entry = entry_of(profiled_once(ready, PLAN, INPUTS, machine))
    return replace(entry, **{"model": "new", **changes})


def against(
    entry: BaselineEntry, new: Model, *limits: str, reference: Reference | None = None, old: Model | None = None
) -> GateResult:
    baseline = Baseline(name="main", edgebench="0", entries=(entry,))
    machine = Machine({"new.onnx": new, "old.onnx": old or Model()})
    references = {"new.onnx": reference or Reference(path=None, reason="gone")}
    return gate(asked(*limits, baseline=baseline, references=references), workers=machine)


CYCLES = Model(metrics={"npu_cycles": 1000, "flash_bytes": 4096, "ram_bytes": 100})


@pytest.mark.usefixtures("exact")
class TestStored:
    """Figures that repeat exactly are compared with those in the file."""

    def test_equal_figures_pass_without_a_file_and_without_pairs(self) -> None:
        result = against(stored(CYCLES), CYCLES)
        assert set(figures(result)) == {"flash_bytes", "ram_bytes", "model_bytes"}
        assert {(one.verdict, one.mode, one.pairs) for one in result.findings} == {(Verdict.PASSED, Mode.STORED, 0)}
        assert exit_code(result.findings) == 0

    @pytest.mark.parametrize(
        ("limit", "value", "verdict"),
        [
            ("flash 1%", 4136, Verdict.PASSED),
            ("flash 1%", 4137, Verdict.REGRESSED),
            ("flash 0", 4097, Verdict.REGRESSED),
            ("flash 4KB", 8192, Verdict.PASSED),
            ("flash 4KB", 8193, Verdict.REGRESSED),
            ("flash 0", 4095, Verdict.IMPROVED),
        ],
    )
    def test_limits(self, limit: str, value: int, verdict: Verdict) -> None:
        new = Model(metrics={**CYCLES.metrics, "flash_bytes": value})
        assert of(against(stored(CYCLES), new, limit), "flash_bytes").verdict is verdict

    def test_other_figures_are_held_if_asked_for(self) -> None:
        new = Model(metrics={**CYCLES.metrics, "npu_cycles": 1100})
        assert "npu_cycles" not in figures(against(stored(CYCLES), new))
        assert of(against(stored(CYCLES), new, "cycles 0"), "npu_cycles").verdict is Verdict.REGRESSED

    def test_versions_that_differ_are_named_and_decide_nothing(self) -> None:
        entry = stored(CYCLES)
        entry = replace(entry, versions={**entry.versions, "fake": "0"})
        new = Model(metrics={**CYCLES.metrics, "flash_bytes": 9000})
        result = against(entry, new)
        found = of(result, "flash_bytes")
        assert found.verdict is Verdict.INCOMPARABLE
        assert found.reason == "made under other conditions: fake 0 | 1"
        assert result.notes == ("new on fake: not as in the baseline: fake 0 | 1",)
        assert of(result, "ram_bytes").verdict is Verdict.PASSED
        assert of(result, "model_bytes").verdict is Verdict.PASSED

    def test_with_the_baselines_file_both_are_made_with_the_versions_of_now(self) -> None:
        entry = replace(stored(CYCLES), versions={"fake": "0"})
        new = Model(metrics={**CYCLES.metrics, "flash_bytes": 9000})
        result = against(entry, new, reference=Reference(path="old.onnx", text="old"), old=CYCLES)
        found = of(result, "flash_bytes")
        assert (found.verdict, found.mode) == (Verdict.REGRESSED, Mode.COMPUTED)
        assert "compiled again here" in result.notes[0]

    def test_a_baseline_of_zero_has_no_percentage(self) -> None:
        entry = stored(Model(metrics={"flash_bytes": 0}))
        result = against(entry, Model(metrics={"flash_bytes": 10}))
        found = of(result, "flash_bytes")
        assert (found.verdict, found.remedy) == (Verdict.INCOMPARABLE, "write an absolute step, such as flash 0")
        assert of(against(entry, Model(metrics={"flash_bytes": 0})), "flash_bytes").verdict is Verdict.PASSED

    def test_figures_on_one_side_only_are_not_passed_over(self) -> None:
        less = Model(metrics={"ram_bytes": 100})
        assert of(against(stored(CYCLES), less), "flash_bytes").verdict is Verdict.NOT_MEASURED
        assert of(against(stored(less), CYCLES), "flash_bytes").verdict is Verdict.INCOMPARABLE
        asked_for = against(stored(less), less, "flash 1%")
        assert of(asked_for, "flash_bytes").verdict is Verdict.NOT_MEASURED

    def test_another_model_or_device_is_not_comparable(self) -> None:
        for entry in (stored(CYCLES, model="other"), stored(CYCLES, name="board")):
            result = against(replace(entry, source="other.onnx"), CYCLES)
            (found,) = result.findings
            assert found.verdict is Verdict.INCOMPARABLE
            assert found.reason.startswith("baseline main has no new on fake; it has ")

    def test_other_inputs_are_not_comparable(self) -> None:
        (found,) = against(stored(CYCLES), Model(shape=(1, 4), metrics=CYCLES.metrics)).findings
        assert found.verdict is Verdict.INCOMPARABLE
        assert "other inputs" in found.reason

    def test_operators_that_newly_fall_back_are_named(self) -> None:
        layers = {"a": 0.5, "b": 0.5}
        old, new = Model(layers=layers), Model(layers=layers, on_cpu=("b",))
        found = of(against(stored(old), new), "fallback_operators")
        assert (found.verdict, found.reason) == (Verdict.REGRESSED, "newly on the CPU: 1 Conv")
        assert of(against(stored(new), old), "fallback_operators").verdict is Verdict.IMPROVED
        assert of(against(stored(old), new, "operators 1"), "fallback_operators").verdict is Verdict.PASSED

    def test_accuracy_of_other_data_is_not_comparable(self) -> None:
        made = stored(CYCLES)
        (found,) = [
            one
            for one in gate(
                asked(
                    baseline=Baseline(name="main", edgebench="0", entries=(made,)),
                    references={},
                    task=TaskText(text="digits", seed=0),
                ),
                workers=Machine({"new.onnx": CYCLES}),
            ).findings
            if one.figure == "accuracy"
        ]
        assert (found.verdict, found.reason) == (Verdict.INCOMPARABLE, "the baseline has no accuracy")

    def test_the_verdict_is_the_same_each_time(self) -> None:
        first, second = (against(stored(CYCLES), Model(metrics={"flash_bytes": 1})) for _ in range(2))
        assert first.findings == second.findings


@pytest.mark.parametrize(
    ("machine", "entry_machine", "now", "here", "said"),
    [
        ({"cpu": "A"}, {}, {}, {"cpu": "A"}, None),
        ({"cpu": "A"}, {}, {}, {"cpu": "B"}, "another machine: cpu A | B"),
        ({"cpu": "A"}, {"cpu": "P", "reached": "ssh pi"}, {"cpu": "P"}, {"cpu": "B"}, None),
        ({"cpu": "A"}, {"cpu": "P", "reached": "ssh pi"}, {"cpu": "Q"}, {"cpu": "A"}, "another board: cpu P | Q"),
        ({"cpu": "A"}, {"cpu": "P", "reached": "ssh po"}, {"cpu": "P"}, {"cpu": "A"}, "reached ssh po | ssh pi"),
        ({"cpu": "A"}, {}, {"cpu": "P"}, {"cpu": "B"}, None),
    ],
)
def test_a_baseline_of_another_machine_or_board_is_told(
    machine: dict[str, str],
    entry_machine: dict[str, str],
    now: dict[str, str],
    here: dict[str, str],
    said: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate_module, "describe_machine", lambda: here)
    place = replace(device(), link="ssh", reached={"host": "pi"}) if now else device()
    prepare = Preparation.prepare

    def prepared(self: Preparation, model: str, where: Any) -> Ready | Profile:
        found = prepare(self, model, device())
        return replace(found, machine=now, device=where) if isinstance(found, Ready) else found

    monkeypatch.setattr(Preparation, "prepare", prepared)
    entry = BaselineEntry(
        model="new", source="new.onnx", model_digest="", device="fake", target="fake", sampled=True,
        versions={"edgebench": "0"}, machine=entry_machine,
    )  # fmt: skip
    baseline = Baseline(name="main", edgebench="0", machine=machine, entries=(entry,))
    found = held(Model(), Model(), cells=[("new.onnx", place)], baseline=baseline)
    told = [note for note in found.notes if "recorded on another" in note]
    assert (said is None) == (not told)
    assert said is None or said in told[0]


def test_without_the_baselines_file_measured_figures_are_not_measured() -> None:
    result = held(Model(), Model(), references={"new.onnx": Reference(path=None, reason="gone", remedy="get it")})
    (found,) = result.findings
    assert (found.verdict, found.reason, found.remedy) == (Verdict.NOT_MEASURED, "gone", "get it")


@pytest.mark.usefixtures("exact")
def test_cells_are_those_of_the_baseline_unless_given() -> None:
    entries = (stored(Model(), source="old.onnx"), stored(Model(), source="two.onnx", model="two"))
    baseline = Baseline(name="main", edgebench="0", entries=entries)
    assert [(model, one.name) for model, one in chosen_cells([], [], baseline)] == [
        ("old.onnx", "fake"),
        ("two.onnx", "fake"),
    ]
    assert [model for model, _ in chosen_cells(["elsewhere/two.onnx"], [], baseline)] == ["elsewhere/two.onnx"]
    assert [one.name for _, one in chosen_cells(["x.onnx"], [], None)] == ["host"]
    for models, devices, message in (
        (["x.onnx"], [], "has no model"),
        ([], [device("board")], "has nothing on board"),
    ):
        with pytest.raises(InputError, match=message):
            chosen_cells(models, devices, baseline)
    with pytest.raises(InputError, match="no model is given"):
        chosen_cells([], [], None)


RUN = StoredRun(name="r", started="2026-01-01T00:00:00", command=(), edgebench="0", plan=PLAN)


def profile_of(source: str, outcome: Outcome = Outcome.OK) -> Profile:
    import tempfile

    machine = Machine({source: Model()})
    with tempfile.TemporaryDirectory() as folder:
        ready = Preparation(folder, PLAN, INPUTS, machine).prepare(source, device())
        assert isinstance(ready, Ready)
    return Profile(model=ready.model, device=device(), outcome=outcome)


@pytest.mark.parametrize(
    ("change_run", "kind", "message"),
    [
        (lambda run: replace(run, profiles=()), InputError, "no profiles"),
        (lambda run: replace(run, profiles=(profile_of("a.onnx", Outcome.CRASHED),)), NotComparableError, "crashed"),
        (lambda run: replace(run, profiles=run.profiles * 2), InputError, "twice"),
    ],
)
def test_a_run_that_does_not_hold_figures_makes_no_baseline(
    change_run: Callable[[StoredRun], StoredRun], kind: type[Exception], message: str
) -> None:
    run = replace(RUN, profiles=(profile_of("a.onnx"),))
    assert baseline_of(run, "main", reason="why").entries[0].source == "a.onnx"
    with pytest.raises(kind, match=message):
        baseline_of(change_run(run), "main", reason="why")


def test_an_update_keeps_what_was_not_made_again_and_its_history() -> None:
    old = baseline_of(
        replace(RUN, profiles=(profile_of("a.onnx"), profile_of("b.onnx"))), "main", reason="one", limits=["flash 0"]
    )
    new = baseline_of(replace(RUN, profiles=(profile_of("b.onnx"),)), "main", reason="two")
    found = updated(old, new)
    assert [entry.model for entry in found.entries] == ["a", "b"]
    assert [item.reason for item in found.changes] == ["one", "two"]
    assert found.limits == ("flash 0",)


@pytest.mark.parametrize("reason", ["", "   ", "a\x1b[31mb", "x\x00"])
def test_a_change_needs_a_reason(reason: str) -> None:
    with pytest.raises(InputError, match="reason"):
        change(reason)
