"""Whatever a child does, it holds no more memory than it may, and nothing that it started outlives its link."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from edgebench.core.profile import Outcome
from edgebench.links.base import Limits, LinkClosedError
from edgebench.links.local import LocalLink
from edgebench.store.devices import find_device
from edgebench.workers.measuring.jobs import MakeReady
from edgebench.workers.worker import ChildError, Worker

pytestmark = [pytest.mark.child, pytest.mark.skipif(not psutil.LINUX, reason="reads Linux's files about processes")]

LIMITS = Limits(message_bytes=1 << 16)
# Starts a process in a session of its own and says its number.
_AWAY = (
    "import subprocess, sys, os, time\n"
    "away = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
    "print(away.pid, flush=True)\n"
)
# The same, but nobody is its parent any more.
_ORPHAN = (
    "from edgebench.machine.processes import adopt_orphans\n"
    "adopt_orphans()\n"
    "import os, sys, time\n"
    "if not os.fork():\n"
    "    os.setsid()\n"
    "    if not os.fork():\n"
    "        print(os.getpid(), flush=True)\n"
    "        time.sleep(600)\n"
    "    os._exit(0)\n"
)
_FILLED = """
import mmap, os, time
def memory_file():
    held = os.memfd_create("held")
    os.truncate(held, 300 << 20)
    return held
print(1, flush=True)
held = KIND
for _ in range(300):
    held.write(bytes(1 << 20))
time.sleep(600)
"""


def started(program: str, limits: Limits = LIMITS) -> tuple[LocalLink, int]:
    """A link to a Python program, and the number that it says first."""
    link = LocalLink()
    link.start([sys.executable, "-c", program], limits)
    return link, int(link.receive(30))


def is_gone(pid: int, within_s: float = 5.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def by_closing(link: LocalLink) -> None:
    link.close()


def by_its_own_end(link: LocalLink) -> None:
    link.send(b"end")
    with pytest.raises(LinkClosedError):
        link.receive(30)
    link.close()


@pytest.mark.parametrize("start", [_AWAY, _ORPHAN], ids=["own session", "orphan"])
def test_what_a_hanging_child_started_ends_with_it(start: str) -> None:
    link, pid = started(start + "time.sleep(600)")
    by_closing(link)
    assert is_gone(pid)


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), 11)"])
@pytest.mark.parametrize("start", [_AWAY, _ORPHAN], ids=["own session", "orphan"])
def test_what_a_child_started_that_crashes_ends_too(start: str, end: str) -> None:
    link, pid = started(f"{start}sys.stdin.readline(); {end}")
    by_its_own_end(link)
    assert is_gone(pid)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_is_killed_takes_all_along(end: signal.Signals) -> None:
    # The child is stopped, so that it could do nothing for this itself.
    child = f"{_AWAY}\nprint(os.getpid(), flush=True)\nos.kill(os.getpid(), 19)"
    program = (
        "import sys, time\n"
        "from edgebench.links.base import Limits\n"
        "from edgebench.links.local import LocalLink\n"
        "link = LocalLink()\n"
        f"link.start([sys.executable, '-c', {child!r}], Limits(message_bytes=1 << 16))\n"
        "print(int(link.receive(30)), int(link.receive(30)), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.send_signal(end)
    assert all(map(is_gone, pids))


def test_a_child_that_was_closed_is_not_killed_again() -> None:
    """Its number may be another process's by then."""
    program = (
        "import os, sys\n"
        "from edgebench.links import guard\n"
        "import subprocess\n"
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "other = subprocess.Popen(sleeper, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "guard.watch(other.pid)\n"
        "guard.release(other.pid)\n"
        "print(other.pid, flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    pid = int(done.stdout)
    try:
        assert not is_gone(pid, within_s=1.0)
    finally:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kind", ["mmap.mmap(-1, 300 << 20)", "mmap.mmap(memory_file(), 300 << 20)"])
def test_shared_memory_counts(kind: str) -> None:
    limits = Limits(message_bytes=1 << 16, memory_bytes=200 << 20)
    link, _ = started(_FILLED.replace("KIND", kind), limits)
    with pytest.raises(LinkClosedError) as caught:
        link.receive(30)
    assert "MemoryError" in caught.value.ending.last_words
    link.close()


def test_a_worker_that_shares_too_much_is_out_of_memory() -> None:
    program = _FILLED.replace("KIND", "mmap.mmap(-1, 300 << 20)").replace("print(1, flush=True)", "")
    worker = Worker(LocalLink(), [sys.executable, "-c", program], memory_limit_bytes=200 << 20)
    with worker, pytest.raises(ChildError) as caught:
        worker.ask(MakeReady(device=find_device("host")), timeout_s=30)
    assert caught.value.outcome is Outcome.OUT_OF_MEMORY
    assert caught.value.remedy is not None
    assert "--memory-limit" in caught.value.remedy


def test_a_worker_bounds_files_descriptors_and_processes() -> None:
    program = (
        "from edgebench.workers.limits import limit_this_process\n"
        "import resource as r\n"
        "limit_this_process()\n"
        "print(*[r.getrlimit(k)[1] for k in (r.RLIMIT_CORE, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_NPROC)])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    core, file, descriptors, processes = map(int, done.stdout.split())
    assert core == 0
    assert 0 < file <= 16 << 30
    assert 0 < descriptors <= 4096
    assert 0 < processes < 1 << 22
