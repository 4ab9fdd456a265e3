"""Damaged model files are refused in words; nothing else may happen, and nothing may take long."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgebench.errors import InputError
from edgebench.models.inspect import inspect
from edgebench.models.source import parse_source
from tests.models.small_model_files import archive, exported, exported_tables, keyword_net, keyword_tflite, torchscript

SECONDS = 5.0
Edit = Callable[[bytearray], None]
FILES = {
    "onnx": keyword_net().SerializeToString(),
    "tflite": keyword_tflite(),
    "pt": torchscript(),
    "pt2": exported(),
}
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {"onnx": {"audio": (2, 2, 8)}, "pt2": {"image": (3, 3, 16, 16)}}
TOKENS = ["1", "-1", "null", "{}", "[]", '"as_int"', "1e99", "9" * 30, "true", '"x"', '"as_tensor"', "[[]]"]


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """Cut off, flip, overwrite, repeat or remove bytes somewhere."""
    kind = draw(st.sampled_from(["cut", "flip", "set", "word", "repeat", "remove"]))
    place, source = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    length, byte = draw(st.integers(1, 64)), draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF]))
    word = draw(st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0", b"\1\0\0\0"]))

    def edit(content: bytearray) -> None:
        at, other = int(place * len(content)), int(source * len(content))
        if kind == "cut":
            del content[at:]
        elif kind == "flip" and at < len(content):
            content[at] ^= 1 << length % 8
        elif kind == "set" and at < len(content):
            content[at] = byte
        elif kind == "word":
            content[at // 4 * 4 : at // 4 * 4 + 4] = word
        elif kind == "repeat":
            content[at:at] = content[other : other + length]
        elif kind == "remove":
            del content[at : at + length]

    return edit


def outcome(path: Path, content: bytes, kind: str) -> str:
    path.write_bytes(content)
    start = time.process_time()
    try:
        inspect(path, parse_source(str(path)), SHAPES.get(kind, {}))
    except InputError as error:
        assert error.what
        return "refused"
    finally:
        assert time.process_time() - start < SECONDS
    return "described"


def check_damaged(folder: Path, kind: str, changes: list[Edit]) -> None:
    content = bytearray(FILES[kind])
    for change in changes:
        change(content)
    outcome(folder / f"model.{kind}", bytes(content), kind)


def check_tables(folder: Path, places: list[tuple[float, str]]) -> None:
    """Archives with intact checksums around damaged tables."""
    tables = [json.dumps(table) for table in exported_tables()]
    for place, token in places:
        number = 0 if place < 0.8 else 1
        parts = tables[number].split(", ")
        at = min(int(place * len(parts)), len(parts) - 1)
        key, colon, _ = parts[at].rpartition(": ")
        parts[at] = f"{key}{colon}{token}"
        tables[number] = ", ".join(parts)
    entries = {"n/archive_format": b"pt2", "n/models/model.json": tables[0].encode()}
    entries["n/data/weights/model_weights_config.json"] = tables[1].encode()
    outcome(folder / "tables.pt2", archive(entries), "pt2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("kind", FILES)
def test_the_files_are_valid_before_they_are_damaged(folder: Path, kind: str) -> None:
    assert outcome(folder / f"whole.{kind}", FILES[kind], kind) == "described"


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("step", [7])
def test_files_cut_off_anywhere(folder: Path, kind: str, step: int) -> None:
    for length in range(0, len(FILES[kind]) - 1, step):
        outcome(folder / f"cut.{kind}", FILES[kind][:length], kind)


@pytest.mark.parametrize("kind", FILES)
@given(changes=st.lists(edits(), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files(folder: Path, kind: str, changes: list[Edit]) -> None:
    check_damaged(folder, kind, changes)


@given(places=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TOKENS)), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_damaged_tables(folder: Path, places: list[tuple[float, str]]) -> None:
    check_tables(folder, places)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@given(changes=st.lists(edits(), min_size=1, max_size=6))
@settings(max_examples=3000, deadline=None)
def test_many_damaged_files(folder: Path, kind: str, changes: list[Edit]) -> None:
    check_damaged(folder, kind, changes)


@pytest.mark.slow
@given(places=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(TOKENS)), min_size=1, max_size=3))
@settings(max_examples=3000, deadline=None)
def test_many_damaged_tables(folder: Path, places: list[tuple[float, str]]) -> None:
    check_tables(folder, places)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_every_byte_changed(folder: Path, kind: str) -> None:
    for at in range(len(FILES[kind])):
        content = bytearray(FILES[kind])
        content[at] ^= 0xFF
        outcome(folder / f"byte.{kind}", bytes(content), kind)
