"""What reports say of the machine while it was measured."""

from edgebench.core.surroundings import Surroundings
from edgebench.reports.profile_details import machine_cells


def test_ranges_over_all_moments() -> None:
    cool = Surroundings(temperature_c=41.2, frequency_hz=2.4e9, governor="ondemand", load_average=0.1)
    hot = Surroundings(temperature_c=80.4, frequency_hz=1.5e9, throttled=("heat",), power="mains", load_average=1.0)
    assert machine_cells([cool, hot], {"board": "Raspberry Pi 5", "cpu": "Cortex-A76"}) == {
        "board": "Raspberry Pi 5",
        "temperature": "41 to 80 °C",
        "clock": "1.50 to 2.40 GHz",
        "governor": "ondemand",
        "slowed down by": "heat",
        "supply": "mains",
        "load": "0.10 to 1.00",
    }


def test_where_nothing_can_be_read_there_is_no_row() -> None:
    assert machine_cells([], {}) == {}
    assert machine_cells([Surroundings(load_average=1.0)], {}) == {}
