"""The list of devices, some of which are boards that servers on loopback stand for."""

import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from edgebench.core.device import Device
from edgebench.errors import TargetUnavailableError
from edgebench.flows.devices import all_statuses, status_of
from edgebench.reports.devices import check_report, devices_report
from tests.canned_workers import WithoutBoards
from tests.ssh_server import SshServer, make_key, ssh_server

pytestmark = pytest.mark.child
BOARDS = 3


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SshServer]]:
    folder = tmp_path_factory.mktemp("boards")
    make_key(folder / "key")
    with ExitStack() as stack:
        yield [stack.enter_context(ssh_server(folder / str(n), key=folder / "key")) for n in range(BOARDS)]


@pytest.fixture
def boards(servers: list[SshServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three boards; one more does not answer, and one is refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEBENCH_TRUST", "1")
    folder = tmp_path / "devices"
    folder.mkdir()
    for number, server in enumerate(servers):
        write(folder / f"board{number}.toml", server.config)
    return folder


def write(path: Path, config: Path, **keys: str | int) -> None:
    own = {"host": "board", "ssh_config": str(config), "python": sys.executable, "environment": sys.prefix, **keys}
    lines = [f"{key} = {value if isinstance(value, int) else repr(value)}" for key, value in own.items()]
    head = (
        'schema = "edgebench.device/1"\nkind = "cpu"\ntarget = "onnxruntime"\ndescription = "xboardx"\nlink = "ssh"\n'
    )
    path.write_text(head + "\n".join(lines))


def test_boards_are_asked_only_on_request(boards: Path) -> None:
    found = all_statuses(["xboardx"])
    assert [status.reached for status in found] == ["ssh board"] * BOARDS
    assert not any(status.probed for status in found)
    (table,) = devices_report(found).tables
    assert {row["ready"] for row in table.rows} == {"not asked"}


@pytest.mark.slow
def test_a_board_that_does_not_answer_holds_nobody_up(boards: Path, servers: list[SshServer]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        write(boards / "silent.toml", servers[0].config, ssh_port=silent.getsockname()[1])
        write(boards / "refused.toml", servers[0].config, ssh_port=9)
        begin = time.monotonic()
        found = {status.name: status for status in all_statuses(["xboardx"], probe_s=5.0)}
    assert time.monotonic() - begin < 20, "five boards take as long as one"
    assert all(found[f"board{number}"].ready for number in range(BOARDS)), found
    assert "within 5 s" in (found["silent"].problem or "")
    assert "no SSH server" in (found["refused"].problem or "")
    assert found["refused"].remedy


def test_a_check_is_that_of_the_board(boards: Path) -> None:
    status = status_of("board0")
    assert status.ready, status.problem
    assert status.seen is not None
    report = check_report(status, {"cpu": "of the host"}, [], [])
    assert "The board" in [table.title for table in report.tables]
    assert report.records[0]["machine"] != {"cpu": "of the host"}


class Slow(WithoutBoards):
    """Boards that take half a second to answer, and every fifth does not."""

    def __init__(self) -> None:
        self.together = self.most = 0
        self.lock = threading.Lock()

    def probe(self, device: Device, *, timeout_s: float) -> Mapping[str, str]:
        with self.lock:
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(0.5)
        with self.lock:
            self.together -= 1
        if int(device.name.removeprefix("board")) % 5 == 0:
            raise TargetUnavailableError(f"the board does not answer within {timeout_s:g} s", remedy="switch it on")
        return {"python": "3.11.2"}


def test_thirty_boards_are_asked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEBENCH_TRUST", "1")
    (tmp_path / "devices").mkdir()
    for number in range(30):
        write(tmp_path / "devices" / f"board{number}.toml", tmp_path / "config")
    workers = Slow()
    found = all_statuses(["xboardx"], probe_s=4.0, workers=workers)
    assert workers.most == 30
    assert sum(status.ready for status in found) == 24
    assert {status.problem for status in found if not status.ready} == {"the board does not answer within 4 s"}
