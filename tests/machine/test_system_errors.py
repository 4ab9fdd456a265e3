"""What the system refuses is no fault of edgebench, and no crash of a runtime."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from edgebench.errors import StorageError, UnavailableError
from edgebench.machine.system_errors import full_disk, refusal


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO])
def test_a_disk_that_refuses_is_told(number: int) -> None:
    found = refusal(OSError(number, os.strerror(number), "/there/file"))
    assert isinstance(found, StorageError)
    assert found.where == "/there/file"
    assert found.remedy


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
def test_a_system_without_room_is_told(number: int) -> None:
    found = refusal(OSError(number, os.strerror(number)))
    assert isinstance(found, UnavailableError)
    assert found.remedy


def test_runtimes_say_it_in_words() -> None:
    found = refusal(RuntimeError("[enforce fail at inline_container.cc:603] . No space left on device"))
    assert isinstance(found, StorageError)
    assert found.where


@pytest.mark.parametrize("error", [ValueError("nothing"), OSError(errno.ENOENT, "no such file"), KeyError("x")])
def test_all_else_may_be_a_fault(error: Exception) -> None:
    assert refusal(error) is None


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    assert full_disk(tmp_path) is None
    assert full_disk(tmp_path / "missing") is None


def test_a_disk_without_room_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4096))
    found = full_disk(tmp_path)
    assert isinstance(found, StorageError)
    assert found.where == str(tmp_path)
