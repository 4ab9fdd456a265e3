"""Runtimes report nothing to anybody: no file in the home folder, no thread for it, no name that is looked up."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgebench.machine.child_environment import child_environment
from tests.models_on_disk import write_onnx

pytestmark = [
    pytest.mark.child,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="uses LD_PRELOAD"),
]

# Takes the place of what looks names up and connects, and writes down what it is asked.
_SPY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void note(const char *call, const char *what) {
    FILE *file = fopen(getenv("SPY_LOG"), "a");
    if (file) { fprintf(file, "%s %s\n", call, what ? what : ""); fclose(file); }
}
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    note("getaddrinfo", node);
    return EAI_FAIL;
}
struct hostent *gethostbyname(const char *name) { note("gethostbyname", name); return NULL; }
int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (address->sa_family != AF_UNIX) note("connect", "");
    return real(descriptor, address, length);
}
"""
# What a runtime does on its own shows seconds after it was loaded.
_ONNX = """
import onnxruntime, sys, time, numpy
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
time.sleep(14)
"""


@pytest.fixture(scope="module")
def spy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("ziglang") is None:
        pytest.skip("needs a C compiler: edgebench[mcu]")
    folder = tmp_path_factory.mktemp("spy")
    (folder / "spy.c").write_text(_SPY)
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-o", "spy.so", "spy.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return folder / "spy.so"


def watched(command: list[str], spy: Path, folder: Path, environment: dict[str, str]) -> tuple[list[str], list[str]]:
    """What a command looked up, and which files it left in an empty home folder."""
    home, log = folder / "home", folder / "log"
    home.mkdir()
    known = {name: value for name, value in environment.items() if not name.startswith("XDG_")}
    more = {"LD_PRELOAD": str(spy), "SPY_LOG": str(log), "HOME": str(home)}
    subprocess.run(command, env=known | more, cwd=folder, check=True, timeout=300)
    asked = log.read_text().splitlines() if log.exists() else []
    return asked, [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_onnx_runtime_reports_nothing(tmp_path: Path, spy: Path) -> None:
    model = write_onnx(tmp_path / "model.onnx")
    asked, left = watched([sys.executable, "-c", _ONNX, str(model)], spy, tmp_path, child_environment())
    assert (asked, left) == ([], [])


def test_the_spy_sees_what_is_reported(tmp_path: Path, spy: Path) -> None:
    """Otherwise the other tests could not fail."""
    program = "import socket\ntry: socket.getaddrinfo('nowhere.invalid', 443)\nexcept OSError: pass"
    asked, _ = watched([sys.executable, "-c", program], spy, tmp_path, dict(os.environ))
    assert asked == ["getaddrinfo nowhere.invalid"]


@pytest.mark.parametrize("device", ["host", "host-litert", "host-torch", "ethos-u55-128"])
def test_a_profile_reports_nothing(tmp_path: Path, spy: Path, device: str) -> None:
    model = "zoo:tiny"
    if device == "host-torch":
        torch = pytest.importorskip("torch")
        model = str(tmp_path / "model.pt2")
        torch.export.save(torch.export.export(torch.nn.Linear(3, 2).eval(), (torch.zeros(1, 3),)), model)
    command = [sys.executable, "-m", "edgebench", "profile", model, "-d", device, "--repetitions", "1"]
    asked, left = watched(command, spy, tmp_path, child_environment())
    assert asked == []
    assert [path for path in left if not path.startswith(".cache/edgebench/")] == []
