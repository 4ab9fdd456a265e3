"""Exported files are whole: TFLite runs, and the C project builds."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgebench.models.inspect import inspect
from edgebench.models.source import parse_source
from tests.cli.test_cli import edgebench

pytestmark = pytest.mark.child


def test_int8_tflite(tmp_path: Path) -> None:
    done = edgebench("export", "zoo:tiny", "--to", "int8-tflite", "-o", "out/tiny.tflite", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "quantised to int8" in done.stdout
    info = inspect(tmp_path / "out/tiny.tflite", parse_source("tiny.tflite"), {})
    assert {spec.dtype for spec in info.inputs} == {"int8"}


@pytest.mark.skipif(find_spec("bakenn") is None or find_spec("ziglang") is None, reason="needs edgebench[mcu]")
def test_the_c_project_builds(tmp_path: Path) -> None:
    done = edgebench("export", "zoo:tiny", "--to", "c", "-o", "project", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "project"
    assert "int edgebench_invoke(void);" in (project / "model.h").read_text()
    if shutil.which("make") is None or shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs make and arm-none-eabi-gcc")
    subprocess.run(["make", "-s"], cwd=project, check=True, timeout=120)
    assert (project / "libmodel.a").stat().st_size > 1000
    # An application's own C library is not hidden by what stands in for one.
    source = '#include <string.h>\n#include <math.h>\n#include "model.h"\n'
    (project / "app.c").write_text(source + "float f(const char *t) { return sinf(1.0f) + strlen(t); }\n")
    flags = ["-mcpu=cortex-m4", "-mthumb", "-I.", "-Iinclude", "-Werror=implicit-function-declaration"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", "app.c"], cwd=project, check=True, timeout=60)


@pytest.mark.skipif(find_spec("bakenn") is None or find_spec("ziglang") is None, reason="needs edgebench[mcu]")
def test_c_for_a_core_with_vectors(tmp_path: Path) -> None:
    done = edgebench("export", "zoo:tiny", "--to", "c", "-o", "project", "-d", "generic-m55", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "project"
    assert "#error" not in (project / "model.c").read_text()
    assert "cortex-m55" in (project / "Makefile").read_text()
    if shutil.which("make") is None or shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs make and arm-none-eabi-gcc")
    subprocess.run(["make", "-s", "CC=arm-none-eabi-gcc"], cwd=project, check=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.onnx", "--to", "c", "-o", "x"], "no such file"),
        (["zoo:tiny", "--to", "fortran", "-o", "x"], "int8-tflite"),
        (["zoo:tiny", "--to", "c", "-o", "x", "-d", "host"], "c is not what host runs"),
        (["zoo:tiny", "--to", "tflite", "-o", "x", "-d", "host"], "same for every device"),
        (["zoo:tinny", "--to", "c", "-o", "x"], "tiny"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = edgebench("export", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
