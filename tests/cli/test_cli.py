"""The command line as a user meets it: real processes, real files, real exit codes."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from onnx import helper

from tests.models_on_disk import write_onnx, write_onnx_node

pytestmark = pytest.mark.child

QUICK = ["--repetitions", "2", "--goal", "1000%"]


def edgebench(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgebench.cli.main", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "model.onnx")


def test_a_profile_prints_a_table_and_saves_a_run(tmp_path: Path, model: Path) -> None:
    done = edgebench("profile", "model.onnx", "-d", "host", "-d", "fake", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("model", "host", "fake", "latency: the median", "m measured", "s simulated", "saved: results/runs/"):
        assert words in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert len(list((tmp_path / "results/runs").glob("*.json"))) == 1


def test_json_is_for_machines(tmp_path: Path, model: Path) -> None:
    done = edgebench("profile", "model.onnx", "-d", "fake", *QUICK, "--json", cwd=tmp_path)
    (found,) = json.loads(done.stdout)["rows"]
    assert found["latency_s.provenance"] == "simulated"
    assert found["latency_s.low"] <= found["latency_s"] <= found["latency_s.high"]


@pytest.mark.slow
def test_reports_in_every_format(tmp_path: Path, model: Path) -> None:
    assert edgebench("profile", "model.onnx", "-d", "fake", *QUICK, cwd=tmp_path).returncode == 0
    table = edgebench("report", "-f", "csv", cwd=tmp_path).stdout
    (row,) = csv.DictReader(io.StringIO(table))
    assert float(row["latency_s"]) > 0
    assert "| model | device |" in edgebench("report", "-f", "markdown", cwd=tmp_path).stdout
    assert "method" in edgebench("report", "--explain", cwd=tmp_path).stdout
    explained = json.loads(edgebench("report", "--explain", "--json", cwd=tmp_path).stdout)["rows"]
    (latency,) = [entry for entry in explained if entry["figure"] == "latency_s"]
    assert "file size / bytes_per_second" in latency["method"]
    assert latency["run"] in os.listdir(tmp_path / "results/runs")[0]
    listed = edgebench("report", "--list", cwd=tmp_path).stdout
    assert "model" in listed
    pytest.importorskip("pyarrow")
    done = edgebench("report", "-f", "parquet", "--output", "out.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    import pandas as pd

    assert pd.read_parquet(tmp_path / "out.parquet")["latency_s"][0] == pytest.approx(float(row["latency_s"]))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["profile", "absent.onnx"], 2, ["absent.onnx", "no such file"]),
        (["profile", "."], 2, ["folder"]),
        (["profile", "model.onnx", "-d", "hots"], 2, ["hots", "host"]),
        (["profile", "model.onnx", "-d", "broken.toml"], 2, ["broken.toml", "line 1"]),
        (["profile", "model.onnx", "--goal", "2ms"], 2, ["--goal", "2ms"]),
        (["profile", "model.onnx", "--time-limit", "10"], 2, ["--time-limit", "unit"]),
        (["lut", "build", "mobile", "-d", "fake", "--goal", "2ms"], 2, ["--goal", "2ms"]),
        (["lut", "build", "mobile", "-d", "fake", "--within-5", "120%"], 2, ["--within-5", "120%"]),
        (["lut", "build", "mobile", "-d", "fake", "--time-limit", "10"], 2, ["--time-limit", "unit"]),
        (["profile", "model.onnx", "--shape", "image"], 2, ["--shape", "NAME=1,3,224,224"]),
        (["profile", "model.onnx", "-o", "colour=red"], 2, ["colour", "threads"]),
        (["profile", "model.onnx", "--inputs", "absent.npz"], 2, ["absent.npz"]),
        (["profile", "model.onnx", "-d", "fake", "-o", "misbehave=unavailable"], 3, ["not attached"]),
        (["profile", "model.onnx", "-d", "fake", "-o", "misbehave=crash"], 2, ["SIGSEGV"]),
        (["profile", "zoo:ds-cmm", "-d", "fake"], 2, ["ds-cnn"]),
        (["report", "nothing"], 2, ["nothing"]),
        (["report"], 2, ["no runs yet"]),
        (["devices", "show", "hots"], 2, ["host"]),
        (["devices", "new", "Not A Name"], 2, ["name"]),
    ],
)
def test_mistakes_get_a_message_a_remedy_and_a_code(
    tmp_path: Path, model: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    (tmp_path / "broken.toml").write_text("colour =")
    done = edgebench(*arguments, cwd=tmp_path)
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert "Traceback" not in output
    for word in words:
        assert word in output


def test_what_does_not_fit_fails_a_build(tmp_path: Path, model: Path) -> None:
    device = tmp_path / "small.toml"
    device.write_text(
        'schema = "edgebench.device/1"\nkind = "mcu"\ntarget = "fake"\ndescription = "small"\n'
        '[memory]\nram = "1B"\nflash = "1GB"\nsource = "a test"\n'
    )
    done = edgebench("profile", "model.onnx", "-d", "small.toml", *QUICK, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NO" in done.stdout
    assert "Does it fit?" in edgebench("report", "--details", cwd=tmp_path).stdout
    assert "does not fit" in done.stdout
    (found,) = json.loads(edgebench("report", "--json", cwd=tmp_path).stdout)["rows"]
    assert found["ram_bytes.left"] == 1 - found["ram_bytes"]
    assert found["flash_bytes.left"] > 0


def test_a_dynamic_shape_is_asked_for_with_a_command(tmp_path: Path) -> None:
    write_onnx(tmp_path / "dynamic.onnx", size="height", batch="batch")
    done = edgebench("profile", "dynamic.onnx", "-d", "host", *QUICK, cwd=tmp_path)
    assert done.returncode == 2
    assert "--shape image=1,3,224,224" in done.stdout + done.stderr
    done = edgebench("profile", "dynamic.onnx", "-d", "host", "--shape", "image=4,3,16,16", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_open_batch_is_1_and_said_to_be(tmp_path: Path) -> None:
    write_onnx(tmp_path / "dynamic.onnx", batch="batch")
    done = edgebench("profile", "dynamic.onnx", "-d", "host", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "batch is taken as 1" in " ".join(done.stdout.split())


def test_a_bad_model_spares_a_good_one(tmp_path: Path, model: Path) -> None:
    (tmp_path / "rubbish.onnx").write_bytes(os.urandom(1000))
    write_onnx_node(tmp_path / "new.onnx", helper.make_node("Relu", ["x"], ["y"]), opset=999)
    done = edgebench("profile", "rubbish.onnx", "new.onnx", "model.onnx", "-d", "host", *QUICK, "--json", cwd=tmp_path)
    assert done.returncode == 2
    outcomes = [found["outcome"] for found in json.loads(done.stdout)["rows"]]
    assert outcomes[2] == "ok"
    assert "ok" not in outcomes[:2]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_results_folder_is_found_out_first(tmp_path: Path, model: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    done = edgebench("profile", "model.onnx", "-d", "fake", cwd=tmp_path)
    assert done.returncode == 2
    assert "--results" in done.stderr


def test_a_results_folder_that_is_a_file(tmp_path: Path, model: Path) -> None:
    (tmp_path / "results").write_text("")
    done = edgebench("profile", "model.onnx", "-d", "fake", cwd=tmp_path)
    assert done.returncode == 2
    assert "--results" in done.stderr


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, model: Path) -> None:
    # Several, so that the run lasts long beyond the first of them that is saved, on a busy machine too.
    others = [write_onnx(tmp_path / f"other{number}.onnx").name for number in range(4)]
    child = subprocess.Popen(
        [sys.executable, "-m", "edgebench.cli.main", "profile", "model.onnx", *others, "-d", "fake", "--repetitions",
         "1000", "--time-limit", "1000s"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    runs = tmp_path / "results" / "runs"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        saved = [path for path in runs.glob("*.json") if '"bursts"' in path.read_text()]
        if saved:
            break
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    output, errors = child.communicate(timeout=90)
    assert child.returncode == 130, errors
    assert "interrupted" in output
    assert "Traceback" not in output + errors
    (path,) = runs.glob("*.json")
    document = json.loads(path.read_text())
    assert document["complete"] is False
    assert document["profiles"][0]["processes"]


def test_help_and_devices_import_no_runtime(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['edgebench', {!r}]; from edgebench.cli.main import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\n"
    code += "print('HEAVY', [name for name in ('torch', 'onnx', 'onnxruntime', 'pandas', 'optuna', 'ai_edge_litert')"
    code += " if name in sys.modules])"
    for command in ("--help", "devices"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(command)], capture_output=True, text=True, cwd=tmp_path
        )
        assert "HEAVY []" in done.stdout, done.stdout[-500:] + done.stderr


def test_devices_are_listed_shown_checked_and_begun(tmp_path: Path) -> None:
    listed = edgebench("devices", cwd=tmp_path)
    assert listed.returncode == 0
    assert "host-litert" in listed.stdout
    assert "[options]" in edgebench("devices", "show", "host", cwd=tmp_path).stdout
    checked = edgebench("devices", "check", "fake", cwd=tmp_path)
    assert checked.returncode == 0
    assert "cpu" in checked.stdout
    begun = edgebench("devices", "new", "mine", "--from", "host", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    assert "mine" in edgebench("devices", cwd=tmp_path).stdout


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path, model: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "edgebench.cli.main", "profile", "model.onnx", "-d", "fake", *QUICK],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    assert len(list((tmp_path / "results" / "runs").glob("*.json"))) == 2


def test_a_goal_that_was_asked_for_and_missed_is_an_exit_code(model: Path, tmp_path: Path) -> None:
    strict = ["--repetitions", "2", "--goal", "0.0001%", "--time-limit", "3s"]
    done = edgebench("profile", "model.onnx", "-d", "host", *strict, cwd=tmp_path)
    assert done.returncode == 4
    assert "goal missed: the interval of model on host" in done.stderr
    # Nobody asked for the usual goal.
    done = edgebench("profile", "model.onnx", "-d", "host", *strict[:2], *strict[-2:], cwd=tmp_path)
    assert done.returncode == 0


def test_a_disk_that_fills_up_still_shows_what_was_measured(tmp_path: Path, model: Path) -> None:
    """The third save fails as it does on a full disk; the figures taken until then are printed."""
    script = """
