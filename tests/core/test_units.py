import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("50ms", Dimension.TIME, 0.05),
        ("1.5 s", Dimension.TIME, 1.5),
        ("20us", Dimension.TIME, 2e-5),
        ("256KB", Dimension.SIZE, 256 * 1024),
        ("256kb", Dimension.SIZE, 256 * 1024),
        ("2MiB", Dimension.SIZE, 2 * 1024**2),
        ("2mJ", Dimension.ENERGY, 2e-3),
        ("2%", Dimension.RATIO, 0.02),
        ("0.02", Dimension.RATIO, 0.02),
        ("120MHz", Dimension.FREQUENCY, 120e6),
        ("33 mW", Dimension.POWER, 0.033),
    ],
)
def test_quantities_become_si_values(text: str, dimension: Dimension, value: float) -> None:
    assert parse_quantity(text, dimension, where="--x") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "ms", "5", "5 parsecs", "-5ms", "1e999s", "nan s", "5MB", "5ms ms"])
def test_what_is_not_a_time_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_quantity(text, Dimension.TIME, where="--max-latency")
    assert caught.value.where == "--max-latency"
    assert caught.value.remedy


def test_a_unit_of_another_dimension_is_named() -> None:
    with pytest.raises(InputError, match="is a size, not a time"):
        parse_quantity("5MB", Dimension.TIME, where="--max-latency")


@given(st.text(max_size=20), st.sampled_from(Dimension))
def test_any_text_is_a_value_or_an_input_error(text: str, dimension: Dimension) -> None:
    with contextlib.suppress(InputError):
        assert parse_quantity(text, dimension, where="x") >= 0
