"""What users may write as a limit, and what it then allows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.figure import FLASH
from edgebench.core.metric import Metric, Provenance
from edgebench.errors import EdgebenchError, InputError
from edgebench.gate.ceilings import meant
from edgebench.gate.limits import DEFAULTS, FALLBACKS, OUTPUTS, P90, LimitKind, Limits, parse_limit, parse_limits
from edgebench.gate.verdict import Finding, Mode, Verdict


@pytest.mark.parametrize(
    ("text", "figure", "device", "kind", "value"),
    [
        ("latency 2%", "latency_s", "", LimitKind.RELATIVE, 0.02),
        ("  latency   2 %  ", "latency_s", "", LimitKind.RELATIVE, 0.02),
        ("latency_s 2%", "latency_s", "", LimitKind.RELATIVE, 0.02),
        ("latency@host 3%", "latency_s", "host", LimitKind.RELATIVE, 0.03),
        ("p90 20%", P90, "", LimitKind.RELATIVE, 0.2),
        ("accuracy 0.5pt", "accuracy", "", LimitKind.STEP, 0.005),
        ("accuracy >= 95%", "accuracy", "", LimitKind.BOUND, pytest.approx(0.95)),
        ("flash 4KB", "flash_bytes", "", LimitKind.STEP, 4096),
        ("flash 0", "flash_bytes", "", LimitKind.STEP, 0),
        ("latency 1ms", "latency_s", "", LimitKind.STEP, 0.001),
        ("latency@host <= 50ms", "latency_s", "host", LimitKind.BOUND, 0.05),
        ("latency@host<=50ms", "latency_s", "host", LimitKind.BOUND, 0.05),
        ("ram@nucleo-l4r5zi <= 128KB", "ram_bytes", "nucleo-l4r5zi", LimitKind.BOUND, 131072),
        ("operators 2", FALLBACKS, "", LimitKind.STEP, 2),
        ("outputs 1e-3", OUTPUTS, "", LimitKind.STEP, 1e-3),
        ("file 1KB", "model_bytes", "", LimitKind.STEP, 1024),
        ("instructions 0.1%", "instructions", "", LimitKind.RELATIVE, 0.001),
        ("energy 50uJ", "energy_j", "", LimitKind.STEP, pytest.approx(5e-5)),
    ],
)
def test_limits_are_read(text: str, figure: str, device: str, kind: LimitKind, value: float) -> None:
    limit = parse_limit(text)
    assert (limit.figure, limit.device, limit.kind, limit.value) == (figure, device, kind, value)
    again = parse_limit(limit.text)
    assert again == limit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latency",
        "latency 2",
        "latency -2%",
        "latency two%",
        "latency 2KB",
        "latency >= 50ms",
        "accuracy <= 95%",
        "accuracy 1%",
        "accuracy 0.5",
        "outputs 5%",
        "operators 1ms",
        "latency <= 0ms",
        "latency <= 0",
        "latencyy 2%",
        "flash nan",
        "flash infKB",
        "flash 1e999KB",
        "<script> 2%",
        "latency@ <= 3ms",
        "latency@host <= ",
        "operators nan",
        "outputs inf",
        "latency 2%\x1b[31m",
        "latency 2% and more",
    ],
)
def test_what_is_no_limit_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_limit(text)
    assert caught.value.remedy


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_limit(text)
    except EdgebenchError:
        return


def test_a_mistyped_figure_is_guessed() -> None:
    with pytest.raises(InputError, match="no figure") as caught:
        parse_limit("latancy 2%")
    assert caught.value.remedy == "did you mean 'latency'?"


def test_the_defaults_are_valid_and_hold_what_matters() -> None:
    assert [limit.figure for limit in parse_limits(DEFAULTS)] == list(Limits().figures("host"))
    assert Limits().tolerance(OUTPUTS, "host") is None


def test_the_more_special_and_the_later_limit_wins() -> None:
    limits = Limits(parse_limits(["latency 5%", "latency@host 3%", "latency 4%", "latency <= 9ms"]))
    assert [limits.tolerance("latency_s", name).value for name in ("host", "other")] == [0.03, 0.04]  # type: ignore[union-attr]
    bound = limits.bound("latency_s", "other")
    assert bound is not None
    assert bound.value == pytest.approx(0.009)
    assert limits.bound("ram_bytes", "host") is None
    assert limits.asked_for("latency_s", "other")
    assert not limits.asked_for("flash_bytes", "other")


def test_limits_of_other_devices_are_refused() -> None:
    limits = Limits([parse_limit("ram@nucleo-l4r5zi <= 1KB")])
    limits.check_devices(["host", "nucleo-l4r5zi"])
    with pytest.raises(InputError, match="not among the devices"):
        limits.check_devices(["host"])


@pytest.mark.parametrize(
    ("text", "before", "after", "allowed"),
    [
        ("latency 2%", 1.0, 1.02, True),
        ("latency 2%", 1.0, 1.0201, False),
        ("flash 0", 100, 100, True),
        ("flash 0", 100, 101, False),
        ("flash 0", 100, 99, True),
        ("flash 4KB", 100, 4196, True),
        ("flash 4KB", 100, 4197, False),
        ("accuracy 0.5pt", 0.9, 0.896, True),
        ("accuracy 0.5pt", 0.9, 0.894, False),
        ("accuracy 0.5pt", 0.9, 0.99, True),
    ],
)
def test_what_a_limit_allows(text: str, before: float, after: float, allowed: bool) -> None:
    assert parse_limit(text).allows(before, after) is allowed


def test_a_limit_for_all_devices_concerns_those_that_have_the_figure() -> None:
    absent = Finding(model="net", device="host", figure=FLASH, verdict=Verdict.NOT_MEASURED, mode=Mode.COMPUTED)
    value = Metric(value=1.0, unit="bytes", provenance=Provenance.EXACT, method="")
    there = replace(absent, device="board", verdict=Verdict.PASSED, after=value)
    everywhere, here = Limits(parse_limits(["flash 0"])), Limits(parse_limits(["flash@host 0"]))
    assert meant([absent, there], everywhere) == [there]
    assert meant([absent, there], here) == [absent, there]
    # Nobody has it: the limit holds nothing, which does not pass.
    assert meant([absent], everywhere) == [absent]
    assert meant([absent], everywhere, {FLASH}) == []
    failed = replace(absent, unavailable=True)
    assert meant([failed, there], everywhere) == [failed, there]
