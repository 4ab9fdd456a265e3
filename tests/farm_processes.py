"""A farm on loopback: a scheduler and hosts as processes of their own, which a test may kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgebench.farm.cluster import Cluster

EDGEBENCH = (sys.executable, "-m", "edgebench")
_START_S = 60.0


class Farm:
    """Starts and kills the processes of a farm.

    Args:
        folder: Where they write what they say.
        environment: Variables in addition to those of this process.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._words: dict[str, Sequence[str]] = {}

    def scheduler(self) -> None:
        """Start the scheduler."""
        self._start("scheduler", "scheduler", "--port", str(self._port))

    def host(self, name: str, *words: str) -> None:
        """Start a host of a name, with further words of ``edgebench farm worker``."""
        self._start(name, "worker", "--scheduler", self.address, "--name", name, *words)

    def kill(self, name: str) -> None:
        """Kill the scheduler or a host, as a power cut would."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def again(self, name: str) -> None:
        """Start what was killed."""
        self._start(name, *self._words[name])

    def close(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_for(self, *hosts: str) -> None:
        """Wait until hosts have announced themselves."""
        cluster, deadline = Cluster(self.address, _START_S), time.monotonic() + _START_S
        try:
            while not set(hosts) <= {status.host for status in cluster.hosts().values()}:
                if time.monotonic() > deadline:
                    raise TimeoutError(self.said())
                time.sleep(0.1)
        finally:
            cluster.close()

    def run(self, *words: str, cwd: Path, timeout_s: float = 180.0) -> subprocess.CompletedProcess[str]:
        """Run a command of edgebench on this farm until it ends."""
        command = [*EDGEBENCH, *words, "--cluster", self.address]
        return subprocess.run(
            command, cwd=cwd, env=self._environment, capture_output=True, text=True, timeout=timeout_s
        )

    def begin(self, *words: str, cwd: Path) -> subprocess.Popen[bytes]:
        """Start a command of edgebench on this farm."""
        with (self._folder / "command.log").open("ab") as log:
            return subprocess.Popen(
                [*EDGEBENCH, *words, "--cluster", self.address],
                cwd=cwd,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def said(self) -> str:
        """What all processes have said."""
        return "\n".join(f"{file.name}: {file.read_text()}" for file in sorted(self._folder.glob("*.log")))

    def _start(self, name: str, *words: str) -> None:
        self._words[name] = words
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*EDGEBENCH, "farm", *words], cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )


@contextmanager
def farm(
    folder: Path, hosts: Mapping[str, Sequence[str]], environment: Mapping[str, str] | None = None
) -> Iterator[Farm]:
    """A farm with a scheduler and hosts, which are ended with the block.

    Args:
        folder: Where its processes write what they say.
        hosts: By name, further words of ``edgebench farm worker``.
        environment: Variables in addition to those of this process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    running = Farm(folder, environment)
    try:
        running.scheduler()
        for name, words in hosts.items():
            running.host(name, *words)
        running.wait_for(*hosts)
        yield running
    finally:
        running.close()
