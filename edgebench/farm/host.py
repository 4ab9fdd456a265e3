"""The work of a host for others: sessions, each of which has a board, or a place to train, for itself.

Dask runs ``hold`` as a task for as long as a session lasts, and with it keeps the board's resource; what is asked
within a session comes by ``exchange``, beside Dask's tasks. A session whose command is gone ends with its lease.
"""

from __future__ import annotations

import asyncio
import base64
import queue
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgebench.core.board_link import times_itself
from edgebench.core.device import Device
from edgebench.core.profile import Outcome
from edgebench.core.record import Record
from edgebench.errors import EdgebenchError, UnavailableError
from edgebench.farm.admission import admitted
from edgebench.farm.messages import (
    REQUESTS,
    Asked,
    FetchPart,
    FilePart,
    HostStatus,
    Kind,
    Replied,
    packed,
    unpacked,
)
from edgebench.machine.package_digest import package_digest
from edgebench.workers.base import Workers
from edgebench.workers.local import LocalWorkers
from edgebench.workers.measuring.board_jobs import FindStored, Look, StorePart
from edgebench.workers.measuring.jobs import Done, Reserve, Waiting
from edgebench.workers.measuring.reserving import TakesTurns
from edgebench.workers.measuring.stored_files import find_stored, store_part
from edgebench.workers.protocol import (
    LongRequest,
    Order,
    ProtocolError,
    Request,
    answer_message,
    progress_message,
    read_order,
    read_request,
)
from edgebench.workers.worker import ChildError, Worker

LEASE_S = 20.0
"""A session without a sign of its command for so long ends."""
FIRST_LEASE_S = 8.0
"""The same until the first sign: Dask may begin a session again whose command has given it up."""
_LOOK_S = 0.5
_SLACK_S = 30.0
_PART = 1 << 20
_NAME = "edgebench"


