import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.machine.description import (
    MachineState,
    describe_machine,
    machine_warnings,
    read_state,
    state_changes,
)

CPU = "sys/devices/system/cpu"
Put = Callable[[str, str], None]
LAPTOP = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Paper(R) CPU @ 3.40GHz\nflags\t\t: fpu sse2 avx2\n",
    "proc/meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\n",
    "proc/stat": "cpu  100 0 50 800 10 0 5 35 20 0\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 12 34\n",
    "proc/loadavg": "0.31 0.20 0.10 1/200 4242\n",
    "proc/sys/kernel/osrelease": "6.1.0-paper\n",
    "etc/os-release": 'NAME="Paper"\nPRETTY_NAME="Paper Linux 12"\n',
    f"{CPU}/online": "0-2,5\n",
    f"{CPU}/smt/active": "1\n",
    f"{CPU}/intel_pstate/no_turbo": "1\n",
    f"{CPU}/cpufreq/policy0/scaling_governor": "performance\n",
    f"{CPU}/cpufreq/policy0/scaling_max_freq": "3400000\n",
    f"{CPU}/cpufreq/policy0/cpuinfo_max_freq": "3400000\n",
    f"{CPU}/cpu0/topology/thread_siblings_list": "0-1\n",
    f"{CPU}/cpu1/topology/thread_siblings_list": "0-1\n",
    f"{CPU}/cpu2/topology/thread_siblings_list": "2,5\n",
    f"{CPU}/cpu5/topology/thread_siblings_list": "2,5\n",
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "0\n",
    f"{CPU}/cpu0/thermal_throttle/package_throttle_count": "0\n",
    "sys/class/dmi/id/sys_vendor": "Paper Inc.\n",
    "sys/class/dmi/id/product_name": "Notebook 5\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/status": "Full\n",
    "sys/class/power_supply/mouse/type": "Battery\n",
    "sys/class/power_supply/mouse/status": "Discharging\n",
    "sys/class/power_supply/mouse/scope": "Device\n",
}
RASPBERRY = "".join(
    f"processor\t: {number}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\n"
    for number, part in enumerate(["0xd05", "0xd05", "0xd0b", "0xfff"])
)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(name: str, content: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return write


@pytest.fixture
def laptop(put: Put, tmp_path: Path) -> Path:
    """A quiet machine: nothing to warn of."""
    for name, content in LAPTOP.items():
        put(name, content)
    return tmp_path


def test_a_machine_is_described_by_its_files(laptop: Path) -> None:
    described = describe_machine(laptop)
    assert described.pop("python")
    assert described.pop("architecture")
    assert described == {
        "cpu": "Paper(R) CPU @ 3.40GHz",
        "logical_cores": "4",
        "physical_cores": "2",
        "memory_bytes": str(16_000_000 * 1024),
        "os": "Paper Linux 12",
        "kernel": "6.1.0-paper",
        "governor": "performance",
        "turbo": "off",
        "smt": "on",
    }


def test_what_cannot_be_read_is_absent(tmp_path: Path) -> None:
    assert set(describe_machine(tmp_path)) == {"python", "architecture"}
    assert machine_warnings(tmp_path) == []
    assert read_state(tmp_path) == MachineState()


def test_arm_cores_are_named_and_unknown_ones_shown_by_number(put: Put, tmp_path: Path) -> None:
    put("proc/cpuinfo", RASPBERRY)
    put("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    described = describe_machine(tmp_path)
    assert described["cpu"] == "Cortex-A55 + Cortex-A76 + implementer 0x41 part 0xfff"
    assert described["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    put("proc/cpuinfo", RASPBERRY.replace("0x41", "0x51"))
    assert describe_machine(tmp_path)["cpu"].startswith("implementer 0x51 part 0xd05 + ")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"proc/cpuinfo": "flags\t: fpu hypervisor lahf_lm\n"}, "Paper Inc. Notebook 5"),
        ({"sys/hypervisor/type": "xen\n"}, "xen"),
        ({"proc/device-tree/hypervisor/compatible": "linux,kvm\0"}, "linux,kvm"),
        ({"sys/class/dmi/id/product_name": "KVM Virtual Machine\n"}, "Paper Inc. KVM Virtual Machine"),
        (
            {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "c7g.large\n"},
            "Amazon EC2 c7g.large",
        ),
        (
            {"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/product_name": "c7g.metal\n"},
            None,
        ),
        ({"proc/cpuinfo": "flags\t: nohypervisor hypervisor_like\n"}, None),
    ],
)
def test_virtual_machines_are_distinguished_from_real_ones(
    laptop: Path, put: Put, files: dict[str, str], name: str | None
) -> None:
    for file, content in files.items():
        put(file, content)
    assert describe_machine(laptop).get("virtual_machine") == name
    warned = [warning for warning in machine_warnings(laptop) if "virtual machine" in warning]
    assert len(warned) == (name is not None)


@pytest.mark.parametrize(
    ("file", "content", "name"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", "", "podman"),
        ("run/systemd/container", "lxc\n", "lxc"),
    ],
)
def test_containers_are_recognised(laptop: Path, put: Put, file: str, content: str, name: str) -> None:
    put(file, content)
    assert describe_machine(laptop)["container"] == name


