"""What one pair of processes says of two models."""

import math

import pytest

from edgebench.core.profile import ProcessRun, Sample
from edgebench.flows.gate.pairs import BURSTS, MAX_RUNS, MIN_BURSTS, MIN_RUNS, PAIR_S, _plan, pair_levels, pair_ratios
from edgebench.workers.measuring.jobs import Loaded


def process(latencies: list[list[float]], energy: float | None = None) -> ProcessRun:
    bursts = tuple(Sample(latencies_s=tuple(burst), energy_j=energy) for burst in latencies)
    return ProcessRun(load_s=1.0, first_inference_s=None, peak_ram_bytes=100, bursts=bursts)


def test_a_disturbance_that_lasts_longer_than_a_burst_cancels() -> None:
    """Half of the time the machine is twice as slow, for both."""
    slow = [1.0] * 10 + [2.0] * 10
    before = process([[factor] * 20 for factor in slow])
    after = process([[1.05 * factor] * 20 for factor in slow])
    ratios = pair_ratios(before, after)
    assert ratios["latency_s"] == pytest.approx(math.log(1.05))
    assert ratios["latency_p90_s"] == pytest.approx(math.log(1.05))
    assert ratios["load_s"] == ratios["peak_ram_bytes"] == 0
    assert "energy_j" not in ratios
    assert "first_inference_s" not in ratios


def test_a_few_bursts_that_only_one_model_suffers_do_not_count() -> None:
    bursts = [[1.0] * 20] * 20
    after = [[9.0] * 20] * 5 + [[1.0] * 20] * 15
    assert pair_ratios(process(bursts), process(after))["latency_s"] == 0


def test_a_worse_tail_shows_in_the_tail_only() -> None:
    before, after = [[1.0] * 100] * 10, [[1.0] * 85 + [3.0] * 15] * 10
    ratios = pair_ratios(process(before), process(after))
    assert ratios["latency_s"] == 0
    assert ratios["latency_p90_s"] == pytest.approx(math.log(3))


def test_levels_are_of_whole_processes() -> None:
    levels = pair_levels(process([[1.0] * 85 + [3.0] * 15] * 10), process([[2.0] * 100] * 10))
    assert levels["latency_s"] == levels["energy_j"] == (0.0, pytest.approx(math.log(2)))
    assert pair_levels(ProcessRun(), process([[1.0]])) == {}


def test_the_tail_of_short_bursts_is_of_several_together() -> None:
    """One of three runs is slow in every fifth burst: of thirty runs it is less than a tenth."""
    after = [[1.0, 1.0, 5.0], [1.0] * 3, [1.0] * 3, [1.0] * 3, [1.0] * 3] * 4
    assert pair_ratios(process([[1.0] * 3] * 20), process(after))["latency_p90_s"] == 0


def test_a_tail_that_comes_and_goes_is_not_the_models() -> None:
    quiet, disturbed = [[1.0] * 100] * 5, [[1.0] * 80 + [4.0] * 20] * 5
    assert pair_ratios(process(quiet * 2), process(quiet + disturbed))["latency_p90_s"] == 0


def test_energy_is_that_of_an_inference() -> None:
    before, after = process([[1.0] * 10] * 4, energy=1.0), process([[1.0] * 10] * 4, energy=1.1)
    assert pair_ratios(before, after)["energy_j"] == pytest.approx(math.log(1.1))
    assert "energy_j" not in pair_ratios(before, process([[1.0] * 10] * 4))


def test_figures_of_zero_have_no_ratio() -> None:
    assert "latency_s" not in pair_ratios(process([[0.0] * 5] * 3), process([[1.0] * 5] * 3))
    assert pair_ratios(ProcessRun(), ProcessRun()) == {}


def loaded(inference_s: float, *, metered: int = 0) -> Loaded:
    iterations = metered or 10
    return Loaded(
        load_s=0,
        first=Sample(latencies_s=(inference_s,)),
        iterations=iterations,
        burst_s=iterations * inference_s,
        method="",
        energy_scope="meter" if metered else None,
    )


@pytest.mark.parametrize("inference_s", [0.0, 1e-6, 2e-5, 1.1e-4, 2e-3, 0.05, 2.0])
def test_a_pair_takes_about_as_long_as_it_may(inference_s: float) -> None:
    runs, bursts = _plan([loaded(inference_s), loaded(inference_s / 2)])
    assert MIN_RUNS <= runs <= MAX_RUNS
    assert MIN_BURSTS <= bursts <= BURSTS
    assert 2 * runs * bursts * inference_s <= max(PAIR_S, 2 * MIN_RUNS * MIN_BURSTS * inference_s) * 1.001


def test_with_a_meter_a_burst_is_as_long_as_the_meter_needs() -> None:
    assert _plan([loaded(1e-3, metered=700), loaded(1e-3, metered=500)]) == (700, MIN_BURSTS)
