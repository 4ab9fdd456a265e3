"""What is known about the machine that measures, and what disturbs it.

Everything is read below a root folder, without starting programs, in a few milliseconds. What cannot be read
is left out, never guessed, and nothing here raises.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebench.machine import files as facts

ROOT = Path("/")
_BUSY_LOAD = 0.25
"""Load average per processor above which other work is likely to affect the numbers."""
_NOTICEABLE_STEAL = 0.001
"""Share of processor time taken by the host of a virtual machine that is worth reporting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """Counters of disturbance at one moment; None if the kernel has no such counter.

    Attributes:
        total_ticks: Processor time of all processors since boot, idle included, in ticks of the kernel.
        steal_ticks: The part of it that the host of a virtual machine gave to others.
        load_average: Mean number of runnable threads over the last minute.
        throttle_count: The kernel's counts of throttling by heat, added up over all processors.
    """

    total_ticks: int | None = None
    steal_ticks: int | None = None
    load_average: float | None = None
    throttle_count: int | None = None


def describe_machine(root: Path = ROOT) -> dict[str, str]:
    """Processor, memory, system and clock settings, for the record of a run.

    Args:
        root: Where the machine's files are.

    Returns:
        Of these keys the ones that could be read: ``cpu``, ``board``, ``architecture``, ``logical_cores``,
        ``physical_cores``, ``memory_bytes``, ``os``, ``kernel``, ``python``, ``virtual_machine``,
        ``container``, ``governor``, ``turbo``, ``smt``.
    """
    fields: dict[str, str | int | None] = {
        "cpu": facts.cpu_model(root),
        "board": facts.text(root / "proc/device-tree/model"),
        "architecture": platform.machine(),
        "logical_cores": facts.online_processors(root),
        "physical_cores": facts.physical_cores(root),
        "memory_bytes": facts.memory_bytes(root),
        "os": facts.field(r'^PRETTY_NAME="?([^"\n]+)', facts.text(root / "etc/os-release")),
        "kernel": facts.text(root / "proc/sys/kernel/osrelease"),
        "python": platform.python_version(),
        "virtual_machine": facts.virtual_machine(root),
        "container": facts.container(root),
        "governor": ", ".join(facts.governors(root)),
        "turbo": {None: None, True: "on", False: "off"}.get(facts.turbo(root)),
        "smt": {None: None, 0: "off", 1: "on"}.get(facts.integer(root / facts.CPU / "smt/active")),
    }
    if root == ROOT and platform.system() != "Linux":
        fields |= _portable_fields()
    return {key: str(value) for key, value in fields.items() if value}


def machine_warnings(root: Path = ROOT) -> list[str]:
    """What may disturb a measurement that starts now, each with what to do about it in brackets.

    Args:
        root: Where the machine's files are.
    """
    return [*_clock_warnings(root), *_load_warnings(root), *_virtual_machine_warnings(root)]


def read_state(root: Path = ROOT) -> MachineState:
    """Counters of disturbance now, to be compared by ``state_changes``.

    Args:
        root: Where the machine's files are.
    """
    ticks = [
        int(column) for column in re.findall(r"\d{1,20}", facts.field(r"^cpu +(.+)$", facts.text(root / "proc/stat")))
    ]
    load = facts.field(r"^(\d{1,9}\.\d{1,9}) ", facts.text(root / "proc/loadavg"))
    has_steal = len(ticks) >= 8
    return MachineState(
        # Columns nine and ten, the time of guests, are part of the first two (man 5 proc_stat).
        total_ticks=sum(ticks[:8]) if has_steal else None,
        steal_ticks=ticks[7] if has_steal else None,
        load_average=float(load) if load else None,
        throttle_count=facts.throttle_count(root),
    )


def state_changes(before: MachineState, after: MachineState) -> list[str]:
    """What disturbed the machine between two states. Load is left out: a measurement is load itself.

    Args:
        before: State at the start.
        after: State at the end.
    """
    changes = []
    share = _steal_share(before, after)
    if share > _NOTICEABLE_STEAL:
        changes.append(f"the host of this virtual machine took away {share:.1%} of its processor time")
    if before.throttle_count is not None and after.throttle_count is not None:
        count = after.throttle_count - before.throttle_count
        if count > 0:
            changes.append(f"the processor was slowed down by heat ({count} throttling events)")
    return changes


def _clock_warnings(root: Path) -> Iterator[str]:
    others = [governor for governor in facts.governors(root) if governor != "performance"]
    if others:
        yield (
            f"frequency governor is {', '.join(others)}: clocks follow the load "
            "(sudo cpupower frequency-set -g performance)"
        )
    if facts.turbo(root):
        pstate = facts.integer(root / facts.CPU / "intel_pstate/no_turbo") is not None
        switch = "echo 1 | sudo tee /{}/intel_pstate/no_turbo" if pstate else "echo 0 | sudo tee /{}/cpufreq/boost"
        yield (f"turbo is on: clocks follow the temperature and the number of busy cores ({switch.format(facts.CPU)})")
    held = facts.held_clock(root)
    if held:
        allowed, possible = held
        yield (
            f"clocks are held at {allowed / 1e6:.2f} of {possible / 1e6:.2f} GHz, by a setting or by heat "
            f"(sudo cpupower frequency-set -u {possible}, or cool it)"
        )
    throttled = facts.throttle_count(root)
    if throttled:
        yield (
            f"the processor has been slowed down by heat since it was started, {throttled} throttling events "
            "(cool it, and let it rest before measuring)"
        )
    if facts.on_battery(root):
        yield "the machine runs on its battery: clocks may be held down (plug it in)"


def _load_warnings(root: Path) -> Iterator[str]:
    load, processors = read_state(root).load_average, facts.online_processors(root)
    if load is not None and processors and load > _BUSY_LOAD * processors:
        yield (
            f"load average is {load:.2f} on {processors} processors: something else runs, or ran within the "
            "last minute (stop it, or wait)"
        )


def _virtual_machine_warnings(root: Path) -> Iterator[str]:
    host = facts.virtual_machine(root)
    if host:
        share = _steal_share(MachineState(total_ticks=0, steal_ticks=0), read_state(root))
        so_far = f"; {share:.1%} since it was started" if share > _NOTICEABLE_STEAL else ""
        yield (
            f"virtual machine ({host}): its host may take processor time away{so_far} "
            "(measure on hardware where small differences matter)"
        )


def _steal_share(before: MachineState, after: MachineState) -> float:
    if before.total_ticks is None or after.total_ticks is None or after.total_ticks <= before.total_ticks:
        return 0.0
    stolen = (after.steal_ticks or 0) - (before.steal_ticks or 0)
    return stolen / (after.total_ticks - before.total_ticks)


def _portable_fields() -> dict[str, str | int | None]:
    """What is known without Linux's files."""
    import psutil

    return {
        "cpu": platform.processor(),
        "logical_cores": psutil.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "kernel": platform.release(),
    }
