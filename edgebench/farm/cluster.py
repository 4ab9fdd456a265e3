"""A command's view of a farm: who has what, and sessions in which a board, or a place to train, is its own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgebench.core.device import Device
from edgebench.core.profile import Outcome
from edgebench.errors import TargetUnavailableError, UnavailableError
from edgebench.farm import host
from edgebench.farm.connection import Connection
from edgebench.farm.messages import TRAIN, Asked, HostStatus, Replied, packed, resource, unpacked
from edgebench.workers.protocol import ProtocolError
from edgebench.workers.worker import ChildError

OnWait = Callable[[str], None]
_SIGN_OF_LIFE_S = 3.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.05, 1.0
_PATIENCE_S = 15.0
"""How long the host of a device is waited for that was lost, before another one is taken."""
_MOST_FAILURES = 3
"""Tasks that end instead of keeping their board."""
_SAME = "run the same command again: what was finished is kept"


@dataclass(slots=True)
class Session:
    """A board, or a place to train, that belongs to this command.

    Attributes:
        name: Of the session.
        address: Of the Dask worker.
        host: What it has announced.
        users: How many processes and blocks need it.
        future: Dask's task.
        is_lost: Whether it has ended by itself.
    """

    name: str
    address: str
    host: HostStatus
    future: Any
    users: int = 0
    is_lost: bool = False


@dataclass(slots=True)
class _Known:
    """What is shared by the threads of a command."""

    by_address: dict[str, Session] = field(default_factory=dict)
    trainings: list[Session] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Cluster:
    """A connection to a farm; threads may share it.

    A device stays on the host where it was first found, as long as that is there.

    Args:
        address: Of the scheduler.
        wait_s: How long a device is waited for that no host has, and a scheduler that does not answer.

    Raises:
        InputError: It is not an address.
        MissingPackageError: Dask is not installed.
    """

    def __init__(self, address: str, wait_s: float) -> None:
        self._connection, self._wait_s = Connection(address, wait_s), wait_s
        self._owner = f"{socket.gethostname()} (process {os.getpid()}, since {time.strftime('%H:%M:%S')})"
        self._known = _Known()
        self._opening = threading.RLock()
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._give_signs_of_life, name="edgebench cluster", daemon=True)
        self._beat.start()

    def close(self) -> None:
        """End all sessions."""
        self._ended.set()
        with self._known.lock:
            sessions = [*self._known.by_address.values(), *self._known.trainings]
            self._known.by_address.clear()
            self._known.trainings.clear()
        for session in sessions:
            self._end(session)
        self._connection.forget()

    def hosts(self) -> dict[str, HostStatus]:
        """What each host announces, by the address of its Dask worker.

        Raises:
            UnavailableError: The scheduler does not answer.
        """
        found: dict[str, HostStatus] = self._connection.lasting(lambda: self._statuses(self._workers()))
        return found

    def device(self, name: str) -> Device | None:
        """A device as its host describes it, or None if no host has it.

        Raises:
            UnavailableError: The scheduler does not answer.
        """
        for status in self.hosts().values():
            for device in status.devices:
                if device.name == name:
                    return device
        return None

    def awaited_device(self, name: str) -> Device:
        """The same, when a host that has it has announced itself.

        Raises:
            UnavailableError: None has it in time, or the scheduler does not answer.
        """
        deadline = time.monotonic() + self._wait_s
        while (device := self.device(name)) is None:
            if time.monotonic() >= deadline:
                error = self._nobody(resource(name), gone=False)
                raise TargetUnavailableError(error.message, remedy=error.remedy)
            time.sleep(_LONGEST_LOOK_S)
        return device

    def trains(self) -> bool:
        """Whether a host takes trainings."""
        with contextlib.suppress(UnavailableError):
            return bool(self._connection.lasting(lambda: self._having(TRAIN)))
        return False

    @contextlib.contextmanager
    def using(self, device: str, on_wait: OnWait) -> Iterator[Session]:
        """A session on the host of a device; processes and blocks of this command share one.

        Args:
            device: Its name.
            on_wait: Called while another command has it.

        Raises:
            ChildError: No host has it in time, or the one that had it is gone.
        """
        # One at a time: who waits for a board while it has another one could wait forever.
        with self._opening:
            session = self._shared(device) or self._opened(device, on_wait)
        try:
            yield session
        finally:
            self._leave(session)

    @contextlib.contextmanager
    def training(self, on_wait: OnWait) -> Iterator[Session]:
        """A place to train on some host.

        Args:
            on_wait: Called while other commands have them all.

        Raises:
            ChildError: No host takes trainings any more.
        """
        session = self._open(TRAIN, None, on_wait)
        with self._known.lock:
            self._known.trainings.append(session)
        try:
            yield session
        finally:
            with self._known.lock:
                self._known.trainings = [one for one in self._known.trainings if one is not session]
            self._end(session)

    def exchange(self, session: Session, asked: Asked) -> Replied:
        """Hand a message to a process of a session, and wait for what it replies.

        Raises:
            ChildError: The process has failed, or its host is gone.
        """
        if session.is_lost:
            raise self._lost(session)
        try:
            answers = self._connection.run(host.exchange, session.name, packed(asked), on=[session.address])
            replied = unpacked(Replied, answers[session.address])
        except (ProtocolError, UnavailableError) as error:
            raise ChildError(Outcome.UNAVAILABLE, error.what, error.remedy) from None
        except Exception:
            raise self._lost(session) from None
        if replied.lost:
            raise self._lost(session)
        if replied.message is None and replied.outcome is not None:
            raise replied.error()
        return replied

    def _shared(self, device: str) -> Session | None:
        """The session of this command on the host that has a device."""
        pinned = self._known.pins.get(device)
        with self._known.lock:
            for address, session in self._known.by_address.items():
                if pinned in {None, address} and any(own.name == device for own in session.host.devices):
                    self._known.pins[device] = address
                    session.users += 1
                    return session
        return None

    def _opened(self, device: str, on_wait: OnWait) -> Session:
        session = self._open(resource(device), self._known.pins.get(device) or self._back(device), on_wait)
        session.users = 1
        with self._known.lock:
            self._known.hosts[device] = session.host.host
            self._known.by_address[session.address] = session
            self._known.pins[device] = session.address
        return session

    def _back(self, device: str) -> str | None:
        """Where a device is again that was lost: with its host for a while, as that may just be starting anew."""
        name, end = self._known.hosts.get(device), time.monotonic() + _PATIENCE_S
        while name is not None and time.monotonic() < end:
            with contextlib.suppress(Exception):
                for address, status in self._statuses(self._having(resource(device))).items():
                    if status.host == name:
                        return address
            time.sleep(_LONGEST_LOOK_S)
        return None

    def _open(self, wanted: str, pinned: str | None, on_wait: OnWait) -> Session:
        """Submit a task that keeps the resource, and wait until it has begun somewhere.

        Raises:
            ChildError: Nobody has it in time.
        """
        name, future, look_s, failures = "", None, _FIRST_LOOK_S, 0
        deadline = self._connection.deadline()
        try:
            while True:
                try:
                    having = self._having(wanted)
                    if pinned is not None and pinned not in having:
                        break
                    if having:
                        deadline = time.monotonic() + self._wait_s
                        if future is None or future.status != "pending":
                            failures += future is not None
                            name = uuid.uuid4().hex
                            future = self._submitted(name, wanted, pinned)
                        for address, status in self._statuses(having).items():
                            if name in status.sessions:
                                return Session(name=name, address=address, host=status, future=future)
                            others = sorted(set(status.sessions.values()) - {self._owner})
                            if others and address in {pinned or address}:
                                on_wait(", ".join(others))
                except Exception:
                    self._connection.forget()
                    future = None
                if time.monotonic() >= deadline or failures > _MOST_FAILURES:
                    self._connection.give_up()
                    break
                time.sleep(look_s)
                look_s = min(_LONGEST_LOOK_S, 1.5 * look_s)
        except BaseException:
            self._cancel(future)
            raise
        self._cancel(future)
        raise self._nobody(wanted, gone=pinned is not None)

    def _submitted(self, name: str, wanted: str, pinned: str | None) -> Any:
        return self._connection.client().submit(
            host.hold,
            name,
            self._owner,
            key=f"edgebench-{name}",
            resources={wanted: 1},
            workers=None if pinned is None else [pinned],
            pure=False,
        )

    def _nobody(self, wanted: str, *, gone: bool) -> ChildError:
        what = "trains" if wanted == TRAIN else f"has {wanted.removeprefix(resource(''))}"
        if gone:
            with self._known.lock:
                self._known.pins.pop(wanted.removeprefix(resource("")), None)
            return ChildError(Outcome.UNAVAILABLE, f"the host that {what} has left the farm", _SAME, lost=True)
        try:
            known = sorted({device.name for status in self.hosts().values() for device in status.devices})
        except UnavailableError as error:
            return ChildError(Outcome.UNAVAILABLE, error.what, error.remedy)
        return ChildError(
            Outcome.UNAVAILABLE,
            f"no host of the farm {what}, for {self._wait_s:g} s; it has {', '.join(known) or 'no devices at all'}",
            f"on the host that {what}: edgebench farm worker --scheduler {self._connection.address}",
            # What no host trains is trained here.
            lost=wanted == TRAIN,
        )

    def _lost(self, session: Session) -> ChildError:
        """The session is over, and all in it.

        The device stays where it was found: if that host is gone, whoever uses the device next is told so first.
        """
        session.is_lost = True
        with self._known.lock:
            if self._known.by_address.get(session.address) is session:
                del self._known.by_address[session.address]
        self._cancel(session.future)
        what = f"the connection to host {session.host.host} was lost"
        return ChildError(Outcome.UNAVAILABLE, what, _SAME, lost=True)

    def _leave(self, session: Session) -> None:
        with self._known.lock:
            session.users -= 1
            if session.users:
                return
            if self._known.by_address.get(session.address) is session:
                del self._known.by_address[session.address]
        self._end(session)

    def _end(self, session: Session) -> None:
        if session.is_lost:
            return
        with contextlib.suppress(Exception):
            self._connection.run(host.end, session.name, on=[session.address])
        self._cancel(session.future)

    def _cancel(self, future: Any) -> None:
        """Dask forgets a task that nobody needs; unlike cancelling, this never waits."""
        if future is not None:
            with contextlib.suppress(Exception):
                future.release()

    def _workers(self) -> list[str]:
        return [
            address for address, info in self._connection.announced().items() if any(map(_is_ours, info["resources"]))
        ]

    def _having(self, wanted: str) -> list[str]:
        return [address for address, info in self._connection.announced().items() if wanted in info["resources"]]

    def _statuses(self, addresses: list[str]) -> dict[str, HostStatus]:
        if not addresses:
            return {}
        answers = self._connection.run(host.status, on=addresses)
        return {address: unpacked(HostStatus, answer) for address, answer in answers.items()}

    def _give_signs_of_life(self) -> None:
        while not self._ended.wait(_SIGN_OF_LIFE_S):
            with self._known.lock:
                sessions = [*self._known.by_address.values(), *self._known.trainings]
            for session in sessions:
                with contextlib.suppress(Exception):
                    self._connection.run(host.renew, [session.name], on=[session.address])


def _is_ours(name: str) -> bool:
    return name == TRAIN or name.startswith(resource(""))
