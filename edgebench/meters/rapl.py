"""Energy counters of Intel and AMD processors (RAPL), read through Linux's powercap.

The kernel has one zone per domain (https://docs.kernel.org/power/powercap/powercap.html). ``rapl`` means the
sum of the processor packages, which nearly every machine has and which contain the cores that run a network.
Memory (``rapl:dram``) is not part of it on servers and is a separate reading. ``rapl:psys``, the platform
around the processor, exists only on some laptops and covers what the maker of the board wired to it, so it is
never used unless requested.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.base import EnergyMeter
from edgebench.meters.counter import EnergyCounter
from edgebench.meters.sysfs import matching, read_integer, read_label

_SCOPES = {
    "package": "processor package, with everything that runs on it",
    "core": "processor cores, with everything that runs on them",
    "uncore": "graphics inside the processor package",
    "dram": "memory",
    "psys": "platform around the processor, as its maker wired it",
}
_GRANT = (
    "run `sudo chmod a+r /sys/class/powercap/*-rapl:*/energy_uj`, which lasts until the next boot, or keep "
    'it with the line `SUBSYSTEM=="powercap", ACTION=="add", RUN+="/bin/chmod a+r /sys%p/energy_uj"` in '
    "/etc/udev/rules.d/70-rapl.rules; the counters are closed because they let programs spy on each other "
    "(CVE-2020-8694)"
)


class RaplMeter(EnergyMeter):
    """Sum of one domain over all packages.

    The counters are updated about every millisecond. They start again from zero after some 60 to 260 kJ, so
    one measurement must be shorter than that: ten minutes are safe below 100 W.

    Args:
        domain: For the name and the scope.
        zones: Folders of the domain's zones.

    Raises:
        TargetUnavailableError: A counter cannot be read.
    """

    resolution_s = 0.001

    def __init__(self, domain: str, zones: Sequence[Path]) -> None:
        self.name = f"rapl:{domain}"
        several = f"{len(zones)} x " if len(zones) > 1 else ""
        self.scope = several + _SCOPES.get(domain, domain)
        self._counters = [
            EnergyCounter(
                partial(read_integer, zone / "energy_uj", remedy=_GRANT),
                unit_j=1e-6,
                size=read_integer(zone / "max_energy_range_uj"),
            )
            for zone in zones
        ]

    @classmethod
    def selectors(cls, sysfs: Path) -> Sequence[str]:
        """Domains of this machine, ``package`` first."""
        return sorted(_zones(sysfs), key=lambda domain: (domain != "package", domain))

    @classmethod
    def open(cls, selector: str, sysfs: Path) -> RaplMeter:
        """Open a domain, the packages by default.

        Raises:
            InputError: This machine has no such domain.
            TargetUnavailableError: There are no counters, or reading them is not permitted.
        """
        zones = _zones(sysfs)
        domain = selector or "package"
        if not zones:
            raise TargetUnavailableError(
                "no energy counters of the processor (RAPL)",
                where=str(sysfs / "class/powercap"),
                remedy="with an Intel or AMD processor try `sudo modprobe intel_rapl_msr`; "
                "virtual machines rarely have them",
            )
        if domain not in zones:
            raise InputError(
                f"the processor's energy counters have no domain {domain!r}",
                where=f"meter rapl:{domain}",
                remedy=did_you_mean(domain, zones) or f"this machine has {', '.join(sorted(zones))}",
            )
        return cls(domain, zones[domain])

    def read_j(self) -> float:
        """Energy since the meter was opened, in joules."""
        return sum(counter.read_j() for counter in self._counters)


def _zones(sysfs: Path) -> dict[str, list[Path]]:
    """Zones by domain. The pattern leaves out ``intel-rapl-mmio``, which shows the same packages again."""
    zones: dict[str, list[Path]] = {}
    for name in matching(sysfs / "class/powercap", "*-rapl:*/name"):
        domain = read_label(name).partition("-")[0]
        if domain:
            zones.setdefault(domain, []).append(name.parent)
    return zones
