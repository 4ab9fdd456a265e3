"""Nothing that lies in the folder where edgebench is started is run unless the user names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgebench.machine.child_environment import child_environment
from tests.cli.test_cli import QUICK
from tests.extras import needs_mcu

pytestmark = [pytest.mark.child, pytest.mark.slow]
_PACKAGES = (
    "onnxruntime", "numpy", "ziglang", "unicorn", "ai_edge_litert", "ethosu", "torch", "json", "edgebench", "psutil",
    "bakenn", "elftools", "pandas", "rich", "optuna", "sitecustomize", "usercustomize",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of a stranger, with files that are named like packages."""
    for name in _PACKAGES:
        (tmp_path / f"{name}.py").write_text(
            f"from pathlib import Path\nPath({str(tmp_path)!r}, 'run-{name}').touch()\nraise SystemExit(7)\n"
        )
    return tmp_path


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "edgebench"
    environment = {**os.environ, **more}
    return subprocess.run(
        [str(command), *arguments], cwd=folder, capture_output=True, text=True, timeout=200, env=environment
    )


@pytest.mark.parametrize(
    "devices", [("host", "host-litert"), ("ethos-u55-128",), pytest.param(("nucleo-l4r5zi",), marks=needs_mcu)]
)
def test_no_file_stands_in_for_a_package(checkout: Path, devices: tuple[str, ...], tmp_path: Path) -> None:
    named = [word for device in devices for word in ("-d", device)]
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")} if devices == ("nucleo-l4r5zi",) else {}
    done = run(checkout, "profile", "zoo:tiny", *named, *QUICK, **cache)
    assert done.returncode in {0, 4}, done.stdout + done.stderr
    assert not list(checkout.glob("run-*"))


def test_the_module_is_as_safe_as_the_command(checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgebench", "zoo", "list"],
        cwd=checkout.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    (checkout / "edgebench.py").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "edgebench", "zoo", "list"], cwd=checkout, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not list(checkout.glob("run-*"))


def test_relative_entries_of_the_path_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", ".", "lib", str(tmp_path)]))
    monkeypatch.setenv("PYTHONSTARTUP", "evil.py")
    found = child_environment()
    assert found["PYTHONPATH"] == str(tmp_path)
    assert "PYTHONSTARTUP" not in found
    assert found["PYTHONSAFEPATH"] == "1"
    assert found["ORT_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setenv("PYTHONPATH", ":")
    assert "PYTHONPATH" not in child_environment()
