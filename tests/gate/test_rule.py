"""The rule of the gate: its answers on given ratios, and how often it errs on simulated machines."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgebench.core.statistics import t_quantile
from edgebench.gate.rule import LOOKS, Answer, Rule, Trial, decide, undisturbed
from edgebench.gate.student import t_upper_quantile, t_upper_tail

QUIET = 0.0028
"""Standard deviation of the log-ratio of one pair of processes, as it was measured on a busy machine."""
Noise = Callable[[np.random.Generator, int], NDArray[np.float64]]


@pytest.mark.parametrize("degrees", [1, 2, 5, 7, 19, 30])
def test_quantiles_are_those_of_the_tables(degrees: int) -> None:
    assert t_upper_quantile(degrees, 0.025) == pytest.approx(t_quantile(degrees), abs=6e-4)


@pytest.mark.parametrize(
    ("degrees", "tail", "value"),
    [(5, 0.005, 4.0321), (5, 0.0005, 6.8688), (19, 0.0005, 3.8834), (1, 0.25, 1.0), (1_000_000, 0.025, 1.95996)],
)
def test_quantiles_of_other_tails(degrees: int, tail: float, value: float) -> None:
    assert t_upper_quantile(degrees, tail) == pytest.approx(value, rel=2e-5)


@given(degrees=st.integers(1, 200), tail=st.floats(1e-8, 0.499))
def test_a_quantile_has_its_tail(degrees: int, tail: float) -> None:
    assert t_upper_tail(t_upper_quantile(degrees, tail), degrees) == pytest.approx(tail, rel=1e-6)


@pytest.mark.parametrize(("degrees", "tail"), [(0, 0.1), (3, 0.0), (3, 0.5), (3, -1.0)])
def test_there_is_no_quantile_of_nothing(degrees: int, tail: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_upper_quantile(degrees, tail)


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0.0},
        {"limit": -1.0},
        {"limit": float("inf")},
        {"alpha": 0.0},
        {"looks": ()},
        {"looks": (1, 2)},
        {"looks": (8, 6)},
        {"looks": (6, 6)},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"limit|looks"):
        Rule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "answer", "pairs"),
    [
        (0.0, Answer.PASSED, 6),
        (0.019, Answer.PASSED, 6),
        (-0.5, Answer.IMPROVED, 6),
        (0.05, Answer.REGRESSED, 12),
        (0.0201, Answer.REGRESSED, 12),
    ],
)
def test_without_noise_the_limit_decides(change: float, answer: Answer, pairs: int) -> None:
    trial = decide([np.log1p(change)] * 40, Rule(limit=0.02))
    assert trial.answer is answer
    assert len(trial.first) + len(trial.second) == pairs
    assert trial.estimate.change == pytest.approx(change)


def test_nothing_is_judged_between_looks() -> None:
    rule = Rule(looks=(4, 7))
    assert [rule.judge([0.0] * pairs) for pairs in range(1, 8)] == [Answer.MORE] * 3 + [Answer.PASSED] + [
        Answer.MORE
    ] * 2 + [Answer.PASSED]


def test_a_regression_must_be_confirmed_by_a_fresh_set() -> None:
    """The machine was slow for one of the two models, once."""
    trial = decide([0.1] * 6 + [0.0] * 6, Rule())
    assert (trial.answer, trial.suspected, trial.second) == (Answer.PASSED, True, [0.0] * 6)
    assert trial.estimate.change == 0.0
    contradicted = decide([0.1] * 6 + [-0.1] * 6, Rule())
    assert contradicted.answer is Answer.PASSED


def test_what_cannot_be_confirmed_is_inconclusive() -> None:
    wild = [0.3, -0.3] * 15
    trial = decide([0.1] * 6 + wild, Rule())
    assert (trial.answer, trial.suspected) == (Answer.INCONCLUSIVE, True)
    assert decide(wild, Rule()).answer is Answer.INCONCLUSIVE


def test_an_answer_is_final() -> None:
    trial = decide([0.0] * 6, Rule())
    assert trial.add(1.0) is Answer.PASSED
    assert trial.first == [0.0] * 6


def test_too_few_pairs_are_no_answer() -> None:
    trial = decide([0.01] * 5, Rule())
    assert trial.answer is Answer.MORE
    assert trial.estimate.pairs == 5
    assert decide([0.01], Rule()).estimate.most == float("inf")
    with pytest.raises(ValueError, match="no pair"):
        _ = Trial(rule=Rule()).estimate


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(-0.2, 0.2), min_size=40, max_size=40),
    factor=st.floats(0.3, 3.0),
)
def test_scale_does_not_matter(values: list[float], factor: float) -> None:
    """Ratios and limit that both grow by a factor give the same answer."""
    limit = 0.02
    larger = np.expm1(np.log1p(limit) * factor)
    found = decide(values, Rule(limit=limit)).answer
    scaled = decide([value * factor for value in values], Rule(limit=float(larger))).answer
    # Ties on the limit itself may round either way.
    edge = any(abs(abs(np.mean(values[:count])) - np.log1p(limit)) < 1e-9 for count in range(1, 41))
    assert edge or found is scaled or np.ptp(values) < 1e-12


def normal(spread: float) -> Noise:
    """As measured, or louder."""
    return lambda random, count: random.normal(0, spread, count)


def heavy_tails(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Student's t with three degrees of freedom."""
    return QUIET * random.standard_t(3, count)


