"""What users may expect of every command: one spelling, sensible defaults, names that are offered."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgebench as package
from edgebench.cli import completion
from edgebench.cli.device_values import split_value
from edgebench.cli.main import app
from edgebench.errors import InputError
from tests.cli.test_cli import QUICK, edgebench
from tests.models.onnx.onnx_files import node, values, write


@pytest.mark.parametrize("text", ["host=5ms", "host:5ms", "5ms@host"])
def test_a_value_for_a_device_may_be_written_as_elsewhere(text: str) -> None:
    assert split_value(text, ["host", "fake"], where="--max-latency") == ("host", "5ms")


def test_a_value_without_a_device_is_for_all() -> None:
    assert split_value("5ms", ["host"], where="--max-latency") == ("", "5ms")
    with pytest.raises(InputError, match="not among the devices"):
        split_value("hots=5ms", ["host"], where="--max-latency")


def test_names_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "studies" / "mobile-1").mkdir(parents=True)
    (tmp_path / "results" / "studies" / "mobile-1" / "journal.log").touch()
    (tmp_path / "own.onnx").touch()
    assert "nucleo-l4r5zi" in completion.devices("nuc")
    assert "zoo:ds-cnn" in completion.models("zoo:ds")
    assert completion.models("ow") == ["own.onnx"]
    assert completion.spaces("mob")[:1] == ["mobile"]
    assert completion.studies("m") == ["mobile-1"]
    assert completion.tasks("dig") == ["digits"]
    assert completion.runs("x") == completion.baselines("x") == []


def test_the_version_is_that_of_the_distribution() -> None:
    assert package.__version__


def test_every_command_has_a_whole_line_of_help_at_80_columns() -> None:
    from typer.main import get_command

    def cut(command: Any, path: str) -> list[str]:
        below = getattr(command, "commands", {})
        longest = max((len(name) for name in below), default=0)
        found = [
            f"{path} {name}"
            for name, child in below.items()
            if len((child.help or "").split("\n\n")[0].replace("\n", " ")) > 80 - longest - 6
        ]
        return found + [text for name, child in below.items() for text in cut(child, f"{path} {name}")]

    assert cut(get_command(app), "edgebench") == []


@pytest.mark.child
def test_the_package_is_a_command(tmp_path: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "edgebench", "--version"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.stdout.strip() == f"edgebench {package.__version__}"


@pytest.mark.child
def test_options_with_several_values_are_a_sweep_in_one_table(tmp_path: Path) -> None:
    done = edgebench("profile", "zoo:tiny", "-d", "host", "-O", "threads=1,2", *QUICK, "--json", cwd=tmp_path)
    assert done.returncode in {0, 4}, done.stderr
    assert [row["device"] for row in json.loads(done.stdout)["rows"]] == ["host:threads=1", "host:threads=2"]


@pytest.mark.slow
@pytest.mark.child
def test_the_shape_of_the_only_input_needs_no_name(tmp_path: Path) -> None:
    look = [node("Conv", ["image", "w"], ["y"], kernel_shape=[3, 3])]
    write(tmp_path / "image.onnx", look, {"image": ["batch", 3, "height", "width"]}, {"w": values(4, 3, 3, 3)})
    for device in ("host", "host-litert"):
        done = edgebench("profile", "image.onnx", "-d", device, "--shape", "1,3,20,20", *QUICK, cwd=tmp_path)
        assert done.returncode in {0, 4}, done.stdout + done.stderr
    done = edgebench("check", "image.onnx", "--shape", "1,3,20,20", "-d", "host-litert", "--json", cwd=tmp_path)
    assert [row["runs"] for row in json.loads(done.stdout)["rows"]] == ["whole"]
    two = [node("Add", ["a", "b"], ["y"])]
    write(tmp_path / "two.onnx", two, {"a": [1, "n"], "b": [1, "n"]}, {})
    done = edgebench("profile", "two.onnx", "--shape", "1,20", *QUICK, cwd=tmp_path)
    assert done.returncode == 2
    assert "needs a name" in done.stdout


@pytest.mark.child
def test_a_users_defaults_are_taken_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "config" / "edgebench").mkdir(parents=True)
    file = tmp_path / "config" / "edgebench" / "config.toml"
    file.write_text('[profile]\ndevice = ["fake"]\n')
    where = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = edgebench("profile", "zoo:tiny", *QUICK, "--json", cwd=tmp_path, env=where)
    assert [row["device"] for row in json.loads(done.stdout)["rows"]] == ["fake"], done.stderr
    given = edgebench("profile", "zoo:tiny", "-d", "host", *QUICK, "--json", cwd=tmp_path, env=where)
    assert [row["device"] for row in json.loads(given.stdout)["rows"]] == ["host"]
    for content, words in (("[profil]\n", "did you mean 'profile'"), ("[profile]\ndevise = 1\n", "line 2")):
        file.write_text(content)
        done = edgebench("profile", "zoo:tiny", cwd=tmp_path, env=where)
        assert done.returncode == 2
        assert words in done.stderr


@pytest.mark.child
def test_a_percentage_without_its_sign_is_questioned(tmp_path: Path) -> None:
    done = edgebench("profile", "zoo:tiny", "--goal", "2", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 2%?" in done.stderr


@pytest.mark.child
def test_a_device_of_an_unknown_target_is_named_without_none(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    text = 'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "ssh"\ndescription = "a board"\n'
    (tmp_path / "devices" / "pi.toml").write_text(text)
    done = edgebench("profile", "zoo:tiny", "-d", "pi", cwd=tmp_path)
    assert "bad input: there is no target 'ssh'" in done.stdout


@pytest.mark.child
def test_operators_are_rows_of_csv(tmp_path: Path) -> None:
    done = edgebench("profile", "zoo:tiny", "-d", "host-litert", "--layers", *QUICK, "-f", "csv", cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [bool(row["layer"]) for row in rows][:2] == [False, True]
    # What takes no time of its own was not measured, which is not 0.
    assert all(row["latency_s"] == "" or float(row["latency_s"]) > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.child
def test_ones_own_data_is_looked_at_before_anything_is_trained(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.random((60, 8, 9, 3), dtype=np.float32)
    np.savez(tmp_path / "good.npz", x=images, y=np.arange(60) % 3)
    np.savez(tmp_path / "regression.npz", x=images, y=random.random(60))
    np.savez(tmp_path / "labels.npz", x=images, y=np.ones((60, 4), dtype=np.int64))
    done = edgebench("tasks", "check", "good.npz", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (first, *_) = json.loads(done.stdout)["rows"]
    assert (first["classes"], first["height"], first["width"], first["channels"]) == (3, 8, 9, 3)
    for name, words in (("regression", "regression is not supported"), ("labels", "multi-label")):
        done = edgebench("tasks", "check", f"{name}.npz", cwd=tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
    made = edgebench("spaces", "new", "mine", "--from", "mobile", "--task", "good.npz", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "search_spaces" / "mine.toml").read_text()
    assert "classes = 3" in text
    assert 'description = "as mobile, for 8x9x3"' in text
    assert "input_channels = 3" in text
    shown = edgebench("spaces", "show", "mine", cwd=tmp_path)
    assert "mine.toml" in shown.stdout
    again = edgebench("spaces", "new", "mine", cwd=tmp_path)
    assert again.returncode == 2
