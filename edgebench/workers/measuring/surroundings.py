"""Heat, clocks and supply of this machine, read from a few small files below a root folder.

What cannot be read is left out; nothing here raises or starts a program.
"""

from __future__ import annotations

import time
from pathlib import Path

from edgebench.core.surroundings import Surroundings
from edgebench.machine import files as facts
from edgebench.machine.description import ROOT, read_state

_ZONES = ("cpu", "soc", "x86_pkg", "coretemp", "k10temp", "acpitz")
"""What the kernel calls a sensor that sees the processor, the closest one first."""
_PLAUSIBLE_C = (-40.0, 150.0)
_PI = "sys/devices/platform/soc/soc:firmware/get_throttled"
# https://www.raspberrypi.com/documentation/computers/os.html, vcgencmd get_throttled.
_PI_FLAGS = {0: "the supply's voltage is too low", 1: "the firmware caps the clock", 2: "the firmware throttles",
             3: "the soft temperature limit is reached"}  # fmt: skip
_LOOK_S = 1.0


def read_surroundings(root: Path = ROOT) -> Surroundings:
    """What the machine is like now.

    Args:
        root: Where the machine's files are.
    """
    state = read_state(root)
    throttled = [*_pi_flags(root), *_cooling(root)]
    clocks = [
        clock for path in facts.files(root, f"{facts.CPU}/cpufreq/policy[0-9]*/scaling_cur_freq")
        if (clock := facts.integer(path))
    ]  # fmt: skip
    return Surroundings(
        temperature_c=temperature_c(root),
        frequency_hz=max(clocks) * 1e3 if clocks else None,
        governor=", ".join(facts.governors(root)),
        throttled=tuple(throttled),
        throttle_count=state.throttle_count,
        power=_power(root),
        load_average=state.load_average,
    )


def temperature_c(root: Path = ROOT) -> float | None:
    """Temperature of the processor in degrees Celsius, by the sensor that sees it best."""
    found: dict[int, list[float]] = {}
    zones = [
        (facts.text(zone / "type"), zone / "temp") for zone in facts.files(root, "sys/class/thermal/thermal_zone*")
    ]
    chips = [
        (facts.text(chip / "name"), sensor)
        for chip in facts.files(root, "sys/class/hwmon/hwmon*")
        for sensor in facts.files(chip, "temp*_input")
    ]
    for name, path in (*zones, *chips):
        rank = next((number for number, zone in enumerate(_ZONES) if zone in name.lower()), None)
        value = facts.integer(path)
        if rank is not None and value is not None and _PLAUSIBLE_C[0] <= value / 1000 <= _PLAUSIBLE_C[1]:
            found.setdefault(rank, []).append(value / 1000)
    return max(found[min(found)]) if found else None


def wait_until_cool(limit_c: float, within_s: float, root: Path = ROOT) -> tuple[float, float | None]:
    """Wait until the processor is no hotter than a limit.

    Args:
        limit_c: In degrees Celsius.
        within_s: Wait at most so long.
        root: Where the machine's files are.

    Returns:
        How long it took in seconds, and the temperature now; None, at once, if there is no sensor.
    """
    begin = time.monotonic()
    while (now_c := temperature_c(root)) is not None and now_c > limit_c:
        left_s = begin + within_s - time.monotonic()
        if left_s <= 0:
            break
        time.sleep(min(_LOOK_S, left_s))
    return time.monotonic() - begin, now_c


def _pi_flags(root: Path) -> list[str]:
    text = facts.text(root / _PI)
    try:
        flags = int(text, 16) if text else 0
    except ValueError:
        return []
    return [words for bit, words in _PI_FLAGS.items() if flags & 1 << bit]


def _cooling(root: Path) -> list[str]:
    """Whether the kernel cools by lower clocks now."""
    devices = facts.files(root, "sys/class/thermal/cooling_device*")
    active = any(
        facts.text(device / "type").lower().startswith(("processor", "thermal-cpufreq", "cpufreq"))
        and (facts.integer(device / "cur_state") or 0) > 0
        for device in devices
    )
    return ["the kernel lowers the clock against heat"] if active else []


def _power(root: Path) -> str:
    alarms = facts.files(root, "sys/class/hwmon/hwmon*/in0_lcrit_alarm")
    if any(facts.text(path.parent / "name") == "rpi_volt" and facts.integer(path) == 1 for path in alarms):
        return "voltage too low"
    if facts.on_battery(root):
        return "battery"
    return "mains" if facts.files(root, "sys/class/power_supply/*") else ""
