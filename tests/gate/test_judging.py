"""Verdicts on exact figures and bounds, the layers that are named, and exit codes."""

import pytest

from edgebench.core.device import Device, DeviceKind
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelInfo
from edgebench.core.profile import Failure, Outcome, Profile
from edgebench.gate.ceilings import profile_findings
from edgebench.gate.comparison import difference_interval, mean_interval
from edgebench.gate.judging import judge_bound, judge_exact, judge_trial, relative_change, slower_layers
from edgebench.gate.limits import Limits, parse_limit, parse_limits
from edgebench.gate.rule import Answer, Rule, Trial, decide
from edgebench.gate.verdict import Finding, Mode, Verdict, exit_code


def metric(value: float, low: float | None = None, high: float | None = None, unit: str = "s") -> Metric:
    return Metric(value=value, unit=unit, provenance=Provenance.MEASURED, method="", low=low, high=high)


@pytest.mark.parametrize(
    ("text", "before", "after", "verdict"),
    [
        ("flash 1%", 1000, 1000, Verdict.PASSED),
        ("flash 1%", 1000, 1010, Verdict.PASSED),
        ("flash 1%", 1000, 1011, Verdict.REGRESSED),
        ("flash 1%", 1000, 995, Verdict.PASSED),
        ("flash 1%", 1000, 980, Verdict.IMPROVED),
        ("flash 0", 1000, 999, Verdict.IMPROVED),
        ("flash 1%", 0, 0, Verdict.PASSED),
        ("flash 1%", 0, 1, Verdict.INCOMPARABLE),
        ("flash 4KB", 0, 4096, Verdict.PASSED),
        ("flash 4KB", 0, 4097, Verdict.REGRESSED),
        ("accuracy 0.5pt", 0.9, 0.91, Verdict.IMPROVED),
        ("accuracy 0.5pt", 0.9, 0.89, Verdict.REGRESSED),
    ],
)
def test_exact_figures(text: str, before: float, after: float, verdict: Verdict) -> None:
    found, reason = judge_exact(parse_limit(text), before, after)
    assert found is verdict
    assert bool(reason) is (verdict is Verdict.INCOMPARABLE)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (None, None, Verdict.PASSED),
        (0.9, 1.0, Verdict.PASSED),
        (0.9, 1.01, Verdict.INCONCLUSIVE),
    ],
)
def test_a_bound_needs_the_whole_interval(low: float | None, high: float | None, verdict: Verdict) -> None:
    assert judge_bound(parse_limit("latency <= 1s"), metric(0.95, low, high))[0] is verdict


def test_bounds_are_broken_on_either_side() -> None:
    assert judge_bound(parse_limit("latency <= 1s"), metric(1.2, 1.1, 1.3))[0] is Verdict.BOUND_BROKEN
    assert judge_bound(parse_limit("accuracy >= 95%"), metric(0.94, unit="1"))[0] is Verdict.BOUND_BROKEN
    assert judge_bound(parse_limit("accuracy >= 95%"), metric(0.95, unit="1"))[0] is Verdict.PASSED


def test_trials_become_verdicts() -> None:
    rule = Rule()
    assert judge_trial(decide([0.0] * 6, rule)) == (Verdict.PASSED, "")
    assert judge_trial(decide([0.1] * 12, rule)) == (Verdict.REGRESSED, "")
    assert judge_trial(decide([-0.1] * 6, rule)) == (Verdict.IMPROVED, "")
    assert "did not confirm" in judge_trial(decide([0.1] * 6 + [0.0] * 6, rule))[1]
    assert judge_trial(decide([0.3, -0.3] * 15, rule))[0] is Verdict.INCONCLUSIVE
    assert "could not confirm" in judge_trial(decide([0.1] * 6 + [0.3, -0.3] * 15, rule))[1]
    assert judge_trial(Trial(rule=rule)) == (Verdict.INCONCLUSIVE, "no pair was measured")


def test_the_layers_that_added_most_are_named() -> None:
    before = {"a": 1.0, "b": 5.0, "gone": 9.0, "same": 2.0}
    after = {"a": 1.2, "b": 4.0, "new": 8.0, "same": 2.0, "hair": 0.01}
    found = slower_layers(before, after, "s")
    assert [(item.name, item.before, round(item.growth, 6)) for item in found] == [("new", None, 8.0)]
    assert slower_layers(before, before, "s") == ()
    many = slower_layers({}, {str(number): 1.0 for number in range(50)}, "cycles")
    assert len(many) == 5


def test_changes_of_nothing_are_no_ratio() -> None:
    assert relative_change(0, 5) is None
    assert relative_change(4, 5) == 0.25


def finding(verdict: Verdict, *, unavailable: bool = False) -> Finding:
    return Finding(
        model="m", device="d", figure="latency_s", verdict=verdict, mode=Mode.PAIRED, unavailable=unavailable
    )


