"""What every energy meter must satisfy, as tests that its author inherits.

A test class derives from ``MeterContract`` and overrides the fixture ``meter``::

    class TestMyMeter(MeterContract):
        @pytest.fixture
        def meter(self):
            with MyMeter.open("", Path("/sys")) as meter:
                yield meter
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest

from edgebench.meters.base import EnergyMeter

_LONGEST_WAIT_S = 0.5


class MeterContract:
    """Tests of one meter; pytest runs them for each class that derives from this one."""

    @pytest.fixture
    def meter(self) -> Iterator[EnergyMeter]:
        """The meter under test, open; the test class provides it and closes it."""
        raise NotImplementedError("override the fixture `meter`")

    def test_it_says_what_it_is(self, meter: EnergyMeter) -> None:
        """Name and scope are printed beside every number, so they must exist and fit into a line."""
        assert meter.name.strip(), "a meter has the name that a device file uses for it"
        assert meter.scope.strip(), "a meter says what its reading covers"
        assert "\n" not in meter.name + meter.scope, "name and scope are printed in one line"

    def test_its_resolution_is_a_time(self, meter: EnergyMeter) -> None:
        """Bursts are made long enough by it."""
        assert math.isfinite(meter.resolution_s), "the resolution is a number of seconds"
        assert meter.resolution_s > 0, "no meter is updated continuously"

    def test_its_reading_never_decreases(self, meter: EnergyMeter) -> None:
        """Energy is the difference of two readings."""
        end = time.monotonic() + min(5 * meter.resolution_s, _LONGEST_WAIT_S)
        last = meter.read_j()
        assert math.isfinite(last), f"the first reading is {last} J"
        while time.monotonic() < end:
            reading = meter.read_j()
            assert math.isfinite(reading), f"a reading is {reading} J"
            assert reading >= last, f"the reading fell from {last} J to {reading} J"
            last = reading
            time.sleep(min(meter.resolution_s, _LONGEST_WAIT_S) / 10)

    def test_it_closes_twice(self, meter: EnergyMeter) -> None:
        """A meter is closed by a ``with`` statement, and perhaps once more after an error."""
        with meter as opened:
            assert opened is meter, "the with statement returns the meter itself"
            opened.read_j()
        meter.close()
