"""Workers on the hosts of a farm: requests go where their device is, and their files with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

from edgebench.core.board_link import reached_by
from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.core.profile import Outcome
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.farm.cluster import Cluster, OnWait, Session
from edgebench.farm.messages import HostStatus, Kind
from edgebench.farm.process import RemoteProcess
from edgebench.farm.training import FarmTraining
from edgebench.machine.package_digest import package_digest
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.measuring.board_jobs import ListFiles, Look
from edgebench.workers.measuring.jobs import Done, Finish, ListLayers, MakeReady, Reserve, Run, RunTimed, Waiting
from edgebench.workers.measuring.machine_turns import this_command
from edgebench.workers.measuring.model_jobs import CompareOutputs, CountOperators, Try
from edgebench.workers.measuring.sending import Sent
from edgebench.workers.protocol import Answer, LongRequest, Progress, Request
from edgebench.workers.worker import RETRIES, ChildError, Worker

_LOOK_S = 120.0
_READ_S = 120.0
_TURN_S = 120.0
_COMPLETE = (MakeReady, CountOperators, Try, CompareOutputs)
"""What may be asked again elsewhere: nothing that came before matters, and no time is measured."""
T = TypeVar("T")


def _plain(name: str) -> str:
    """The name of a device without the options of a sweep."""
    return name.partition(":")[0]


def _lasting(step: Callable[[], T]) -> T:
    """Do something that is complete in itself; again if its host is lost meanwhile.

    Raises:
        ChildError: It has failed, or hosts were lost again and again.
    """
    for _ in range(RETRIES):
        try:
            return step()
        except ChildError as error:
            if not error.lost:
                raise
    return step()


class FarmWorkers:
    """Workers on the hosts of a farm; models are read and converted here, and so are trainings that no host takes.

    Args:
        cluster: The farm.
        on_wait: Called while another command has what is needed, when nothing else tells the user.
        here: Starts the processes on this machine.
    """

    def __init__(self, cluster: Cluster, on_wait: OnWait = lambda _: None, here: Workers = LOCAL) -> None:
        self._cluster, self._on_wait, self._here = cluster, on_wait, here
        self._sent: dict[str, Sent] = {}
        self._lock = threading.Lock()

    def measuring(self, *, number: int = 0, memory_limit_bytes: int | None = None) -> Worker:
        """A process that reads models here, and one on the host of the device that runs them."""
        here = self._here.measuring(number=number, memory_limit_bytes=memory_limit_bytes)
        return FarmWorker(here, self, number, memory_limit_bytes)

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        """Look at the host that has a device.

        Raises:
            TargetUnavailableError: No host has it in time, it lacks something, or has another edgebench.
            InputError: The device's options are not valid.
        """
        try:
            seen, host = _lasting(lambda: self._seen(device, meters=meters))
        except ChildError as error:
            if error.outcome is Outcome.BAD_INPUT:
                raise InputError(error.message, remedy=error.remedy) from None
            raise TargetUnavailableError(error.message, remedy=error.remedy) from None
        own = version("edgebench")
        if (seen.edgebench, seen.build) != (own, package_digest()):
            theirs = seen.edgebench if seen.edgebench != own else f"another build of {own}"
            raise TargetUnavailableError(
                f"host {host.host} has edgebench {theirs}, this is {own}",
                where=device.name,
                remedy="install the same edgebench on both, and start `edgebench farm worker` there again",
            )
        described = next((one for one in host.devices if one.name == _plain(device.name)), device)
        if replace(described, name=device.name, options=device.options) != replace(device, origin=""):
            raise TargetUnavailableError(
                f"host {host.host} describes {device.name} otherwise than this command found it",
                where=device.name,
                remedy="give devices that differ names of their own, on each host",
            )
        named = {"host": host.host} if host.is_named else {}
        return replace(seen, host=f"{host.host} {reached_by(device)}".strip(), machine={**seen.machine, **named})

    def _seen(self, device: Device, *, meters: bool) -> tuple[Seen, HostStatus]:
        with (
            self.session(device, self._on_wait) as session,
            RemoteProcess(self._cluster, session, Kind.MEASURING) as process,
        ):
            return process.ask(Look(device=device, meters=meters), timeout_s=_LOOK_S), session.host

    def probe(self, device: Device, *, timeout_s: float) -> Mapping[str, str]:
        """Ask a device's board for a sign of life, from here.

        Raises:
            TargetUnavailableError: There is no answer in time.
        """
        return self._here.probe(device, timeout_s=timeout_s)

    def install(self, device: Device, wheels: Path | None, on_progress: Callable[[str], None]) -> None:
        """Install on a device's board what its workers need, from here.

        Raises:
            EdgebenchError: It cannot be installed.
        """
        self._here.install(device, wheels, on_progress)

    def holding(self, device: Device, on_wait: OnWait) -> AbstractContextManager[object]:
        """Keep the host of a device for this command while the block runs."""
        return self.session(device, on_wait)

    def training(self) -> Worker:
        """A process that trains on a host that takes trainings, and does all else here."""
        return FarmTraining(self._here, self._cluster, self.sent_to, self._on_wait)

    def session(self, device: Device, on_wait: OnWait | None = None) -> AbstractContextManager[Session]:
        """A session on the host that has a device; a device of a sweep is where the one is that it was made from."""
        return self._cluster.using(_plain(device.name), on_wait or self._on_wait)

    def sent_to(self, session: Session) -> Sent:
        """What has been sent to a host."""
        with self._lock:
            return self._sent.setdefault(session.address, Sent())

    @property
    def cluster(self) -> Cluster:
        """The farm."""
        return self._cluster


class FarmWorker(Worker):
    """Processes here and on hosts that appear as one: each request goes where its device is.

    Args:
        here: A process on this machine; it starts with its first request.
        farm: Where devices are.
        number: Index of this process among the fresh processes of one measurement.
        memory_limit_bytes: Data that a process may allocate, or None for what is reasonable where it is.
    """

    def __init__(self, here: Worker, farm: FarmWorkers, number: int, memory_limit_bytes: int | None) -> None:
        self._here, self._farm, self._number, self._memory_limit_bytes = here, farm, number, memory_limit_bytes
        self._stack = ExitStack()
        self._there: dict[str, tuple[RemoteProcess, Session]] = {}
        self._last: RemoteProcess | None = None

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        """Send a request where it belongs, and wait for its answer.

        Raises:
            ChildError: The host is gone, or the process gave no answer.
        """
        asked: Any = request
        if not isinstance(asked, AtDevice):
            there = self._last if isinstance(asked, (Run, RunTimed, Finish, ListLayers)) else None
            return (there or self._here).ask(request, timeout_s=timeout_s)
        if isinstance(asked, _COMPLETE):
            return cast("Answer", _lasting(lambda: self._ask_there(asked, timeout_s)))
        return cast("Answer", self._ask_there(asked, timeout_s))

    def _ask_there(self, request: AtDevice[Any], timeout_s: float) -> Any:
        process, session = self._process(request.device)
        self._last, sent = process, self._farm.sent_to(session)
        try:
            moved = request.moved(request.device, lambda path: sent.path(process, path, self._beside))
            return process.ask(moved, timeout_s=timeout_s)
        except ChildError as error:
            if error.lost:
                self._there.clear()
                self._stack.close()
            raise

    def follow(
        self, request: LongRequest[Answer, Progress], on_progress: Callable[[Progress], bool], *, timeout_s: float
    ) -> Answer:
        """Send a request where it belongs, follow its progress and wait for its answer.

        Raises:
            ChildError: The host is gone, or the process gave no answer.
        """
        asked: Any = request
        worker = self._process(asked.device)[0] if isinstance(asked, Reserve) else self._here
        return worker.follow(request, on_progress, timeout_s=timeout_s)

    def take_turn(self, device: Device, on_wait: OnWait) -> None:
        """Have the machine where a device is until this worker is closed: commands of that host take turns with it.

        Raises:
            ChildError: The host is gone, or somebody has the machine for too long.
        """

        def goes_on(waiting: Waiting) -> bool:
            on_wait(waiting.owner)
            return True

        wanted = Reserve(device=device, owner=this_command())
        done: Done = self._process(device)[0].follow(wanted, goes_on, timeout_s=_TURN_S)
        del done

    def close(self) -> None:
        """End all processes."""
        self._here.close()
        self._stack.close()
        self._there.clear()
        self._last = None

    def _process(self, device: Device) -> tuple[RemoteProcess, Session]:
        """The process on a device's host, the same for all requests."""
        if device.name not in self._there:
            session = self._stack.enter_context(self._farm.session(device))
            process = RemoteProcess(
                self._farm.cluster,
                session,
                Kind.MEASURING,
                number=self._number,
                memory_limit_bytes=self._memory_limit_bytes,
            )
            self._stack.callback(process.close)
            self._there[device.name] = process, session
        return self._there[device.name]

    def _beside(self, model: str) -> tuple[str, ...]:
        return self._here.ask(ListFiles(model=model), timeout_s=_READ_S).beside
