"""Judging and recommending: pure arithmetic, and always a verdict."""

from dataclasses import replace

import pytest

from edgebench.core.accuracy_limits import Share
from edgebench.core.budget import Budget, Limit
from edgebench.core.compression import StrategyResult, StrategyState
from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import LayerCost
from edgebench.core.search import DeviceAccuracy
from edgebench.flows.compress.layer_costs import costs_by_layer
from edgebench.flows.compress.verdict import judged, recommend

LIMIT = Limit(figure="latency_s", device="host", value=0.05)
BUDGET = Budget(limits=(LIMIT,), max_accuracy_drop=0.02)


def metric(value: float, high: float | None = None) -> Metric:
    return Metric(
        value=value,
        unit="s",
        provenance=Provenance.MEASURED,
        method="m",
        low=None if high is None else 0.0,
        high=high,
    )


def measured(
    name: str, latency: float, accuracy: float, *, high: float | None = None, width: float = 0.005
) -> StrategyResult:
    share = Share(value=accuracy, low=accuracy - width, high=min(1.0, accuracy + width))
    drop = Share(value=0.99 - accuracy, low=0.99 - accuracy - width, high=0.99 - accuracy + width)
    item = DeviceAccuracy(
        device="host", file="f", runtime="r", accuracy=share, drop=drop, samples=1000, most_frequent=0.1
    )
    return StrategyResult(
        name=name,
        pipeline="int8",
        state=StrategyState.MEASURED,
        accuracies=(item,),
        figures={"host": {"latency_s": metric(latency, high)}},
    )


def verdict(*results: StrategyResult, budget: Budget = BUDGET):
    return recommend([judged(result, budget) for result in results], budget)


def test_the_most_accurate_that_meets_every_limit_is_recommended() -> None:
    found = verdict(measured("slow", 0.06, 0.99), measured("good", 0.04, 0.985), measured("fast", 0.01, 0.975))
    assert (found.strategy, found.meets) == ("good", True)


def test_among_equals_the_one_with_most_room_is_recommended() -> None:
    found = verdict(measured("a", 0.04, 0.985), measured("b", 0.02, 0.984))
    assert found.strategy == "b"
    assert "40%" in found.reason


def test_the_upper_end_of_an_interval_decides() -> None:
    result = judged(measured("a", 0.045, 0.99, high=0.055), BUDGET)
    assert not result.solution
    assert result.checks[0].excess == pytest.approx(0.1)
    assert "10" in result.faults[0]


def test_if_nothing_meets_the_limits_the_nearest_and_what_binds_are_named() -> None:
    found = verdict(measured("far", 0.2, 0.985), measured("near", 0.06, 0.985))
    assert (found.strategy, found.meets) == ("near", False)
    assert found.binding == ("latency @ host exceeds its limit by 20%",)


def test_an_accuracy_that_is_too_low_binds_too() -> None:
    found = verdict(measured("bad", 0.01, 0.9))
    assert not found.meets
    assert "drop of accuracy" in found.binding[0]


def test_strategies_that_did_not_run_are_no_solutions_but_there_is_a_verdict() -> None:
    failed = StrategyResult(name="f", pipeline="x", state=StrategyState.FAILED, reason="the loss became nan")
    refused = replace(measured("r", 0.01, 0.99), hindrances=("npu: takes int8 only",))
    found = verdict(failed, refused)
    assert (found.strategy, found.meets) == ("", False)
    assert found.binding == ("f: the loss became nan", "r: npu: takes int8 only")
    assert verdict().reason


def test_a_figure_that_is_unknown_meets_no_limit() -> None:
    budget = Budget(limits=(Limit(figure="energy_j", device="host", value=1.0),))
    result = judged(measured("a", 0.01, 0.99), budget)
    assert result.faults == ("energy @ host is unknown",)


def test_without_a_task_the_fastest_is_recommended() -> None:
    slow, fast = (replace(measured(name, value, 0.9), accuracies=()) for name, value in (("s", 0.04), ("f", 0.01)))
    found = verdict(slow, fast, budget=Budget())
    assert found.strategy == "f"
    assert "unknown without a task" in found.reason


def test_operators_of_a_file_belong_to_the_layer_whose_name_they_begin_with() -> None:
    rows = [
        LayerCost(name="conv_1.linear", operator="Conv", metrics={"latency_s": metric(1.0)}),
        LayerCost(name="conv_1", operator="Relu", metrics={"latency_s": metric(0.5)}),
        LayerCost(name="conv_12", operator="Conv", metrics={"latency_s": metric(2.0)}),
        LayerCost(name="other", operator="Conv", metrics={"latency_s": metric(4.0)}),
    ]
    assert costs_by_layer(rows, ["conv_1", "conv_12"]) == {"conv_1": 1.5, "conv_12": 2.0}
    assert costs_by_layer([], ["conv_1"]) == {}
