import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.targets.mcu.calibration_fit import Measurement, fit_calibration

ratios = st.floats(0.5, 3.0)


def network(name: str, convolution: int, dense: int, first: float, second: float) -> Measurement:
    cycles = convolution * first + dense * second
    return Measurement(model=name, cycles=cycles, convolution=convolution, fully_connected=dense)


@given(ratios, ratios)
def test_exact_data_give_back_their_ratios_and_no_error(first: float, second: float) -> None:
    found = fit_calibration(
        [
            network("a", 1000_000, 100, first, second),
            network("b", 5_000_000, 900, first, second),
            network("c", 100, 800_000, first, second),
            network("d", 3000, 400_000, first, second),
        ]
    )
    assert found.convolution == pytest.approx(first, rel=1e-6)
    assert found.fully_connected == pytest.approx(second, rel=1e-6)
    assert max(map(abs, found.left_out)) < 1e-6


@given(st.floats(1.1, 2.0))
def test_a_network_that_disagrees_shows_in_the_error(factor: float) -> None:
    found = fit_calibration([network("a", 1000, 0, 1.0, 1.0), network("b", 1000, 0, factor, 1.0)])
    assert found.convolution_error == pytest.approx(factor - 1, rel=0.01)
    assert found.convolution == found.fully_connected


def test_one_measurement_is_not_enough() -> None:
    with pytest.raises(ValueError, match="at least two"):
        fit_calibration([network("a", 1000, 0, 1.0, 1.0)])
