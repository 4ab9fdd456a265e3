"""Whatever is killed while a table of a board is built: is a finished measurement lost, is anything left on the board?

A server on loopback stands for the board. `edgebench lut build` is started again and again, and at a random moment the
link (all connections), the worker on the board, or the command itself is killed. After each of them counted is:
whether the stored table has every entry that it had before, unchanged; how long processes of this edgebench were left
on the board; and at the end whether the same command completes, with the entries that were stored before it.

    PYTHONPATH=. python benchmarks/board_kills.py [MOMENTS [link|worker|command ...]]
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from edgebench.machine.machine_lock import PLACE
from tests.small_space import write_twelve
from tests.ssh_server import SshServer, ssh_server

MOMENTS = 20
KILLED = ("link", "worker", "command")
LEFT_S = 15.0
"""How long processes on the board are waited for; the promise is ten seconds."""
SPACE = "twelve"
"""A space of twelve networks, so that much of a build's time is that of what is stored."""


def write_project(folder: Path, server: SshServer, environment: Path) -> None:
    write_twelve(folder)
    (folder / "devices").mkdir()
    (folder / "devices" / "desk.toml").write_text(
        'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "onnxruntime"\ndescription = "A board"\nlink = "ssh"\n'
        f'host = "board"\nssh_config = "{server.config}"\npython = "{environment}/bin/python"\n'
        f'environment = "{environment}"\n'
    )


def on_the_board(mark: str) -> list[psutil.Process]:
    """Processes there, and the connections to them: the place of the environment is in the command of each."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def entries(folder: Path) -> dict[str, Any]:
    """What is stored for good: entries that were disturbed are measured again."""
    path = folder / "results" / "tables" / "desk" / f"{SPACE}.json"
    table: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    disturbed = table.get("disturbed", [])
    return {key: value for key, value in table.get("entries", {}).items() if key not in disturbed}


def build(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgebench", "lut", "build", SPACE, "-d", "desk", "--goal", "90%", "-n", "3"],
        cwd=folder,
        env={**os.environ, "EDGEBENCH_TRUST": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(what: str, command: subprocess.Popen[bytes], server: SshServer, mark: str) -> bool:
    """Whether there was something to kill."""
    if what == "command":
        is_running = command.poll() is None
        command.kill()
        return is_running
    if what == "link":
        sessions = server.sessions()
        server.cut()
        return bool(sessions)
    killed = False
    for process in on_the_board(mark):
        with contextlib.suppress(psutil.Error):
            if "edgebench.workers.measuring" in process.cmdline():
                process.send_signal(signal.SIGKILL)
                killed = True
    return killed


def left_for_s(mark: str) -> float:
    begin = time.monotonic()
    while on_the_board(mark) and time.monotonic() - begin < LEFT_S:
        time.sleep(0.1)
    return time.monotonic() - begin


def one_kill(what: str, folder: Path, server: SshServer, mark: str, moment_s: float) -> dict[str, Any]:
    before = entries(folder)
    command = build(folder)
    time.sleep(moment_s)
    stored = entries(folder)
    hit = kill(what, command, server, mark)
    try:
        # Having lost its board or its worker, the command ends by itself; a finished one has ended.
        code = command.wait(60)
    except subprocess.TimeoutExpired:
        command.kill()
        code = command.wait()
    left_s = left_for_s(mark)
    after = entries(folder)
    lost = [key for known in (before, stored) for key, value in known.items() if after.get(key) != value]
    return {"hit": hit, "code": code, "lost": len(lost), "left_s": left_s, "entries": len(after)}


def main() -> None:
    moments = int(sys.argv[1]) if len(sys.argv) > 1 else MOMENTS
    draw = random.Random(0)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        mark = f"edgebench-of-{os.getpid()}"
        (root / mark).symlink_to(sys.prefix, target_is_directory=True)
        settings = f"SetEnv XDG_CACHE_HOME={root}/cache {PLACE}={root}/lock\n"
        with ssh_server(root / "sshd", settings=settings) as server:
            for what in sys.argv[2:] or KILLED:
                folder = root / what
                folder.mkdir()
                write_project(folder, server, root / mark)
                begin = time.monotonic()
                if build(folder).wait(600) != 0:
                    raise SystemExit("the table cannot be built")
                whole_s = time.monotonic() - begin
                shutil.rmtree(folder / "results")
                found: list[dict[str, Any]] = []
                while sum(one["hit"] for one in found) < moments:
                    found.append(one_kill(what, folder, server, mark, draw.uniform(0.0, whole_s)))
                    print(what, found[-1], file=sys.stderr)
                    if found[-1]["code"] == 0 and not found[-1]["hit"]:
                        # The table is finished: there was nothing left to kill.
                        shutil.rmtree(folder / "results")
                kept = entries(folder)
                code = build(folder).wait(1800)
                last = entries(folder)
                result[what] = {
                    "build_s": round(whole_s, 1),
                    "kills": sum(one["hit"] for one in found),
                    "with_entries_stored": sum(one["entries"] > 0 for one in found),
                    "entries_lost": sum(one["lost"] for one in found),
                    "left_on_the_board_s_at_most": round(max(one["left_s"] for one in found), 1),
                    "left_after_10_s": sum(one["left_s"] > 10 for one in found),
                    "codes": sorted({one["code"] for one in found}),
                    "the_same_command_then": code,
                    "entries_kept_then": all(last.get(key) == value for key, value in kept.items()),
                }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