class Host:
    """One board of this host, or its processors, and whom it works for.

    Args:
        devices: What is announced.
        trainings: How many trainings it takes at the same time.
        name: Of the host, if results may contain it.
        workers: Starts the processes; what it knows of boards is forgotten with each session.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        trainings: int = 0,
        name: str | None = None,
        workers: Workers | None = None,
    ) -> None:
        self._devices = {device.name: device for device in devices}
        self._trainings = trainings
        self._name = name
        self._workers = workers or LocalWorkers()
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def status(self) -> HostStatus:
        """What is announced, and whom this host works for."""
        with self._lock:
            sessions = dict(self._sessions)
        return HostStatus(
            host=self._name or socket.gethostname(),
            is_named=self._name is not None,
            edgebench=version("edgebench"),
            build=package_digest(),
            # Where a file is on this host concerns nobody else.
            devices=tuple(replace(device, origin="") for device in self._devices.values()),
            trainings=self._trainings,
            sessions={key: session.owner for key, session in sessions.items()},
            since={key: session.since for key, session in sessions.items()},
        )

    def hold(self, name: str, owner: str) -> None:
        """Work for a session until it ends.

        Args:
            name: Of the session.
            owner: Whom it belongs to, for those who wait.
        """
        for device in self._devices.values():
            if isinstance(self._workers, LocalWorkers):
                self._workers.forget(device)
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            session = _Session(owner, self._devices, Path(folder), self._workers)
            with self._lock:
                self._sessions[name] = session
            try:
                session.last()
            finally:
                with self._lock:
                    self._sessions.pop(name, None)
                session.end()

    def renew(self, names: Sequence[str]) -> None:
        """A sign of life of a command for its sessions."""
        for name in names:
            session = self._sessions.get(name)
            if session is not None:
                session.renew()

    def exchange(self, name: str, asked: Asked) -> Replied:
        """Hand a message to a process of a session and wait for what it replies; another thread may ask meanwhile."""
        session = self._sessions.get(name)
        if session is None:
            return Replied(outcome=Outcome.UNAVAILABLE, what="the host has ended the session", lost=True)
        try:
            return session.exchange(asked)
        except ChildError as error:
            return Replied.failed(error)

    def end(self, name: str | None = None) -> None:
        """End a session, or all of them."""
        with self._lock:
            ended = [session for key, session in self._sessions.items() if name in {None, key}]
        for session in ended:
            session.ended.set()


class _Session:
    def __init__(self, owner: str, devices: dict[str, Device], folder: Path, workers: Workers) -> None:
        self.owner, self.since, self.ended = owner, time.time(), threading.Event()
        self._devices, self._folder, self._workers = devices, folder, workers
        self._until = time.monotonic() + FIRST_LEASE_S
        self._processes: dict[str, _Process] = {}
        self._lock = threading.Lock()

    def renew(self) -> None:
        self._until = time.monotonic() + LEASE_S

    def last(self) -> None:
        """Return when the session has been ended, or nobody has asked for it for too long."""
        while not self.ended.wait(_LOOK_S) and time.monotonic() < self._until:
            pass

    def end(self) -> None:
        self.ended.set()
        with self._lock:
            processes = list(self._processes.values())
            self._processes.clear()
        for process in processes:
            process.close()

    def exchange(self, asked: Asked) -> Replied:
        self.renew()
        with self._lock:
            if self.ended.is_set():
                raise ChildError(Outcome.UNAVAILABLE, "the host has ended the session", lost=True)
            if asked.message is None:
                process = self._processes.pop(asked.process, None)
            else:
                process = self._processes.get(asked.process) or self._new(asked)
                self._processes[asked.process] = process
        if asked.message is None:
            if process is not None:
                process.close()
            return Replied()
        return process.exchange(asked.message.encode(), asked.timeout_s) if process is not None else Replied()

    def _new(self, asked: Asked) -> _Process:
        def start() -> Worker:
            if asked.kind is Kind.TRAINING:
                return self._workers.training()
            return self._workers.measuring(number=asked.number, memory_limit_bytes=asked.memory_limit_bytes)

        return _Process(start, self._devices, self._folder / f"{uuid.uuid4().hex}.npz", self._workers)


class _Process:
    """A worker in a thread of its own: the system ends a child with the thread that has started it."""

    def __init__(
        self, start: Callable[[], Worker], devices: dict[str, Device], weights: Path, workers: Workers
    ) -> None:
        self._start, self._devices, self._weights, self._workers = start, devices, weights, workers
        self._asked: queue.SimpleQueue[tuple[bytes, float] | None] = queue.SimpleQueue()
        self._replied: queue.SimpleQueue[Replied] = queue.SimpleQueue()
        self._worker: Worker | None = None
        self._thread = threading.Thread(target=self._work, name="edgebench process", daemon=True)
        self._thread.start()

    def exchange(self, message: bytes, timeout_s: float) -> Replied:
        self._asked.put((message, timeout_s))
        try:
            return self._replied.get(timeout=timeout_s + _SLACK_S)
        except queue.Empty:
            return Replied(outcome=Outcome.TIMED_OUT, what=f"no answer within {timeout_s:.0f} s")

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join(timeout=0.2)
        if self._thread.is_alive() and self._worker is not None:
            # It waits for an answer that nobody wants any more.
            with suppress(Exception):
                self._worker.close()

    def _work(self) -> None:
        self._worker = worker = self._start()
        try:
            while (taken := self._asked.get()) is not None:
                self._replied.put(self._reply(worker, *taken))
        finally:
            worker.close()

    def _reply(self, worker: Worker, message: bytes, timeout_s: float) -> Replied:
        try:
            request = admitted(read_request(message, REQUESTS), self._devices, self._weights)
            return Replied(message=answer_message(self._answer(worker, request, timeout_s)).decode())
        except ChildError as error:
            return Replied.failed(error)
        except EdgebenchError as error:
            kind = Outcome.UNAVAILABLE if isinstance(error, (UnavailableError, ProtocolError)) else Outcome.BAD_INPUT
            place = f"{error.where}: " if error.where else ""
            return Replied(outcome=kind, what=f"{place}{error.what}", remedy=error.remedy)
        except Exception as error:
            return Replied(outcome=Outcome.CRASHED, what=f"{type(error).__name__}: {error}")

    def _answer(self, worker: Worker, request: Request[Any], timeout_s: float) -> Record:
        asked: Any = request
        if isinstance(asked, Look):
            return self._workers.look(asked.device, meters=asked.meters)
        if isinstance(asked, (FindStored, StorePart)):
            return find_stored(asked) if isinstance(asked, FindStored) else store_part(asked)
        if isinstance(asked, FetchPart):
            return _part(self._weights, asked.offset)
        if isinstance(asked, Reserve) and isinstance(worker, TakesTurns) and not times_itself(asked.device):
            worker.take_turn(asked.device, self._waits)
            return Done()
        if isinstance(asked, LongRequest):
            followed: Record = worker.follow(asked, self._goes_on, timeout_s=timeout_s)
            return followed
        answer: Record = worker.ask(asked, timeout_s=timeout_s)
        return answer

    def _waits(self, owner: str) -> None:
        if not self._goes_on(Waiting(owner=owner)):
            raise ChildError(Outcome.UNAVAILABLE, f"in use: {owner}")

    def _goes_on(self, progress: Record) -> bool:
        self._replied.put(Replied(message=progress_message(progress).decode()))
        taken = self._asked.get()
        if taken is None:
            self._asked.put(None)
            return False
        return read_order(taken[0]) is Order.CONTINUE


def _part(path: Path, offset: int) -> FilePart:
    with path.open("rb") as file:
        file.seek(offset)
        return FilePart(content=base64.b64encode(file.read(_PART)).decode(), size_bytes=path.stat().st_size)


def attach(worker: Any, host: Host) -> None:
    """Let a Dask worker work for others as a host.

    Args:
        worker: A ``distributed.Worker``.
        host: What it does.
    """
    worker.extensions[_NAME] = host


def hold(session: str, owner: str) -> None:
    """Dask's task: keep a board, or a place to train, until the session ends."""
    from distributed import get_worker

    _host(get_worker()).hold(session, owner)


async def exchange(session: str, asked: bytes, dask_worker: Any = None) -> bytes:
    """Hand a message to a process of a session; returns what it replies."""
    host, message = _host(dask_worker), unpacked(Asked, asked)
    return packed(await asyncio.to_thread(host.exchange, session, message))


async def status(dask_worker: Any = None) -> bytes:
    """What a host announces, and whom it works for."""
    return packed(await asyncio.to_thread(_host(dask_worker).status))


def renew(sessions: Sequence[str], dask_worker: Any = None) -> None:
    """A sign of life of a command for its sessions."""
    _host(dask_worker).renew(sessions)


def end(session: str, dask_worker: Any = None) -> None:
    """End a session."""
    _host(dask_worker).end(session)


def _host(worker: Any) -> Host:
    found = worker.extensions.get(_NAME)
    if not isinstance(found, Host):
        raise RuntimeError("this Dask worker was not started by edgebench farm worker")  # noqa: TRY004
    return found
