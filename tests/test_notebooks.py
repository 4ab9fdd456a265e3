"""The notebooks of the examples run from the first cell to the last."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.child,
    pytest.mark.skipif(
        find_spec("nbclient") is None or find_spec("ipykernel") is None, reason="needs the extra notebooks"
    ),
]
NOTEBOOKS = sorted((Path(__file__).parent.parent / "examples" / "notebooks").glob("*.ipynb"))
NEEDED = {
    "pytorch-to-boards": ("torch", "unicorn"),
    "model-repository": ("unicorn",),
    "own-data-and-board": ("torch", "unicorn"),
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    missing = [name for name in NEEDED[path.stem] if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    shutil.copy(path, tmp_path)
    # A cell that starts with ! runs the command of this environment.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(tmp_path / path.name, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    assert "error:" not in text, text
    assert "Traceback" not in text


def test_every_notebook_is_known() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(NEEDED)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    import json

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
