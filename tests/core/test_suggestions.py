import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.suggestions import did_you_mean

KNOWN = ("nucleo-l4r5zi", "nucleo-f746zg", "host", "Pixel")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("hots", "did you mean 'host'?"),
        ("PIXEL", "did you mean 'Pixel'?"),
        ("nucleo-l4r5zz", "did you mean 'nucleo-l4r5zi' or 'nucleo-f746zg'?"),
        ("coffee", ""),
        ("", ""),
    ],
)
def test_near_names_are_suggested_and_far_ones_are_not(name: str, answer: str) -> None:
    assert did_you_mean(name, KNOWN) == answer


def test_nothing_known_means_no_suggestion() -> None:
    assert did_you_mean("host", []) == ""


@given(st.text(), st.lists(st.text()))
def test_any_text_is_answered(name: str, known: list[str]) -> None:
    answer = did_you_mean(name, known)
    assert answer == "" or answer.startswith("did you mean")


def test_a_name_of_a_megabyte_does_not_take_long() -> None:
    start = time.perf_counter()
    did_you_mean("host-" * 200_000, KNOWN)
    assert time.perf_counter() - start < 1.0
