"""The contract is worth something only if a meter that breaks it is found."""

import math
from itertools import count

import pytest

from edgebench.meters.base import EnergyMeter
from edgebench.testing.meter_contract import MeterContract


class Meter(EnergyMeter):
    """Counts a joule a reading; what a test sets on it breaks one rule."""

    def __init__(self) -> None:
        self.name = "steady"
        self.resolution_s = 0.001
        self.scope = "a source that never changes"
        self.readings = (float(number) for number in count())

    def read_j(self) -> float:
        return next(self.readings)


class TestSteadyMeter(MeterContract):
    @pytest.fixture
    def meter(self) -> Meter:
        return Meter()


@pytest.mark.parametrize(("attribute", "value"), [("name", ""), ("name", " "), ("scope", ""), ("scope", "two\nlines")])
def test_a_meter_without_a_name_or_scope_is_found(attribute: str, value: str) -> None:
    meter = Meter()
    setattr(meter, attribute, value)
    with pytest.raises(AssertionError):
        MeterContract().test_it_says_what_it_is(meter)


@pytest.mark.parametrize("resolution_s", [0.0, -1.0, math.nan, math.inf])
def test_a_resolution_that_is_no_time_is_found(resolution_s: float) -> None:
    meter = Meter()
    meter.resolution_s = resolution_s
    with pytest.raises(AssertionError):
        MeterContract().test_its_resolution_is_a_time(meter)


@pytest.mark.parametrize("readings", [[2.0, 1.0], [math.nan], [1.0, math.nan], [1.0, math.inf]])
def test_a_reading_that_falls_or_is_no_number_is_found(readings: list[float]) -> None:
    meter = Meter()
    meter.resolution_s = 0.1
    meter.readings = (reading for reading in [*readings, *[5.0] * 1000])
    with pytest.raises(AssertionError):
        MeterContract().test_its_reading_never_decreases(meter)


def test_a_meter_that_cannot_be_closed_twice_is_found() -> None:
    class Handle(Meter):
        closed = False

        def close(self) -> None:
            if self.closed:
                raise OSError("bad file descriptor")
            self.closed = True

    with pytest.raises(OSError, match="bad file descriptor"):
        MeterContract().test_it_closes_twice(Handle())
