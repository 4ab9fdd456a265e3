"""Workers on boards: requests go where their device is, and their files with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, cast

from edgebench.core.board_link import SshSettings, reached_by, read_link, runs_workers
from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.core.profile import Outcome
from edgebench.errors import InputError, TargetUnavailableError
from edgebench.links.base import Link, LinkClosedError, LinkError, LinkTimeoutError, NoProgramError
from edgebench.links.ssh import SshLink, python_version
from edgebench.links.ssh_client import Address
from edgebench.machine.child_environment import NO_TELEMETRY
from edgebench.machine.package_digest import package_digest
from edgebench.store.trust import TRUST, trusts_all
from edgebench.workers.measuring.at_device import AtDevice
from edgebench.workers.measuring.board_jobs import ListFiles, Look, ReadClock
from edgebench.workers.measuring.jobs import Finish, ListLayers, Load, Run, RunTimed
from edgebench.workers.measuring.machine_turns import MachineTurns, OnWait
from edgebench.workers.measuring.meter_here import MeterHere
from edgebench.workers.measuring.race_jobs import Race
from edgebench.workers.measuring.sending import Sent
from edgebench.workers.protocol import Answer, LongRequest, Progress, Request
from edgebench.workers.worker import ChildError, Worker

_LOOK_S = 90.0
_READ_S = 120.0
_SHARE_OF_FREE_MEMORY = 0.8
_CLOCK_OFF_S = 86_400.0


def address_of(settings: SshSettings) -> Address:
    """Where the board is.

    Raises:
        InputError: What stands in the device file is no address.
    """
    try:
        return Address(host=settings.host, port=settings.ssh_port or None, config=settings.ssh_config or None)
    except ValueError as error:
        raise InputError(str(error), where="host") from None


def link_to(settings: SshSettings, *, python: str | None = None) -> Link:
    """A link to a board.

    Args:
        settings: Of the device.
        python: What runs the supervisor, if it is not the board's Python.
    """
    # What the user trusts here is trusted there: kernels of boards often lack what confines models.
    trust = {TRUST: "1"} if trusts_all() else {}
    cache = {"XDG_CACHE_HOME": settings.cache} if settings.cache else {}
    environment = {"PYTHONSAFEPATH": "1", **NO_TELEMETRY, **trust, **cache}
    return SshLink(
        address_of(settings),
        python=python or settings.python,
        environment=environment,
        memory_share=_SHARE_OF_FREE_MEMORY,
    )


@dataclass(slots=True)
class Boards:
    """What is known of boards while a command runs; threads may share it."""

    sent: dict[str, Sent] = field(default_factory=dict)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    turns: MachineTurns = field(default_factory=lambda: MachineTurns(link_to))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sent_to(self, device: Device) -> Sent:
        """What has been sent to a device's board."""
        with self.lock:
            return self.sent.setdefault(_board(device), Sent())

    def forget(self, device: Device) -> None:
        """Look at a device's board again when it is asked for next."""
        with self.lock:
            self.seen = {key: seen for key, seen in self.seen.items() if key[0] != _board(device)}

    def look(self, device: Device, *, meters: bool = False) -> Seen:
        """Look at a device's board, once for each description of the device.

        Raises:
            TargetUnavailableError: It cannot be reached, lacks something, or has another edgebench.
            InputError: The device's options are not valid.
        """
        key = (_board(device), repr((replace(device, name="", notes=()), meters)))
        if key not in self.seen:
            try:
                with BoardWorker(device, 0, None) as worker:
                    seen = worker.ask(Look(device=at_the_board(device), meters=meters), timeout_s=_LOOK_S)
            except ChildError as error:
                if error.outcome is Outcome.BAD_INPUT:
                    raise InputError(error.message, remedy=error.remedy) from None
                raise TargetUnavailableError(error.message, remedy=_there(device, error.remedy)) from None
            require_same(device, seen)
            self.seen[key] = replace(seen, warnings=(*seen.warnings, *_clock_warnings(device, seen)))
        return self.seen[key]