@pytest.mark.parametrize(
    ("verdicts", "code", "lenient"),
    [
        ([], 4, 4),
        ([Verdict.PASSED], 0, 0),
        ([Verdict.PASSED, Verdict.IMPROVED], 0, 0),
        ([Verdict.PASSED, Verdict.REGRESSED, Verdict.NOT_MEASURED], 1, 1),
        ([Verdict.BOUND_BROKEN, Verdict.INCONCLUSIVE], 1, 1),
        ([Verdict.INCONCLUSIVE], 4, 0),
        ([Verdict.PASSED, Verdict.INCOMPARABLE], 4, 4),
        ([Verdict.PASSED, Verdict.NOT_MEASURED], 4, 4),
        ([Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED], 4, 4),
    ],
)
def test_exit_codes(verdicts: list[Verdict], code: int, lenient: int) -> None:
    found = [finding(verdict) for verdict in verdicts]
    assert exit_code(found) == code
    assert exit_code(found, allow_inconclusive=True) == lenient


def test_what_is_missing_here_is_3_unless_something_is_broken() -> None:
    missing = finding(Verdict.NOT_MEASURED, unavailable=True)
    assert exit_code([missing, finding(Verdict.INCONCLUSIVE)]) == 3
    assert exit_code([missing], allow_inconclusive=True) == 3
    assert exit_code([missing, finding(Verdict.REGRESSED)]) == 1


def profile(device: str, outcome: Outcome = Outcome.OK, **figures: float) -> Profile:
    return Profile(
        model=ModelInfo(name="m", source="m.onnx", format=None, digest="", size_bytes=10),
        device=Device(name=device, kind=DeviceKind.CPU, target="fake", description=""),
        outcome=outcome,
        failure=None if outcome is Outcome.OK else Failure(message="died"),
        metrics={name: metric(value, unit="bytes") for name, value in figures.items()},
    )


def test_a_limit_for_all_devices_concerns_those_that_have_the_figure() -> None:
    profiles = [profile("host"), profile("board", flash_bytes=100)]
    found = profile_findings(profiles, Limits(parse_limits(["flash <= 50B"])))
    assert [(item.device, item.verdict) for item in found] == [("board", Verdict.BOUND_BROKEN)]


def test_a_figure_that_no_device_has_is_not_passed_over() -> None:
    found = profile_findings([profile("host")], Limits(parse_limits(["flash <= 50B"])))
    assert [item.verdict for item in found] == [Verdict.NOT_MEASURED]
    special = Limits(parse_limits(["flash@host <= 50B"]))
    found = profile_findings([profile("host"), profile("board", flash_bytes=1)], special)
    assert [(item.device, item.verdict) for item in found] == [("host", Verdict.NOT_MEASURED)]


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.CRASHED, 4), (Outcome.UNAVAILABLE, 3)])
def test_a_crashed_cell_is_not_measured(outcome: Outcome, code: int) -> None:
    profiles = [profile("host", outcome), profile("board", flash_bytes=1)]
    found = profile_findings(profiles, Limits(parse_limits(["flash <= 50B"])))
    assert [(item.device, item.verdict) for item in found] == [
        ("host", Verdict.NOT_MEASURED),
        ("board", Verdict.PASSED),
    ]
    assert exit_code(found) == code


def test_intervals_of_comparisons() -> None:
    assert mean_interval([0.1, 0.1, 0.1]).low == pytest.approx(0.1)
    assert mean_interval([0.1]).low == float("-inf")
    found = difference_interval([0.0, 0.1, 0.2], [1.0, 1.1, 1.2])
    # Welch with equal variances: t(4) = 2.776, standard error = 0.1 * sqrt(2 / 3).
    assert found.mean == pytest.approx(1.0)
    assert found.high - found.mean == pytest.approx(2.776 * 0.1 * (2 / 3) ** 0.5, rel=1e-3)
    assert difference_interval([1.0, 1.0], [2.0, 2.0]).high == 1.0
    assert difference_interval([1.0], [2.0, 2.0]).high == float("inf")


def test_a_candidate_that_is_slowed_more_often_than_the_baseline_does_not_pass() -> None:
    """Half of its processes are slow from beginning to end, and the others are as fast as the baseline's."""
    levels = [(0.0, 0.3 * (pair % 2)) for pair in range(30)]
    trial = decide([after - before for before, after in levels], Rule(), levels)
    assert trial.answer is Answer.PASSED
    few = judge_trial(trial)
    assert few[0] is Verdict.PASSED
    assert "slowed processes set aside" in few[1]
    more = [(0.0, 0.3 * (pair % 3 > 0)) for pair in range(30)]
    late = [(0.0, 0.0)] * 6 + more
    many = decide([after - before for before, after in late], Rule(looks=(30,)), late[:30])
    verdict, reason = judge_trial(many)
    assert verdict is Verdict.INCONCLUSIVE
    assert "of the candidate were slower than its others" in reason