import sys
from edgebench.errors import StorageError
from edgebench.store.runs import RunStore
saves, save = [], RunStore.save
def full(self, run):
    saves.append(run)
    if len(saves) > 3:
        raise StorageError("the disk is full", remedy="free some space")
    return save(self, run)
RunStore.save = full
sys.argv = ["edgebench", "profile", "model.onnx", "-d", "fake", "--repetitions", "3", "--goal", "1000%"]
from edgebench.cli.main import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert "disk is full" in done.stderr
    assert "latency: the median" in done.stdout
    assert "saved:" not in done.stdout
    (path,) = (tmp_path / "results" / "runs").glob("*.json")
    assert json.loads(path.read_text())["profiles"]


def killed_profile(folder: Path, number: int, *arguments: str) -> tuple[str, str]:
    """A profile that is ended by a signal as soon as something was measured; the name of its run, and what it said."""
    child = subprocess.Popen(
        [sys.executable, "-m", "edgebench.cli.main", "profile", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    runs = folder / "results" / "runs"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any('"bursts"' in path.read_text() for path in runs.glob("*.json")):
        time.sleep(0.05)
    child.send_signal(number)
    _, errors = child.communicate(timeout=90)
    (path,) = runs.glob("*.json")
    return path.stem, errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_was_ended_goes_on(tmp_path: Path, model: Path, number: int) -> None:
    other = write_onnx(tmp_path / "other.onnx").name
    typed = ["model.onnx", other, "-d", "fake", "--repetitions", "5", "--goal", "900%", "--seed", "3"]
    name, said = killed_profile(tmp_path, number, *typed, "--max-latency", "fake=1ns")
    again = ["profile", "--resume", name]
    if number == signal.SIGTERM:
        assert f"go on: edgebench {' '.join(again)}\n" in said
        assert "profiles are finished in the run" in said
    done = edgebench(*again, cwd=tmp_path)
    # The run's own limits judge it.
    assert done.returncode == 1, done.stderr
    (path,) = (tmp_path / "results" / "runs").glob("*.json")
    document = json.loads(path.read_text())
    assert path.stem == document["name"] == name
    assert document["complete"] is True
    assert document["seed"] == 3
    assert [profile["outcome"] for profile in document["profiles"]] == ["ok"] * 2
    before = path.read_bytes()
    assert edgebench(*again, cwd=tmp_path).returncode == 1
    assert json.loads(before)["profiles"] == json.loads(path.read_text())["profiles"]


def test_a_run_that_does_not_say_how_it_was_begun_or_says_too_much(tmp_path: Path, model: Path) -> None:
    assert edgebench("profile", "model.onnx", "-d", "fake", *QUICK, cwd=tmp_path).returncode == 0
    (path,) = (tmp_path / "results" / "runs").glob("*.json")
    sound = json.loads(path.read_text())
    del sound["checksum"]
    changes = {
        "does not say": {},
        "is not valid": {**sound["call"], "seed": None},
        "names code to run": {**sound["call"], "models": ["evil:function"]},
        "names what would be run": {**sound["call"], "option": ["fake:compiler=/tmp/evil"]},
        "no device 'missing'": {**sound["call"], "device": ["missing"]},
    }
    for words, call in changes.items():
        path.write_text(json.dumps({**sound, "call": call}))
        done = edgebench("profile", "--resume", path.stem, cwd=tmp_path)
        assert done.returncode == 2, words
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 2, "a message and a remedy"
    path.write_text(json.dumps(sound))
    for typed in (["model.onnx"], ["--seed", "3"], ["--max-latency", "1s"]):
        done = edgebench("profile", "--resume", path.stem, *typed, cwd=tmp_path)
        assert done.returncode == 2
        assert "belongs to that" in done.stderr
    assert edgebench("profile", cwd=tmp_path).returncode == 2
