"""The example of a plug-in installs, is found by its entry points, works, and keeps the contracts."""

import csv
import io
import os
import shutil
import subprocess
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MISSING = [name for name in ("hatchling", "pip") if find_spec(name) is None]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")]


class Installed:
    """A copy of the example, installed in an environment of its own that sees all packages of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "plugin"
        shutil.copytree(ROOT / "examples" / "plugin", self.folder)
        venv.create(folder / "env", with_pip=False)
        self._python = folder / "env" / "bin" / "python"
        scheme = {"base": str(folder / "env"), "platbase": str(folder / "env")}
        packages = Path(sysconfig.get_path("purelib", "venv", scheme))
        (packages / "running.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        installing = ["install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "."]
        done = self.run("-m", "pip", *installing)
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._python, *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=300,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def table(self, *arguments: str) -> list[dict[str, str]]:
        done = self.run("-m", "edgebench.cli.main", *arguments, "--format", "csv")
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("example"))


def test_it_is_installed_and_not_just_lying_there(plugin: Installed) -> None:
    shutil.move(plugin.folder / "edgebench_example", plugin.folder / "elsewhere")
    try:
        done = plugin.run("-c", "import edgebench_example; print(edgebench_example.__file__)")
    finally:
        shutil.move(plugin.folder / "elsewhere", plugin.folder / "edgebench_example")
    assert "site-packages" in done.stdout, done.stderr


def test_its_device_is_listed_as_ready(plugin: Installed) -> None:
    rows = {row["device"]: row for row in plugin.table("devices")}
    assert rows["onnx-reference"]["target"] == "onnx-reference"
    assert rows["onnx-reference"]["ready"] == "True", rows["onnx-reference"]["problem"]


def test_its_target_measures(plugin: Installed) -> None:
    quick = ["--repetitions", "2", "--goal", "1000%"]
    (row,) = plugin.table("profile", "zoo:tiny", "-d", "onnx-reference", *quick)
    assert row["outcome"] == "ok"
    assert row["latency_s.provenance"] == "measured"
    assert float(row["latency_s"]) > 0


def test_its_spaces_are_listed_with_their_size(plugin: Installed) -> None:
    rows = {row["space"]: row for row in plugin.table("spaces", "list")}
    assert rows["plain-cnn"]["family"] == "plain-cnn"
    assert int(rows["plain-cnn"]["architectures"]) == 9


def test_its_own_tests_pass(plugin: Installed) -> None:
    done = plugin.run("-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