def test_a_quiet_machine_has_no_warnings(laptop: Path) -> None:
    assert machine_warnings(laptop) == []


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (f"{CPU}/cpufreq/policy0/scaling_governor", "powersave", "governor is powersave"),
        (f"{CPU}/cpufreq/policy0/scaling_governor", "powersave", "sudo cpupower frequency-set -g performance"),
        (f"{CPU}/cpufreq/policy4/scaling_governor", "schedutil", "governor is schedutil"),
        (f"{CPU}/intel_pstate/no_turbo", "0", f"(echo 1 | sudo tee /{CPU}/intel_pstate/no_turbo)"),
        (f"{CPU}/cpufreq/policy0/scaling_max_freq", "1800000", "held at 1.80 of 3.40 GHz"),
        (f"{CPU}/cpufreq/policy0/scaling_max_freq", "1800000", "frequency-set -u 3400000"),
        (f"{CPU}/cpu0/thermal_throttle/core_throttle_count", "12", "12 throttling events"),
        ("sys/class/power_supply/BAT0/status", "Discharging", "battery"),
        ("proc/loadavg", "1.50 0.20 0.10 1/200 4242", "load average is 1.50 on 4 processors"),
    ],
)
def test_each_disturbance_is_warned_of_with_a_remedy(
    laptop: Path, put: Put, file: str, content: str, expected: str
) -> None:
    put(file, f"{content}\n")
    (warning,) = machine_warnings(laptop)
    assert expected in warning
    assert warning.endswith(")")


def test_boost_is_the_turbo_of_other_processors(laptop: Path, put: Put) -> None:
    (laptop / CPU / "intel_pstate/no_turbo").unlink()
    put(f"{CPU}/cpufreq/boost", "1\n")
    assert describe_machine(laptop)["turbo"] == "on"
    assert f"(echo 0 | sudo tee /{CPU}/cpufreq/boost)" in machine_warnings(laptop)[0]


def test_a_virtual_machine_shows_what_its_host_took(laptop: Path, put: Put) -> None:
    put("sys/hypervisor/type", "kvm\n")
    assert "3.5% since it was started" in machine_warnings(laptop)[0]


def test_a_state_reads_the_kernels_counters(laptop: Path, put: Put) -> None:
    put(f"{CPU}/cpu5/thermal_throttle/core_throttle_count", "7\n")
    assert read_state(laptop) == MachineState(total_ticks=1000, steal_ticks=35, load_average=0.31, throttle_count=7)


def test_changes_between_two_states_are_reported() -> None:
    before = MachineState(total_ticks=1000, steal_ticks=10, load_average=0.1, throttle_count=3)
    after = MachineState(total_ticks=2000, steal_ticks=60, load_average=1.9, throttle_count=5)
    stolen, throttled = state_changes(before, after)
    assert "5.0%" in stolen
    assert "2 throttling events" in throttled


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (MachineState(), MachineState()),
        (MachineState(), MachineState(total_ticks=10, steal_ticks=5, throttle_count=5)),
        (MachineState(total_ticks=10, steal_ticks=5, throttle_count=5), MachineState()),
        (MachineState(total_ticks=10, steal_ticks=5), MachineState(total_ticks=10, steal_ticks=5)),
        (MachineState(total_ticks=0, steal_ticks=0), MachineState(total_ticks=10_000, steal_ticks=1)),
        (MachineState(throttle_count=9), MachineState(throttle_count=2)),
    ],
)
def test_nothing_is_reported_without_two_counts_that_differ(before: MachineState, after: MachineState) -> None:
    assert state_changes(before, after) == []


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*LAPTOP, "sys/hypervisor/type", "proc/device-tree/model"]),
        st.binary(max_size=60)
        | st.integers(-(10**30), 10**30).map(lambda number: f"{number}\n".encode())
        | st.sampled_from([b"9" * 60_000, b"cpu " + b"9" * 60_000 + b"\n", b"0-" + b"9" * 5000, b"", b"\0" * 9]),
        min_size=1,
        max_size=8,
    )
)
def test_no_content_of_the_files_raises(contents: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        described = describe_machine(Path(folder))
        assert all(isinstance(value, str) and value for value in described.values())
        assert all(isinstance(warning, str) for warning in machine_warnings(Path(folder)))
        state_changes(MachineState(), read_state(Path(folder)))


def test_folders_in_place_of_files_are_passed_over(tmp_path: Path) -> None:
    for name in LAPTOP:
        (tmp_path / name).mkdir(parents=True)
    assert set(describe_machine(tmp_path)) == {"python", "architecture"}
    assert machine_warnings(tmp_path) == []


@pytest.mark.skipif(not psutil.LINUX, reason="reads Linux's files")
def test_this_machine_is_described_as_psutil_sees_it() -> None:
    described = describe_machine()
    assert described["logical_cores"] == str(psutil.cpu_count())
    assert described["memory_bytes"] == str(psutil.virtual_memory().total)
    assert described["cpu"]
    assert read_state().load_average == pytest.approx(psutil.getloadavg()[0], abs=1.0)
    later = read_state()
    assert later.total_ticks is not None
    assert later.total_ticks > 0


def test_this_machine_is_read_quickly() -> None:
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        describe_machine()
        machine_warnings()
        read_state()
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.05
