import os
import pickle
from pathlib import Path

import pytest

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError
from edgebench.models.inspect import inspect
from edgebench.models.source import ModelSource, identify, parse_source
from tests.models.small_model_files import archive, exported, keyword_net, keyword_tflite, torchscript


def content_of(format_: ModelFormat) -> bytes:
    if format_ is ModelFormat.ONNX:
        return bytes(keyword_net().SerializeToString())
    makers = {
        ModelFormat.TFLITE: keyword_tflite,
        ModelFormat.TORCHSCRIPT: torchscript,
        ModelFormat.TORCH_EXPORT: exported,
    }
    return makers[format_]()


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        identify(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy
    return caught.value


def test_zoo_names_and_paths() -> None:
    assert parse_source("zoo:ds-cnn") == ModelSource(text="zoo:ds-cnn", name="ds-cnn", zoo="ds-cnn")
    assert parse_source("nets/kws.v2.onnx") == ModelSource(
        text="nets/kws.v2.onnx", name="kws.v2", path=Path("nets/kws.v2.onnx")
    )


@pytest.mark.parametrize("format_", ModelFormat)
@pytest.mark.parametrize("name", ["model.bin", "model.tflite", "model.onnx", "model.pt", "model"])
def test_the_content_decides_the_format_and_not_the_name(tmp_path: Path, format_: ModelFormat, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content_of(format_))
    assert identify(path) is format_


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_refused_and_never_opened(tmp_path: Path, protocol: int) -> None:
    path, trace = tmp_path / "model.pt", tmp_path / "opened"
    path.write_bytes(pickle.dumps(Bomb(trace), protocol))
    assert "pickle" in refusal(path).what
    path.write_bytes(archive({"net/data.pkl": path.read_bytes(), "net/version": b"3", "net/data/0": b"\0"}))
    assert "pickled PyTorch" in refusal(path).what
    assert "torch.onnx.export" in str(refusal(path).remedy)
    assert not trace.exists()


def test_a_pickle_inside_torchscript_is_not_opened(tmp_path: Path) -> None:
    path, trace = tmp_path / "model.pt", tmp_path / "opened"
    bomb = pickle.dumps(Bomb(trace), 2)
    path.write_bytes(archive({"net/data.pkl": bomb, "net/constants.pkl": bomb, "net/code/__torch__/net.py": b""}))
    assert inspect(path, parse_source(str(path)), {}).format is ModelFormat.TORCHSCRIPT
    assert not trace.exists()


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "keywords.onnx").touch()
    error = refusal(tmp_path / "keyword.onnx")
    assert error.what == "no such file"
    assert "keywords.onnx" in str(error.remedy)
    assert "no folder" in str(refusal(tmp_path / "nets" / "keyword.onnx").remedy)
    assert refusal(tmp_path / "keywords.onnx" / "model.onnx").what == "no such file"


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path).what
    (tmp_path / "a.onnx").touch()
    (tmp_path / "readme.txt").touch()
    assert f"did you mean {str(tmp_path / 'a.onnx')!r}?" in str(refusal(tmp_path).remedy)
    (tmp_path / "b.tflite").touch()
    assert "a.onnx, b.tflite" in str(refusal(tmp_path).remedy)
    (tmp_path / "saved_model.pb").touch()
    assert "TFLiteConverter" in str(refusal(tmp_path).remedy)


def test_what_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "not a regular file" in refusal(tmp_path / "pipe.onnx").what
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(InputError, match="cannot be read"):
            identify(tmp_path / name)
    (tmp_path / "empty.onnx").touch()
    assert "empty" in refusal(tmp_path / "empty.onnx").what


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "Keras"),
        (b"\x10\0\0\0ORTM" + bytes(20), "ONNX Runtime's own"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"w":1}', "safetensors"),
        (b"hello, this is no model", "not a model"),
        (bytes(range(200, 256)), "not a model"),
    ],
)
def test_files_often_taken_for_models_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    assert words in refusal(path).what


def test_a_model_that_is_cut_off_is_still_recognised_by_its_name(tmp_path: Path) -> None:
    content = keyword_net().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(content[: len(content) // 2])
    assert identify(path) is ModelFormat.ONNX
    with pytest.raises(InputError, match="damaged ONNX file"):
        inspect(path, parse_source(str(path)), {})
    path.rename(path.with_suffix(".bin"))
    assert "not a model" in refusal(path.with_suffix(".bin")).what
    (tmp_path / "noise.onnx").write_bytes(b"\xff" * 100)
    assert "ends in .onnx" in refusal(tmp_path / "noise.onnx").what


@pytest.mark.parametrize(
    ("entries", "words", "remedy"),
    [
        ({"net/model.onnx": b""}, "not a model", "net/model.onnx"),
        ({"readme.txt": b""}, "not a model", "give an .onnx"),
        ({"serialized_exported_program.json": b""}, "older PyTorch", "save it again"),
        ({}, "not a model", "give an .onnx"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, entries: dict[str, bytes], words: str, remedy: str) -> None:
    path = tmp_path / "file.zip"
    path.write_bytes(archive(entries))
    error = refusal(path)
    assert words in error.what
    assert remedy in str(error.remedy)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    content = exported()
    path.write_bytes(content[:-30])
    assert "archive is damaged" in refusal(path).what
