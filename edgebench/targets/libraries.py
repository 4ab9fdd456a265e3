"""Finds shared libraries and what they were built with, without loading them."""

from __future__ import annotations

import mmap
import os
import sysconfig
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_FOLDERS = ("/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64", "/opt/lib")


def find_library(name: str) -> Path | None:
    """Where the loader would find a library, by name or path, or None.

    A name is looked up in ``LD_LIBRARY_PATH`` and the usual system folders; the loader's cache may know more.
    """
    if "/" in name:
        return Path(name) if Path(name).is_file() else None
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *_FOLDERS]
    folders += [f"{folder}/{triplet}" for folder in _FOLDERS if triplet]
    return next((Path(folder) / name for folder in folders if folder and (Path(folder) / name).is_file()), None)


@cache
def onnxruntime_has_provider(provider: str) -> bool:
    """Whether the installed ONNX Runtime was built with a provider, found without importing it.

    A provider is a separate library beside the bindings, or compiled into them, and then messages contain the
    path of its source file.
    """
    name = provider.removesuffix("ExecutionProvider").lower()
    try:
        files = [Path(str(file.locate())) for file in distribution("onnxruntime").files or []]
    except PackageNotFoundError:
        return False
    if any(file.name == f"libonnxruntime_providers_{name}.so" for file in files):
        return True
    bindings = [file for file in files if file.name.startswith("onnxruntime_pybind11_state")]
    needle = f"core/providers/{name}/".encode()
    return any(_holds(file, needle) for file in bindings if file.is_file() and file.stat().st_size)


def _holds(path: Path, needle: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(needle) >= 0
