from collections.abc import Callable
from pathlib import Path

import pytest

Put = Callable[[str, object], None]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a file of a tree like ``/sys``, at once for whoever reads it meanwhile."""

    def write(name: str, value: object) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_text(f"{value}\n")
        new.replace(path)

    return write
