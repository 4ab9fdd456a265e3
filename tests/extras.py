"""Marks of tests that need an extra: they are skipped where it is not installed."""

from importlib.util import find_spec

import pytest


def _needs(extra: str, *packages: str) -> pytest.MarkDecorator:
    missing = any(find_spec(name) is None for name in packages)
    return pytest.mark.skipif(missing, reason=f"needs edgebench[{extra}]")


needs_mcu = _needs("mcu", "ziglang", "unicorn", "elftools", "bakenn")
needs_torch = _needs("train", "torch")
needs_cluster = _needs("cluster", "distributed")
needs_storages = _needs("storages", "pg8000")
