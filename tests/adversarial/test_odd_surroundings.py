"""Odd arguments, folders, outputs and signals: one clear message and the right exit code each."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from edgebench.errors import EdgebenchError

pytestmark = [pytest.mark.child, pytest.mark.slow]
COMMAND = str(Path(sys.executable).parent / "edgebench")


def shell(line: str, folder: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "EDGEBENCH": COMMAND, **more}
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, timeout=100, env=environment)


def leftovers(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.name.startswith("edgebench-session-")]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (r"$EDGEBENCH profile $'\xff.onnx'", 2, "not UTF-8"),
        (r"$EDGEBENCH search mobile --task $'\xff.npz'", 2, "not UTF-8"),
        (r"mkdir gone; cd gone; rmdir ../gone; $EDGEBENCH devices list", 2, "current folder does not exist"),
        ("$EDGEBENCH zoo list > /dev/full", 2, "cannot be written: No space left"),
        ("$EDGEBENCH zoo list --json > /dev/full", 2, "cannot be written: No space left"),
        ("$EDGEBENCH devices list --json > /dev/full", 2, "cannot be written: No space left"),
        ("$EDGEBENCH zoo list >&-", 0, ""),
        ("LC_ALL=C $EDGEBENCH zoo list", 0, ""),
        ("unset HOME; $EDGEBENCH zoo list", 0, ""),
        ("HOME=/proc/1 $EDGEBENCH zoo list", 0, ""),
        ("ulimit -n 32; $EDGEBENCH zoo list", 0, ""),
        ("TMPDIR=/nowhere $EDGEBENCH zoo list", 0, ""),
    ],
)
def test_surroundings(line: str, code: int, words: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == code, said
    assert words in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_a_reader_that_is_gone_has_a_code_of_its_own(tmp_path: Path) -> None:
    done = shell(
        "set -o pipefail; $EDGEBENCH devices list --json | head -c 1 > /dev/null; echo ${PIPESTATUS[0]}", tmp_path
    )
    assert done.stdout.strip() in {b"141", b"0"}
    assert b"Traceback" not in done.stderr


def test_a_fault_of_edgebench_has_a_code_of_its_own(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom edgebench.reports import zoo\n"
        "def broken(): raise RuntimeError('this cannot be')\n"
        "zoo.zoo_report = broken\nsys.argv = ['edgebench', 'zoo', 'list']\n"
        "from edgebench.cli.main import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 70
    assert "this is a fault of edgebench: RuntimeError: this cannot be" in done.stderr
    (report,) = tmp_path.glob("edgebench-fault-*.txt")
    assert "broken" in report.read_text()
    assert not leftovers(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_profile_and_leave_nothing(number: signal.Signals, tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    process = subprocess.Popen(
        [COMMAND, "profile", "zoo:tiny", "zoo:resnet8", "-d", "host", "-d", "host-litert", "--repetitions", "1000"],
        cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip
    time.sleep(6)
    process.send_signal(number)
    start = time.monotonic()
    said = process.communicate(timeout=30)[1]
    assert time.monotonic() - start < 5
    assert process.returncode == 128 + number
    assert "go on: edgebench profile" in said
    assert list(place.iterdir()) == []
    assert _children_of(place) == []


@pytest.mark.slow
def test_what_a_killed_command_leaves_is_swept_by_the_next(tmp_path: Path) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    environment = {**os.environ, "TMPDIR": str(place)}
    line = [COMMAND, "profile", "zoo:resnet8", "-d", "host", "--repetitions", "1000"]
    process = subprocess.Popen(line, cwd=tmp_path, env=environment)
    until = time.monotonic() + 60
    # Killed when it has a child, too.
    while time.monotonic() < until and len(_children_of(place)) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert leftovers(place)
    other = subprocess.Popen([COMMAND, "profile", "zoo:tiny", "-d", "fake"], cwd=tmp_path, env=environment)
    other.wait()
    assert not leftovers(place)
    assert _children_of(place) == []


def _children_of(place: Path) -> list[str]:
    """Processes whose temporary files would be in a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            variables = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if f"TMPDIR={place}".encode() in variables:
            found.append(entry.name)
    return found


def test_temporary_files_of_a_session_are_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebench.machine.session_folder import session_folder

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with session_folder():
        inside = Path(tempfile.mkdtemp())
        (folder,) = leftovers(tmp_path)
        assert inside.parent == folder
        with session_folder():
            # A living session is not swept.
            assert inside.exists()
    assert not leftovers(tmp_path)
    assert issubclass(EdgebenchError, Exception)
