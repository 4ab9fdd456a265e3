"""Splits and sizes of tasks."""

import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.errors import InputError
from edgebench.tasks.registry import load_task
from edgebench.tasks.resize import resize_images
from edgebench.tasks.splitting import task_from_arrays, task_from_splits
from edgebench.tasks.task import Split, Task
from tests.tasks.synthetic import bars, bars_task


def numbered(counts: list[int], seed: int) -> Task:
    """Each image holds its own number, so that it is known wherever it goes."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.float32)[:, None, None, None] / 1000
    order = np.random.default_rng(3).permutation(len(labels))
    return task_from_arrays("numbered", images[order], labels[order], seed=seed)


def numbers(split: Split) -> list[int]:
    return np.rint(split.images.ravel() * 1000).astype(int).tolist()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(3, 60), min_size=2, max_size=6), st.integers(0, 5))
def test_splits_are_disjoint_complete_and_stratified(counts: list[int], seed: int) -> None:
    task = numbered(counts, seed)
    together = [number for split in task.parts().values() for number in numbers(split)]
    assert sorted(together) == list(range(sum(counts)))
    for label, count in enumerate(counts):
        sizes = [int((split.labels == label).sum()) for split in task.parts().values()]
        assert sum(sizes) == count
        for held_out in sizes[1:]:
            assert held_out >= 1
            assert abs(held_out - 0.15 * count) <= 1


def test_splits_repeat_for_a_seed_and_differ_between_seeds() -> None:
    first, again, other = numbered([50, 50], 1), numbered([50, 50], 1), numbered([50, 50], 2)
    assert first.digest == again.digest != other.digest
    for part, split in first.parts().items():
        np.testing.assert_array_equal(split.images, again.parts()[part].images)
        assert set(numbers(split)) != set(numbers(other.parts()[part]))


def test_the_first_samples_of_a_split_and_a_sample_of_it_hold_all_classes() -> None:
    # The source is sorted by class.
    task = task_from_arrays("sorted", np.zeros((300, 2, 2), np.float32), np.repeat([0, 1, 2], 100), seed=0)
    assert set(task.train.labels[:12].tolist()) == {0, 1, 2}
    by_class = Split(images=np.zeros((300, 2, 2, 1), np.float32), labels=np.repeat([0, 1, 2], 100))
    assert np.bincount(by_class.sample(30).labels).tolist() == [10, 10, 10]
    assert by_class.sample(300) is by_class


def test_the_digest_sees_images_labels_and_splits() -> None:
    task = bars_task()
    images, labels = bars()
    images[0, 0, 0, 0] += 0.01
    assert task_from_arrays("bars", images, labels, seed=0).digest != task.digest
    assert task_from_arrays("other name", *bars(), seed=0).digest == task.digest


def test_resized_tasks_are_kept_and_the_same_size_is_the_task_itself() -> None:
    task = bars_task()
    assert task.resized(8, 8) is task
    larger = task.resized(12, 10)
    assert larger.input_shape == (12, 10, 1)
    assert larger is task.resized(12, 10)
    assert larger.digest not in {task.digest, task.resized(10, 12).digest}
    np.testing.assert_array_equal(larger.test.labels, task.test.labels)
    with pytest.raises(InputError, match="at least 1 row"):
        task.resized(0, 8)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_resizing_keeps_constants_and_stays_within_the_values(rows: int, columns: int, height: int, width: int) -> None:
    images = np.random.default_rng(0).random((2, rows, columns, 3), dtype=np.float32)
    resized = resize_images(images, height, width)
    assert resized.shape == (2, height, width, 3)
    assert images.min() - 1e-6 <= resized.min() <= resized.max() <= images.max() + 1e-6
    np.testing.assert_allclose(resize_images(np.full_like(images, 0.3), height, width), 0.3, atol=1e-6)


def test_resizing_agrees_with_pytorch(torch: ModuleType) -> None:
    from torch.nn import functional

    images = np.random.default_rng(0).random((2, 9, 12, 3), dtype=np.float32)
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    up = functional.interpolate(tensor, (14, 20), mode="bilinear", align_corners=False).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(resize_images(images, 14, 20), up, atol=1e-5)
    down = functional.interpolate(tensor, (3, 4), mode="area").permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(resize_images(images, 3, 4), down, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (np.where(x > 0.9, np.nan, x).astype(np.float32), y), "not finite"),
        (lambda x, y: (x.astype(np.float64) * np.inf, y), "not finite"),
        (lambda x, y: (x * 255, y), "not a scale"),
        (lambda x, y: ((x * 255).astype(np.int32), y), "images are int32"),
        (lambda x, y: (x.reshape(len(x), -1), y), "have shape"),
        (lambda x, y: (x.repeat(3, 3).transpose(0, 3, 1, 2), y), "channels first"),
        (lambda x, y: (x[:0], y[:0]), "not float32 of shape"),
        (lambda x, y: (x[1:], y), "as many int64 labels"),
        (lambda x, y: (x, y.astype(np.float32)), "not one integer"),
        (lambda x, y: (x, np.eye(3, dtype=int)[y]), "not one integer"),
        (lambda x, y: (x, y - 1), "a label is -1"),
        (lambda x, y: (x, y + 1), "no sample of class 0"),
        (lambda x, y: (x, y * 2), "no sample of class 1"),
        (lambda x, y: (x, y * 0), "at least 2 classes"),
        (lambda x, y: (x, np.where(np.arange(len(y)) < 2, 3, y)), "class 3 has 2 samples"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_task_are_refused(change: object, message: str) -> None:
    with np.errstate(invalid="ignore"):
        images, labels = change(*bars())
    with pytest.raises(InputError, match=message) as caught:
        task_from_arrays("broken", images, labels, seed=0)
    assert "broken" in str(caught.value)


def test_bytes_are_scaled_and_a_column_of_labels_is_taken() -> None:
    images, labels = bars()
    grey = (np.clip(images, 0, 1) * 255).astype(np.uint8)
    task = task_from_arrays("bytes", grey[..., 0], labels.astype(np.uint8)[:, None], seed=0)
    assert task.input_shape == (8, 8, 1)
    assert task.train.images.dtype == np.float32
    assert 0.9 < task.train.images.max() <= 1


def test_given_splits_are_kept_and_validation_comes_out_of_training() -> None:
    images, labels = bars()
    train, test = Split(images=images[:180], labels=labels[:180]), Split(images=images[180:], labels=labels[180:])
    task = task_from_splits("given", {"train": train, "test": test}, seed=0)
    np.testing.assert_array_equal(task.test.images, test.images)
    assert len(task.train) + len(task.validation) == 180
    with pytest.raises(InputError, match="images of test are"):
        task_from_splits("given", {"train": train, "test": test.resized(9, 9)}, seed=0)
    few = test.labels < 2
    with pytest.raises(InputError, match="test has no sample of class 2"):
        task_from_splits(
            "given", {"train": train, "test": Split(images=test.images[few], labels=test.labels[few])}, seed=0
        )


def test_a_header_that_says_it_is_long_is_not_read(tmp_path: Path) -> None:
    """Numpy reads gigabytes of it, which a small archive can hold, before it refuses them."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x", "y"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x02\x00" + (1 << 26).to_bytes(4, "little") + b" " * (1 << 26))
    with pytest.raises(InputError, match="the header of an array is too long"):
        load_task(str(path))
