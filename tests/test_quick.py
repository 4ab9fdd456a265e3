"""A test that is not quick, and is not marked so, is found."""

import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.quick import quick

STARTS: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run([sys.executable, "-c", ""]),
    "fork": lambda: os.fork() or os._exit(0),
    "spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {}),
    "system": lambda: os.system("true"),
    "multiprocessing": lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
}


@pytest.mark.parametrize("how", STARTS)
def test_a_start_fails_with_what_to_do(how: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"@pytest\.mark\.child"), quick("a test"):
        STARTS[how]()


@pytest.mark.parametrize("how", STARTS)
def test_a_start_that_is_caught_fails_all_the_same(how: str) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="the test starts a process"),
        quick("the test"),
        contextlib.suppress(BaseException),
    ):
        STARTS[how]()


def test_an_import_of_pytorch_fails_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        # Whether it is installed or not, and whether another test has imported it or not.
        patch.delitem(sys.modules, "torch", raising=False)
        with pytest.raises(pytest.fail.Exception, match="the fixture `torch`"), quick("a test"):
            patch.setitem(sys.modules, "torch", ModuleType("torch"))


def test_what_is_quick_passes() -> None:
    with quick("a test"):
        assert Path(__file__).is_file()


@pytest.mark.xfail(raises=pytest.fail.Exception, strict=True, reason="starts a process and is not marked")
def test_a_test_that_is_not_marked_fails() -> None:
    subprocess.run([sys.executable, "-c", ""])


@pytest.fixture
def started() -> int:
    return subprocess.run([sys.executable, "-c", "raise SystemExit(7)"]).returncode


@pytest.mark.xfail(raises=pytest.fail.Exception, strict=True, reason="its fixture starts a process")
def test_a_test_whose_fixture_starts_one_fails(started: int) -> None:
    assert started == 7


@pytest.mark.child
def test_a_marked_test_may_start_one(started: int) -> None:
    assert started == 7