def require_same(device: Device, seen: Seen) -> None:
    """Check that a board has this edgebench.

    Raises:
        TargetUnavailableError: It has another one, or another build.
    """
    host = read_link(device, SshSettings).host
    own = version("edgebench")
    if (seen.edgebench, seen.build) != (own, package_digest()):
        theirs = seen.edgebench if seen.edgebench != own else f"another build of {own}"
        raise TargetUnavailableError(
            f"the board has edgebench {theirs}, this is {own}",
            where=host,
            remedy=f"edgebench devices setup {device.name}",
        )


def _clock_warnings(device: Device, seen: Seen) -> list[str]:
    """No figure depends on a board's date: times are those of its monotonic clock."""
    off_s = abs(seen.clock_s - time.time())
    if off_s <= _CLOCK_OFF_S:
        return []
    host = read_link(device, SshSettings).host
    set_it = f"ssh {host} sudo timedatectl set-ntp true"
    return [f"its date is wrong by {off_s / 86_400:,.0f} days, which changes no figure ({set_it})"]


class BoardWorker(Worker):
    """A process on a board.

    Args:
        device: Whose board it is.
        number: Index of this process among the fresh processes of one measurement.
        memory_limit_bytes: Data it may allocate, or None for a share of what is available there.

    Raises:
        InputError: The device's link is not valid.
    """

    def __init__(self, device: Device, number: int, memory_limit_bytes: int | None) -> None:
        settings = read_link(device, SshSettings)
        command = [f"{settings.environment}/bin/python", "-u", "-m", "edgebench.workers.measuring", str(number)]
        super().__init__(link_to(settings), command, memory_limit_bytes=memory_limit_bytes)
        self._device = device

    def _explained(self, error: BaseException, step: str, timeout_s: float) -> ChildError | None:
        if isinstance(error, NoProgramError) or (
            isinstance(error, LinkClosedError) and "No module named" in error.ending.last_words
        ):
            return ChildError(
                Outcome.UNAVAILABLE,
                f"{reached_by(self._device)}: edgebench is not installed on the board, or only in part",
                f"edgebench devices setup {self._device.name}",
            )
        return super()._explained(error, step, timeout_s)


def probe(device: Device, timeout_s: float) -> dict[str, str]:
    """Ask a device's board for a sign of life: whether it lets the user in, and which Python it has.

    Raises:
        TargetUnavailableError: There is no answer in time.
        InputError: The device's link is not valid.
    """
    settings = read_link(device, SshSettings)
    address = address_of(settings)
    try:
        return {"python": python_version(address, settings.python, timeout_s)}
    except LinkTimeoutError:
        raise TargetUnavailableError(
            f"the board does not answer within {timeout_s:g} s",
            where=settings.host,
            remedy=f"check that it is switched on: {address.command} true",
        ) from None
    except LinkError as error:
        raise TargetUnavailableError(error.what, where=error.where, remedy=error.remedy) from None


def at_the_board(device: Device) -> Device:
    """A device as its board sees it: it is there."""
    seen = replace(device, link="", reached={})
    return seen if not device.meter_at else replace(seen, meter="none", meter_at="", idle_s=0.0)


