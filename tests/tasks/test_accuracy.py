"""Intervals of accuracy hold as often as they say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgebench.errors import InputError
from edgebench.tasks.accuracy import accuracy_drop, correct_count, mcnemar_p_value, top1, wilson_interval

RUNS = 2000


@pytest.fixture(scope="module")
def binomtest() -> Callable[..., Any]:
    function: Callable[..., Any] = pytest.importorskip("scipy.stats").binomtest
    return function


@pytest.mark.parametrize(("share", "total"), [(0.5, 40), (0.9, 100), (0.97, 270), (0.99, 750)])
def test_the_score_interval_covers_the_true_accuracy(share: float, total: int) -> None:
    drawn = np.random.default_rng(0).binomial(total, share, RUNS)
    ends = {int(count): wilson_interval(int(count), total) for count in np.unique(drawn)}
    covered = np.mean([ends[int(count)][0] <= share <= ends[int(count)][1] for count in drawn])
    assert 0.92 <= covered <= 0.99


@pytest.mark.parametrize(("correct", "total"), [(0, 10), (10, 10), (1, 1), (95, 100), (749, 750)])
def test_the_score_interval_is_scipys(binomtest: Callable[..., Any], correct: int, total: int) -> None:
    for confidence in (0.9, 0.95, 0.99):
        expected = binomtest(correct, total).proportion_ci(confidence, method="wilson")
        assert wilson_interval(correct, total, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("lost", "gained", "neither", "total"), [(0.03, 0.01, 0.03, 750), (0.02, 0.02, 0.05, 270), (0.05, 0.0, 0.02, 400)]
)
def test_the_interval_of_a_drop_covers_the_true_drop(lost: float, gained: float, neither: float, total: int) -> None:
    random = np.random.default_rng(1)
    labels = np.zeros(total, np.int64)
    covered = []
    for _ in range(RUNS):
        kind = random.choice(4, total, p=[lost, gained, neither, 1 - lost - gained - neither])
        reference = np.isin(kind, (1, 2)).astype(np.int64)
        predictions = np.isin(kind, (0, 2)).astype(np.int64)
        drop = accuracy_drop(reference, predictions, labels)
        covered.append(drop.low <= lost - gained <= drop.high)
    assert 0.92 <= np.mean(covered) <= 0.995


def test_a_pair_is_known_better_than_two_accuracies_apart() -> None:
    labels = np.zeros(750, np.int64)
    reference, predictions = labels.copy(), labels.copy()
    reference[:20], predictions[5:30] = 1, 1
    drop = accuracy_drop(reference, predictions, labels)
    assert drop.value == pytest.approx(5 / 750)
    assert (drop.lost, drop.gained, drop.samples) == (10, 5, 750)
    apart = wilson_interval(725, 750)
    assert drop.high - drop.low < 0.8 * (apart[1] - apart[0]) * 2**0.5
    back = accuracy_drop(predictions, reference, labels)
    assert (back.low, back.high) == pytest.approx((-drop.high, -drop.low))
    same = accuracy_drop(reference, reference, labels)
    assert same.low <= 0 == same.value <= same.high
    assert same.p_value == 1


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (10, 2), (3, 3), (0, 7), (420, 380)])
def test_mcnemar_is_the_binomial_test(binomtest: Callable[..., Any], lost: int, gained: int) -> None:
    expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar_p_value(lost, gained) == pytest.approx(expected)


def test_mcnemar_of_many_samples_is_close_to_exact(binomtest: Callable[..., Any]) -> None:
    assert mcnemar_p_value(560, 480) == pytest.approx(binomtest(560, 1040).pvalue, rel=0.02)


def test_predictions_have_to_fit_the_labels() -> None:
    labels = np.array([0, 1, 2, 1])
    assert correct_count(np.array([0, 1, 1, 1]), labels) == 3
    assert top1(np.array([0, 1, 1, 1]), labels) == 0.75
    for wrong in (labels[:3], labels[None], np.array([], np.int64)):
        with pytest.raises(InputError, match="predictions do not match"):
            top1(wrong, labels)
    for correct, total, confidence in ((5, 4, 0.95), (-1, 4, 0.95), (0, 0, 0.95), (1, 4, 1.0)):
        with pytest.raises(InputError, match="no interval"):
            wilson_interval(correct, total, confidence)
