"""Every command on a device of a board, as on any other; a real OpenSSH server on loopback stands for the board."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgebench.machine.machine_lock import PLACE
from tests.cli.test_cli import edgebench
from tests.small_space import write_twelve
from tests.ssh_server import ssh_server

pytestmark = [pytest.mark.child, pytest.mark.slow]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a space, and a device that is a board."""
    folder = tmp_path_factory.mktemp("project")
    write_twelve(folder)
    board = tmp_path_factory.mktemp("board")
    settings = f"SetEnv XDG_CACHE_HOME={board}/cache {PLACE}={board}/lock\n"
    with ssh_server(board / "sshd", settings=settings) as server:
        (folder / "devices").mkdir()
        (folder / "devices" / "desk.toml").write_text(
            f'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "onnxruntime"\ndescription = "A board"\n'
            f'link = "ssh"\nhost = "board"\nssh_config = "{server.config}"\npython = "{sys.executable}"\n'
            f'environment = "{sys.prefix}"\n'
        )
        yield folder


def done(folder: Path, *arguments: str, code: int = 0) -> str:
    ended = edgebench(*arguments, cwd=folder, env={"EDGEBENCH_TRUST": "1"})
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def rows(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    ended = edgebench(*arguments, "--json", cwd=folder, env={"EDGEBENCH_TRUST": "1"})
    found: list[dict[str, Any]] = json.loads(ended.stdout)["rows"]
    return found


def test_tables_and_searches(project: Path) -> None:
    done(project, "lut", "build", "twelve", "-d", "desk", "--goal", "50%", "-n", "2")
    done(project, "lut", "validate", "twelve", "-d", "desk", "-n", "3")
    front = rows(project, "lut", "front", "twelve", "-d", "desk")
    assert front
    found = done(
        project, "search", "twelve", "-d", "desk", "--max-latency", "50ms", "--accuracy", "proxy:macs", "--trials", "2",
        "--finalists", "1", "--time-limit", "10s",
    )  # fmt: skip
    assert "a solution" in found


def test_baselines_gates_and_comparisons(project: Path) -> None:
    limit = ("--time-limit", "60s")
    done(project, "baseline", "save", "main", "zoo:ds-cnn", "-d", "desk", "--reason", "first", "--time-limit", "10s")
    file = project / "results" / "baselines" / "main.json"
    kept = json.loads(file.read_text())
    (entry,) = kept["entries"]
    assert entry["machine"]["reached"] == "ssh board"
    assert entry["machine"].get("cpu") == kept["machine"].get("cpu"), "here the board is the same machine"
    said = done(project, "gate", "--baseline", "main", "--limit", "latency 90%", "--limit", "p90 900%", *limit)
    assert "passed" in said
    assert "recorded on another" not in said
    again = done(project, "compare", "zoo:ds-cnn", "zoo:fc-autoencoder", "-d", "desk", "--pairs", "2", *limit, code=4)
    assert "inputs" in again
    # The same device file leads to another board now.
    desk = project / "devices" / "desk.toml"
    text = desk.read_text()
    config = Path(text.split('ssh_config = "')[1].split('"')[0])
    config.write_text(config.read_text().replace("Host board\n", "Host board other\n"))
    desk.write_text(text.replace('host = "board"', 'host = "other"'))
    said = done(project, "gate", "--baseline", "main", "--limit", "latency 90%", "--limit", "p90 900%", *limit)
    desk.write_text(text)
    assert "recorded on another board: reached ssh board | ssh other" in " ".join(said.split())


def test_checks_and_exports(project: Path) -> None:
    assert "whole" in done(project, "check", "zoo:ds-cnn", "-d", "desk")
    done(project, "export", "zoo:ds-cnn", "--to", "tflite", "-o", "ds.tflite")
    said = done(project, "export", "zoo:ds-cnn", "--to", "c", "-d", "desk", "-o", "c", code=2)
    assert "name a device of target mcu" in said
