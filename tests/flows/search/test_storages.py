"""Studies in a real database server and behind Optuna's gRPC proxy."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from edgebench.errors import InputError, NotComparableError, StorageError
from edgebench.flows.search import storage
from edgebench.spaces.space import SearchSpace
from edgebench.store.tables import TableStore
from tests.flows.search.test_search import accuracies, command, fake_table, request, run, tried
from tests.small_space import open_twelve

# Optuna leaves pools of connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
needs_database = pytest.mark.skipif(
    shutil.which("postgres") is None or find_spec("pg8000") is None, reason="needs PostgreSQL and edgebench[storages]"
)
needs_grpc = pytest.mark.skipif(find_spec("grpc") is None, reason="needs edgebench[storages]")


class Server:
    """PostgreSQL on a port of its own, that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://edgebench@127.0.0.1:{self.port}/postgres"
        self._folder = folder
        # PostgreSQL refuses to run as root.
        self._user: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(folder, "nobody", "nogroup")
        subprocess.run(
            ["initdb", "-D", folder / "data", "-A", "trust", "-U", "edgebench", "--no-sync"],
            check=True, capture_output=True, timeout=120, cwd=folder, **self._user,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = ("listen_addresses=127.0.0.1", "fsync=off", f"unix_socket_directories={self._folder}")
        options = [part for setting in settings for part in ("-c", setting)]
        self._process = subprocess.Popen(
            ["postgres", "-D", self._folder / "data", "-p", str(self.port), *options],
            stderr=subprocess.DEVNULL, cwd=self._folder, **self._user,
        )  # fmt: skip
        wait_for(self.port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: at once, as in a crash.
            self._process.wait(timeout=30)
            self._process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


@pytest.fixture
def server() -> Iterator[Server]:
    # Not below pytest's folders, which another user may not enter; with room for a socket's path.
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        found = Server(Path(folder))
        found.start()
        yield found
        found.stop()


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return open_twelve(tmp_path)


@pytest.mark.parametrize("rest", [b'{"op_code":5,"worker', b"x" * 200_000])
def test_half_a_line_of_a_journal_is_cut_off(space: SearchSpace, tmp_path: Path, rest: bytes) -> None:
    """What a full disk or a killed process leaves."""
    wanted = request(space, tmp_path, trials=3)
    run(wanted)
    before = tried(wanted)
    with (wanted.folder / "journal.log").open("ab") as file:
        file.write(rest)
    assert tried(wanted) == before
    run(request(space, tmp_path, trials=12))
    found = tried(wanted)
    assert found[:3] == before
    assert len(found) == len(set(found)) == 12


@pytest.mark.child
@pytest.mark.slow
def test_a_full_disk_ends_the_search_and_loses_nothing(space: SearchSpace, tmp_path: Path) -> None:
    """With a limit on the size of files, which is what a process can have of a full disk without a disk."""
    accuracies(space, tmp_path / "accuracies.json")
    TableStore(tmp_path / "results").save(fake_table(space))
    line = command(space, tmp_path, "--accuracy", f"table:{tmp_path}/accuracies.json", "--finalists", "0")
    line += ["--trials", "12"]
    limit = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", limit, *line], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "cannot be saved: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    before = tried(request(space, tmp_path, study="cli"))
    assert 0 < len(before) < 12
    assert subprocess.run(line, timeout=120).returncode == 0
    found = tried(request(space, tmp_path, study="cli"))
    assert found[: len(before)] == before
    assert len(found) == len(set(found)) == 12


@pytest.mark.child
@needs_database
@pytest.mark.slow
def test_processes_share_a_study_in_a_database(space: SearchSpace, tmp_path: Path, server: Server) -> None:
    accuracies(space, tmp_path / "accuracies.json")
    TableStore(tmp_path / "results").save(fake_table(space))
    line = command(space, tmp_path, "--accuracy", f"table:{tmp_path}/accuracies.json", "--finalists", "0")
    line += ["--storage", server.url, "--trials", "12"]
    both = [subprocess.Popen(line, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=200) for process in both] == [0, 0]
    wanted = request(space, tmp_path, study="cli", storage=server.url)
    found = tried(wanted)
    assert len(found) == len(set(found)) == 12
    with pytest.raises(NotComparableError, match="seed was 0, is now 3"):
        run(request(space, tmp_path, study="cli", storage=server.url, seed=3))


@pytest.mark.child
@needs_database
def test_a_database_that_goes_away_ends_the_search_and_loses_nothing(
    space: SearchSpace, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    monkeypatch.setattr(storage, "_WAITS_S", (0.01, 0.01))
    wanted = request(space, tmp_path, storage=server.url, trials=12)
    real, told = optuna.Study.tell, [0]

    def tell(self: optuna.Study, *arguments: Any, **more: Any) -> Any:
        told[0] += 1
        if told[0] == 5:
            server.stop()
        return real(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "tell", tell)
        # A process that is gone by the time the search goes on, as a user's would be.
        patch.setattr("edgebench.flows.search.explore.owner", lambda: json.dumps([socket.gethostname(), 4194305, 0.0]))
        with pytest.raises(StorageError, match="does not answer"):
            run(wanted)
    server.start()
    run(wanted)
    found = tried(wanted)
    assert len(found) == len(set(found)) == 12


@needs_database
def test_a_database_that_is_not_there_is_named_without_its_password(space: SearchSpace, tmp_path: Path) -> None:
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/studies"
    with pytest.raises(StorageError) as caught:
        run(request(space, tmp_path, storage=url))
    assert "127.0.0.1" in str(caught.value.where)
    assert "secret" not in f"{caught.value} {caught.value.where} {caught.value.remedy}"


def test_the_url_of_a_storage_may_be_in_a_file(tmp_path: Path) -> None:
    # Command lines are seen by everyone on a machine.
    named = tmp_path / "storage.url"
    named.write_text(f"sqlite:///{tmp_path}/studies.db\n")
    assert "sqlite" in str(storage.open_storage(f"@{named}", tmp_path).url)


@pytest.mark.parametrize("content", [None, b"", b"one two", b"\xff\xfe"])
def test_a_file_without_one_url_is_said(tmp_path: Path, content: bytes | None) -> None:
    named = tmp_path / "storage.url"
    if content is not None:
        named.write_bytes(content)
    with pytest.raises(InputError) as caught:
        storage.open_storage(f"@{named}", tmp_path)
    assert caught.value.where == f"--storage @{named}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://me@host/studies", "secret"),
        ("postgresql://me:mine@host/studies", "mine"),
        ("postgresql+pg8000://me@host/studies", "secret"),
    ],
)
def test_a_password_may_be_in_postgresqls_own_variable(
    monkeypatch: pytest.MonkeyPatch, url: str, password: str
) -> None:
    from sqlalchemy.engine import make_url

    monkeypatch.setenv("PGPASSWORD", "secret")
    assert make_url(storage._with_driver(url)).password == password


@pytest.mark.child
@needs_grpc
def test_a_study_behind_the_grpc_proxy(space: SearchSpace, tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import sys, optuna; optuna.storages.run_grpc_proxy_server("
        "optuna.storages.RDBStorage(sys.argv[1]), host='localhost', port=int(sys.argv[2]))"
    )
    proxy = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{tmp_path}/study.db", str(port)])
    try:
        wait_for(port)
        wanted = request(space, tmp_path, storage=f"grpc://localhost:{port}", trials=6)
        run(wanted)
        assert len(set(tried(wanted))) == 6
    finally:
        proxy.kill()
        proxy.wait()
