"""Single facts about a machine, each read from a few small files below a root folder.

A fact that cannot be read is ``""`` or ``None``; nothing here raises, whatever the files contain.
"""

from __future__ import annotations

import re
from pathlib import Path

CPU = "sys/devices/system/cpu"
_LONGEST = 1 << 16
"""Bytes read from a file: enough for the first processors of a long ``/proc/cpuinfo``."""
_ARM = "0x41"
# Part numbers of Arm's own cores, from the description of the register MIDR_EL1 in their reference manuals.
_ARM_PARTS = {
    "0xc07": "Cortex-A7",
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
}
_VIRTUAL_PRODUCTS = re.compile(
    r"KVM|QEMU|VMware|VirtualBox|Virtual Machine|HVM domU|Parallels|Bochs|Amazon EC2 (?!.*metal)"
)


def text(path: Path) -> str:
    """The beginning of a file, without white space and null bytes around it."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST).decode(errors="replace").strip(" \t\n\0")
    except OSError:
        return ""


def integer(path: Path) -> int | None:
    """The whole number in a file."""
    found = re.fullmatch(r"-?\d{1,20}", text(path))
    return int(found[0]) if found else None


def files(root: Path, pattern: str) -> list[Path]:
    """Paths below the root that match a pattern, sorted."""
    try:
        return sorted(root.glob(pattern))
    except OSError:
        return []


def field(pattern: str, content: str) -> str:
    """The first group of a pattern in a multi-line string, or ``""``."""
    found = re.search(pattern, content, re.MULTILINE)
    return found[1].strip() if found else ""


def cpu_model(root: Path) -> str:
    """Name of the processor; on Arm, which reports no name, the names of its cores."""
    content = text(root / "proc/cpuinfo")
    implementer = field(r"^CPU implementer\s*:\s*(\S+)$", content)
    if not implementer:
        return field(r"^(?:model name|cpu model|uarch)\s*:\s*(.+)$", content)
    parts = dict.fromkeys(re.findall(r"^CPU part\s*:\s*(\S+)$", content, re.MULTILINE))
    names = _ARM_PARTS if implementer == _ARM else {}
    return " + ".join(names.get(part, f"implementer {implementer} part {part}") for part in parts)


def online_processors(root: Path) -> int | None:
    """Processors that are switched on, hardware threads counted one by one."""
    ranges = re.findall(r"(\d{1,6})(?:-(\d{1,6}))?", text(root / CPU / "online"))
    return sum(int(last or first) - int(first) + 1 for first, last in ranges) or None


def physical_cores(root: Path) -> int | None:
    """Cores, hardware threads of one core counted once."""
    siblings = {text(path) for path in files(root, f"{CPU}/cpu[0-9]*/topology/thread_siblings_list")}
    return len(siblings - {""}) or None


def memory_bytes(root: Path) -> int | None:
    """Main memory that the kernel can use, in bytes."""
    kilobytes = field(r"^MemTotal:\s*(\d{1,15}) kB$", text(root / "proc/meminfo"))
    return int(kilobytes) * 1024 if kilobytes else None


def virtual_machine(root: Path) -> str:
    """Name of the hypervisor or of the virtual hardware, if there are signs of one."""
    hypervisor = text(root / "sys/hypervisor/type") or text(root / "proc/device-tree/hypervisor/compatible")
    hardware = " ".join(
        filter(None, (text(root / f"sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")))
    )
    flagged = re.search(r"^flags\s*:.*\bhypervisor\b", text(root / "proc/cpuinfo"), re.MULTILINE)
    if not (hypervisor or flagged or _VIRTUAL_PRODUCTS.search(hardware)):
        return ""
    return hypervisor or hardware or "hypervisor without a name"


def container(root: Path) -> str:
    """What created the container that this runs in, if there are signs of one."""
    made = text(root / "run/systemd/container")
    if made:
        return made
    for mark, name in (("run/.containerenv", "podman"), (".dockerenv", "docker")):
        if files(root, mark):
            return name
    return ""


def governors(root: Path) -> list[str]:
    """Frequency governors in force, each once."""
    found = {text(path) for path in files(root, f"{CPU}/cpufreq/policy[0-9]*/scaling_governor")}
    return sorted(found - {""})


def turbo(root: Path) -> bool | None:
    """Whether clocks above the nominal one are allowed."""
    switched_off, switched_on = integer(root / CPU / "intel_pstate/no_turbo"), integer(root / CPU / "cpufreq/boost")
    if switched_off is not None:
        return switched_off == 0
    return None if switched_on is None else switched_on == 1


def held_clock(root: Path) -> tuple[int, int] | None:
    """Highest allowed and highest possible clock in kHz, of the processor where they are furthest apart."""
    held = []
    for policy in files(root, f"{CPU}/cpufreq/policy[0-9]*"):
        allowed, possible = integer(policy / "scaling_max_freq"), integer(policy / "cpuinfo_max_freq")
        if allowed is not None and possible is not None and 0 < allowed < possible:
            held.append((allowed, possible))
    return min(held, key=lambda clocks: clocks[0] / clocks[1], default=None)


def on_battery(root: Path) -> bool:
    """Whether a battery of the machine itself, not of a mouse (scope ``Device``), is being discharged."""
    return any(
        (text(supply / "type"), text(supply / "status")) == ("Battery", "Discharging")
        and text(supply / "scope") != "Device"
        for supply in files(root, "sys/class/power_supply/*")
    )


def throttle_count(root: Path) -> int | None:
    """The kernel's counts of throttling by heat, added up over all processors."""
    counts = [integer(path) for path in files(root, f"{CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
