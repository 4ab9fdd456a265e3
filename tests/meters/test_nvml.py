"""NVML through the real ``pynvml``, against a driver library of forty lines in C."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgebench
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.meters.nvml import NvmlMeter

PACKAGE_ROOT = str(Path(edgebench.__file__).parents[1])
DRIVER = """
#include <stdlib.h>
#include <string.h>
#define SUCCESS 0
#define NOT_SUPPORTED 3
#define DRIVER_NOT_LOADED 9
#define GPU_IS_LOST 15

static int opened;
static unsigned long long counter = 5000;

static int is(const char *mode) {
    const char *given = getenv("FAKE_NVML");
    return given && !strcmp(given, mode);
}
int nvmlInitWithFlags(unsigned flags) {
    if (is("no-driver")) return DRIVER_NOT_LOADED;
    opened++;
    return SUCCESS;
}
int nvmlShutdown(void) { opened--; return SUCCESS; }
int still_open(void) { return opened; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { *handle = &counter; return SUCCESS; }
int nvmlDeviceGetName(void *handle, char *name, unsigned length) { strcpy(name, "Paper GPU"); return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
    if (is("old") || is("no-sensor")) return NOT_SUPPORTED;
    if (is("lost") && counter > 6000) return GPU_IS_LOST;
    counter += 1500;
    *millijoules = counter;
    return SUCCESS;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    if (is("no-sensor")) return NOT_SUPPORTED;
    *milliwatts = 20000;
    return SUCCESS;
}
const char *nvmlErrorString(int code) { return code == GPU_IS_LOST ? "GPU is lost" : "Not Supported"; }
"""
USE = """
import ctypes, json, sys, time
from pathlib import Path
from edgebench.errors import EdgebenchError
from edgebench.meters.nvml import NvmlMeter

answer = {"selectors": NvmlMeter.selectors(Path("/sys"))}
try:
    started = time.monotonic()
    with NvmlMeter.open(sys.argv[1], Path("/sys")) as meter:
        answer |= {"name": meter.name, "scope": meter.scope}
        time.sleep(0.05)
        answer["readings"] = [meter.read_j(), meter.read_j()]
        answer["elapsed"] = time.monotonic() - started
    meter.close()
except EdgebenchError as error:
    answer |= {"error": type(error).__name__, "what": error.what, "remedy": error.remedy}
answer["still_open"] = ctypes.CDLL("libnvidia-ml.so.1").still_open()
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "driver.c"], check=True)
    return folder


def use(driver: Path, mode: str = "new", selector: str = "") -> dict[str, object]:
    pytest.importorskip("pynvml")
    result = subprocess.run(
        [sys.executable, "-c", USE, selector],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), "FAKE_NVML": mode, "PYTHONPATH": PACKAGE_ROOT},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


@pytest.mark.child
def test_the_counter_of_the_driver_is_read_in_joules(driver: Path) -> None:
    answer = use(driver, selector="1")
    assert answer["selectors"] == ["0", "1"]
    assert answer["name"] == "nvml:1"
    assert answer["scope"] == "NVIDIA card 1 (Paper GPU)"
    assert answer["readings"] == [pytest.approx(1.5), pytest.approx(3.0)]
    assert answer["still_open"] == 0


@pytest.mark.child
def test_without_a_counter_the_power_is_integrated(driver: Path) -> None:
    answer = use(driver, "old")
    readings, elapsed = answer["readings"], answer["elapsed"]
    assert isinstance(readings, list)
    assert isinstance(elapsed, float)
    assert 20 * 0.05 <= readings[0] <= readings[1] <= 20 * elapsed
    assert "power sampled" in str(answer["scope"])
    assert answer["still_open"] == 0


@pytest.mark.child
@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("no-driver", "driver does not answer"),
        ("no-sensor", "driver reports: Not Supported"),
        ("lost", "driver reports: GPU is lost"),
    ],
)
def test_what_the_driver_refuses_is_reported(driver: Path, mode: str, what: str) -> None:
    answer = use(driver, mode)
    assert answer["error"] == "TargetUnavailableError"
    assert what in str(answer["what"])
    assert "nvidia-smi" in str(answer["remedy"])
    assert answer["still_open"] == 0


@pytest.mark.child
def test_a_card_that_is_not_there_is_the_users_mistake(driver: Path) -> None:
    answer = use(driver, selector="2")
    assert answer["error"] == "InputError"
    assert answer["still_open"] == 0


@pytest.mark.parametrize("selector", ["gpu", "-1", "1.0", "9999", "²"])
def test_a_selector_is_a_small_number(selector: str) -> None:
    with pytest.raises(InputError, match="not the number"):
        NvmlMeter.open(selector, Path("/sys"))


def test_a_missing_package_comes_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(TargetUnavailableError, match="nvidia-ml-py") as caught:
        NvmlMeter.open("", Path("/sys"))
    assert "pip install 'edgebench[nvml]'" in str(caught.value.remedy)
    assert NvmlMeter.selectors(Path("/sys")) == []