class RoutedWorker(Worker):
    """Processes here and on a board that appear as one: each request goes where its device is.

    Models are read and converted here. What is asked about a loaded model goes where it was loaded.

    Args:
        here: A process on this machine; it starts with its first request.
        boards: What is known of boards.
        number: Index of this process among the fresh processes of one measurement.
        memory_limit_bytes: Data that a process may allocate, or None for what is reasonable where it is.
    """

    def __init__(self, here: Worker, boards: Boards, number: int, memory_limit_bytes: int | None) -> None:
        self._here = here
        self._boards = boards
        self._number = number
        self._memory_limit_bytes = memory_limit_bytes
        self._on_boards: dict[str, Worker] = {}
        self._there: Worker | None = None
        self._turns: list[str] = []
        self._meter: MeterHere | None = None

    def ask(self, request: Request[Answer], *, timeout_s: float) -> Answer:
        """Send a request where it belongs, and wait for its answer.

        Raises:
            ChildError: The board cannot be reached, or the child gave no answer.
        """
        asked: Any = request
        if isinstance(asked, AtDevice):
            self._there = self._board_worker(asked.device) if runs_workers(asked.device) else None
        there = self._there if isinstance(asked, (AtDevice, Run, Finish, ListLayers)) else None
        if there is None:
            return self._here.ask(request, timeout_s=timeout_s)
        moved: Any = self._moved(asked, there) if isinstance(asked, AtDevice) else asked
        if isinstance(asked, (Load, Race)) and asked.device.meter_at and self._meter is None:
            self._meter = self._opened_meter(asked.device, there)
        if self._meter is None:
            return cast("Answer", there.ask(moved, timeout_s=timeout_s))
        return cast("Answer", self._metered(moved, there, self._meter, timeout_s))

    def _opened_meter(self, device: Device, there: Worker) -> MeterHere:
        """The meter at this machine, with the board's idle power measured: nothing runs there yet."""
        try:
            return MeterHere(device, lambda: there.ask(ReadClock(), timeout_s=_LOOK_S).time_s)
        except InputError as error:
            raise ChildError(Outcome.BAD_INPUT, error.what, error.remedy) from None
        except TargetUnavailableError as error:
            raise ChildError(Outcome.UNAVAILABLE, error.what, error.remedy) from None

    def _metered(self, asked: Any, there: Worker, meter: MeterHere, timeout_s: float) -> Any:
        """An answer with the energies that the meter here has seen."""
        try:
            if isinstance(asked, Load):
                return meter.attached(there.ask(asked, timeout_s=timeout_s))
            if isinstance(asked, Run):
                timed = there.ask(RunTimed(iterations=asked.iterations), timeout_s=timeout_s)
                return meter.metered(timed.sample, timed.moment)
            if isinstance(asked, Race):
                raced = there.ask(replace(asked, least_burst_s=meter.least_burst_s), timeout_s=timeout_s)
                return replace(raced, results=meter.raced(raced.results))
            answer = there.ask(asked, timeout_s=timeout_s)
            if isinstance(asked, Finish):
                return replace(answer, notes=(*answer.notes, *meter.notes()))
        except TargetUnavailableError as error:
            raise ChildError(Outcome.UNAVAILABLE, error.what, error.remedy) from None
        return answer

    def follow(
        self, request: LongRequest[Answer, Progress], on_progress: Callable[[Progress], bool], *, timeout_s: float
    ) -> Answer:
        """Send a request to the process here, follow its progress and wait for its answer."""
        return self._here.follow(request, on_progress, timeout_s=timeout_s)

    def take_turn(self, device: Device, on_wait: OnWait) -> None:
        """Have the machine where a device is for this command, until ``close``.

        Args:
            device: The device.
            on_wait: Called each second with who has it; what it raises ends the wait.

        Raises:
            ChildError: The board cannot be reached.
        """
        try:
            self._turns.append(self._boards.turns.take(device, on_wait))
        except LinkError as error:
            place = f"{error.where}: " if error.where else ""
            raise ChildError(Outcome.UNAVAILABLE, f"{place}{error.what}", error.remedy) from None
        except InputError as error:
            raise ChildError(Outcome.BAD_INPUT, error.what, error.remedy) from None

    def close(self) -> None:
        """End all processes, and let others measure."""
        self._here.close()
        if self._meter is not None:
            self._meter.close()
        for worker in self._on_boards.values():
            worker.close()
        while self._turns:
            self._boards.turns.release(self._turns.pop())

    def _board_worker(self, device: Device) -> Worker:
        """The process on a device's board, the same for all requests."""
        board = _board(device)
        if board not in self._on_boards:
            try:
                self._on_boards[board] = BoardWorker(device, self._number, self._memory_limit_bytes)
            except InputError as error:
                raise ChildError(Outcome.BAD_INPUT, error.what, error.remedy) from None
        return self._on_boards[board]

    def _moved(self, request: AtDevice[Any], worker: Worker) -> AtDevice[Any]:
        """The request as the board understands it, with its files there."""
        sent = self._boards.sent_to(request.device)
        return request.moved(at_the_board(request.device), lambda path: sent.path(worker, path, self._beside))

    def _beside(self, model: str) -> tuple[str, ...]:
        return self._here.ask(ListFiles(model=model), timeout_s=_READ_S).beside


def _there(device: Device, remedy: str | None) -> str | None:
    """A remedy as it is carried out for a board."""
    if remedy is None or not remedy.startswith("pip install"):
        return remedy
    return f"edgebench devices setup {device.name} installs it there"


def _board(device: Device) -> str:
    return f"{device.link} {sorted(device.reached.items())}"