def outliers(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """One pair in twenty is off by up to 20 % to either side."""
    hit = random.random(count) < 0.05
    return random.normal(0, QUIET, count) + hit * random.uniform(-0.2, 0.2, count)


def drift(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """The ratio wanders by half a percent while it is measured, there and back."""
    phase = random.uniform(0, 2 * np.pi)
    wave = 0.005 * np.sin(2 * np.pi * np.arange(count) / 30 + phase)
    return random.normal(0, QUIET, count) + wave


def correlated(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Each pair resembles the one before."""
    steps = random.normal(0, QUIET, count)
    values = np.empty(count)
    values[0] = steps[0]
    for index in range(1, count):
        values[index] = 0.5 * values[index - 1] + steps[index]
    return values


NOISES: dict[str, Noise] = {
    "as measured": normal(QUIET),
    "three times": normal(3 * QUIET),
    "six times": normal(6 * QUIET),
    "heavy tails": heavy_tails,
    "outliers": outliers,
    "drift": drift,
    "correlated": correlated,
}
TRIES = 300


def answers(noise: Noise, change: float, seed: int = 0) -> list[Answer]:
    """What the rule says in many tries of a true change."""
    random = np.random.default_rng(seed)
    return [decide(_shifted(noise(random, 60), change), Rule()).answer for _ in range(TRIES)]


def _shifted(values: NDArray[np.float64], change: float) -> Sequence[float]:
    shifted: list[float] = (values + np.log1p(change)).tolist()
    return shifted


def share(found: Sequence[Answer], answer: Answer) -> float:
    return found.count(answer) / len(found)


@pytest.mark.heavy
@pytest.mark.parametrize("name", NOISES)
def test_a_model_against_itself_never_regresses(name: str) -> None:
    found = answers(NOISES[name], 0.0)
    assert share(found, Answer.REGRESSED) == 0
    if name == "outliers":
        # An outlier of ten times the limit widens the bounds: it needs more pairs, or none suffice.
        assert share(found, Answer.PASSED) > 0.5
    elif name == "six times":
        assert share(found, Answer.PASSED) > 0.85
    else:
        assert share(found, Answer.INCONCLUSIVE) <= 0.05


@pytest.mark.heavy
@pytest.mark.parametrize("change", [0.05, 0.10])
@pytest.mark.parametrize("name", NOISES)
def test_a_true_slow_down_is_found_and_never_passes(name: str, change: float) -> None:
    found = answers(NOISES[name], change, seed=1)
    assert share(found, Answer.PASSED) <= 0.01
    if name != "outliers":
        assert share(found, Answer.REGRESSED) >= (0.9 if change < 0.1 else 0.99)


@pytest.mark.heavy
def test_an_eighth_more_than_the_limit_is_rarely_passed() -> None:
    """Changes about as large as the limit are undecided rather than passed."""
    found = answers(NOISES["three times"], 0.0225, seed=2)
    assert share(found, Answer.PASSED) <= 0.01


@pytest.mark.heavy
def test_a_true_gain_is_seen_and_never_regresses() -> None:
    found = answers(NOISES["three times"], -0.05, seed=3)
    assert share(found, Answer.REGRESSED) == 0
    assert share(found, Answer.IMPROVED) + share(found, Answer.PASSED) == 1
    assert LOOKS[0] == 6


def test_slowed_processes_are_set_aside_whichever_model_they_are_of() -> None:
    levels = [(0.0, 0.05), (0.3, 0.05), (0.0, 0.35), (0.01, 0.06), (0.0, 0.05), (0.0, 0.05), (0.0, 0.05), (0.0, 0.05)]
    assert undisturbed(levels) == [True, False, False, True, True, True, True, True]
    trial = Trial(rule=Rule())
    for level in levels * 2:
        trial.add(level[1] - level[0], level)
    assert trial.answer is Answer.REGRESSED
    assert trial.estimate.change == pytest.approx(np.expm1(0.05), abs=1e-3)
    assert trial.slowed == (1, 1)


def test_too_few_undisturbed_pairs_decide_nothing() -> None:
    levels = [(0.3 * (pair % 2), 0.3 * (1 - pair % 2)) for pair in range(30)]
    assert decide([after - before for before, after in levels], Rule(), levels).answer is Answer.INCONCLUSIVE


def slow_modes(random: np.random.Generator, share: float, change: float) -> list[tuple[float, float]]:
    """Processes that are a third slower from their first to their last run, as on machines that others share."""
    own = random.normal(0, 3 * QUIET, (60, 2)) + 0.3 * (random.random((60, 2)) < share)
    return [(before, after + np.log1p(change)) for before, after in own]


@pytest.mark.heavy
@pytest.mark.parametrize("slowed", [0.05, 0.15, 0.3])
def test_a_machine_with_slow_modes_is_decided_all_the_same(slowed: float) -> None:
    random = np.random.default_rng(5)
    found: dict[float, list[Answer]] = {0.0: [], 0.05: []}
    plain = []
    for change, answers_found in found.items():
        for _ in range(TRIES):
            levels = slow_modes(random, slowed, change)
            ratios = [after - before for before, after in levels]
            answers_found.append(decide(ratios, Rule(), levels).answer)
            plain.append(decide(ratios, Rule()).answer)
    assert share(found[0.0], Answer.REGRESSED) == share(found[0.05], Answer.PASSED) == 0
    assert share(found[0.0], Answer.INCONCLUSIVE) <= 0.05
    assert share(found[0.05], Answer.REGRESSED) >= 0.9
    # It is the setting aside that does it.
    assert share(plain, Answer.INCONCLUSIVE) > 0.2
