"""Damaged model files are refused with a message: no other exception, no hang."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.core.model import ModelFormat
from edgebench.errors import EdgebenchError
from edgebench.models.inspect import inspect
from edgebench.models.source import parse_source
from edgebench.models.zoo import export

LIMIT_S = 5


@pytest.fixture(scope="module", params=[ModelFormat.ONNX, ModelFormat.TFLITE, ModelFormat.TORCH_EXPORT])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param is ModelFormat.TORCH_EXPORT:
        pytest.importorskip("torch")
    path = tmp_path_factory.mktemp("original") / f"model.{request.param}"
    export("tiny", request.param, path)
    return path


def mutated(content: bytes, data: st.DataObject) -> bytes:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, max(0, len(changed) - 1)))
        kind = data.draw(st.sampled_from(["flip", "cut", "splice", "overwrite"]))
        if kind == "cut":
            del changed[position:]
        elif kind == "flip" and changed:
            changed[position] ^= 1 << data.draw(st.integers(0, 7))
        else:
            piece = data.draw(st.binary(min_size=1, max_size=8))
            changed[position : position + (len(piece) if kind == "overwrite" else 0)] = piece
    return bytes(changed)


def check(content: bytes, folder: Path) -> None:
    path = folder / "model"
    path.write_bytes(content)
    start = time.monotonic()
    try:
        inspect(path, parse_source(str(path)), {})
    except EdgebenchError as error:
        assert error.what
    assert time.monotonic() - start < LIMIT_S


FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(FUZZ, max_examples=150)
@given(data=st.data())
def test_mutated_files_are_read_or_refused(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    check(mutated(original.read_bytes(), data), tmp_path)


@pytest.mark.slow
@settings(FUZZ, max_examples=3000)
@given(data=st.data())
def test_thousands_of_mutated_files_are_read_or_refused(original: Path, tmp_path: Path, data: st.DataObject) -> None:
    check(mutated(original.read_bytes(), data), tmp_path)


@settings(FUZZ, max_examples=200)
@given(
    content=st.binary(max_size=200),
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x04", b"\x08\x07", b"\x1c\0\0\0TFL3"]),
)
def test_rubbish_is_read_or_refused(tmp_path: Path, content: bytes, head: bytes) -> None:
    check(head + content, tmp_path)
