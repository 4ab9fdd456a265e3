from pathlib import Path

import pytest

from edgebench.targets.libraries import find_library, onnxruntime_has_provider


def test_libraries_are_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "libthing.so.1"
    library.write_bytes(b"")
    assert find_library(str(library)) == library
    assert find_library("libthing.so.1") is None
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    assert find_library("libthing.so.1") == library
    assert find_library("/nowhere/libthing.so") is None


def test_what_onnxruntime_was_built_with_agrees_with_onnxruntime() -> None:
    import onnxruntime

    available = onnxruntime.get_available_providers()
    for provider in ("CPU", "Tensorrt", "CoreML", "Xnnpack", "OpenVINO", "CUDA"):
        name = f"{provider}ExecutionProvider"
        assert onnxruntime_has_provider(name) == (name in available)
