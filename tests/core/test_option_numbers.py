"""``--option KEY=NUMBER`` with what is no number."""

import pytest

from edgebench.core.options import parse_option
from edgebench.errors import InputError
from edgebench.store.devices import find_device
from edgebench.targets.fake import FakeOptions


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e999", "NaN"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    with pytest.raises(InputError, match="not a finite number") as caught:
        parse_option(f"noise={number}", find_device("fake"), FakeOptions)
    assert f"noise={number}" in caught.value.where
