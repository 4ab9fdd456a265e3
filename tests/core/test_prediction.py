"""Errors of prediction, keys of tables, and the surrogate of accuracy."""

import numpy as np
import pytest

from edgebench.core.prediction_error import prediction_error, ratio_interval
from edgebench.core.table import TableKey
from edgebench.search.surrogate import MAX_OBSERVED, Surrogate


def test_errors_are_relative_to_what_was_found() -> None:
    error = prediction_error(np.array([100.0, 100.0, 100.0, 100.0]), np.array([100.0, 104.0, 92.0, 120.0]))
    assert error.mean == pytest.approx((0 + 0.04 + 0.08 + 0.20) / 4)
    assert (error.within_5_percent, error.within_10_percent) == (0.5, 0.75)
    assert error.rank_correlation is None


def test_rank_correlation_is_spearmans() -> None:
    found = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert prediction_error(found, found**3).rank_correlation == pytest.approx(1.0)
    assert prediction_error(found, 6 - found).rank_correlation == pytest.approx(-1.0)
    # With ties, against the formula with mean ranks written out.
    tied = np.array([1.0, 1.0, 2.0, 3.0, 3.0])
    ranks = np.array([1.5, 1.5, 3.0, 4.5, 4.5])
    expected = np.corrcoef(np.arange(5), ranks)[0, 1]
    assert prediction_error(found, tied).rank_correlation == pytest.approx(expected)


def test_the_interval_covers_what_was_found_and_the_prediction_itself() -> None:
    random = np.random.default_rng(0)
    predicted = random.random(1000) + 1
    found = predicted * random.normal(1.02, 0.01, 1000)
    low, high = ratio_interval(found, found, predicted)
    inside = ((found >= low * predicted) & (found <= high * predicted)).mean()
    assert inside >= 0.95
    assert low <= 1 <= high
    pair = np.array([2.0, 3.0])
    assert ratio_interval(pair, pair, np.array([1.0, 1.0])) == (1.0, 3.0)
    # An estimate's error band counts.
    assert ratio_interval(0.2 * pair, 1.1 * pair, np.array([1.0, 1.0])) == pytest.approx((0.4, 3.3))


def test_keys_show_what_differs() -> None:
    key = TableKey(
        device="host", target="onnxruntime", versions={"onnxruntime": "1.0"}, options={"threads": "1"}, dtype="float32"
    )
    other = TableKey(
        device="host", target="onnxruntime", versions={"onnxruntime": "2.0"}, options={}, dtype="int8", machine="x"
    )
    assert key.differences(key) == []
    assert key.differences(other) == [
        "dtype: float32, not int8",
        "machine: none, not x",
        "version of onnxruntime: 1.0, not 2.0",
        "option threads: 1, not none",
    ]


def test_the_surrogate_learns_what_choices_add() -> None:
    """Sixty noisy observations of an additive function order three thousand others."""
    random = np.random.default_rng(1)
    sizes = (3, 3, 3, 3, 4, 5)
    worth = [random.normal(size=size) for size in sizes]

    def accuracy(rows: np.ndarray) -> np.ndarray:
        return 0.9 + 0.01 * sum(part[rows[:, column]] for column, part in enumerate(worth))

    rows = np.stack([random.integers(0, size, 3060) for size in sizes], axis=1).astype(np.int8)
    features = rows.sum(axis=1, keepdims=True).astype(float)
    features = (features - features.mean()) / features.std()
    seen, unseen = rows[:60], rows[60:]
    noisy = accuracy(seen) + random.normal(0, 0.001, 60)
    mean, deviation = Surrogate(sizes).predict(seen, features[:60], noisy, unseen, features[60:])
    assert np.corrcoef(mean, accuracy(unseen))[0, 1] > 0.95
    assert (deviation > 0).all()
    # What was seen is known better than what was not.
    _, at_seen = Surrogate(sizes).predict(seen, features[:60], noisy, seen, features[:60])
    assert at_seen.mean() < deviation.mean()


def test_the_surrogate_takes_equal_accuracies_and_more_than_it_keeps() -> None:
    random = np.random.default_rng(2)
    rows = random.integers(0, 4, (3 * MAX_OBSERVED, 5)).astype(np.int8)
    features = random.normal(size=(len(rows), 2))
    surrogate = Surrogate((4, 4, 4, 4, 4))
    mean, deviation = surrogate.predict(rows[:5], features[:5], np.full(5, 0.7), rows, features)
    assert mean == pytest.approx(0.7, abs=1e-6)
    assert np.isfinite(deviation).all()
    mean, _ = surrogate.predict(rows, features, random.random(len(rows)), rows, features)
    assert np.isfinite(mean).all()
