"""Before something is measured: have its board or machine, and wait for those who came before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from edgebench.core.board_link import times_itself
from edgebench.core.device import Device
from edgebench.core.profile import Outcome
from edgebench.workers.measuring.jobs import Reserve, Waiting
from edgebench.workers.measuring.machine_turns import OnWait, this_command
from edgebench.workers.worker import ChildError, Worker

_PATIENCE_S = 1800.0
"""Others are waited for no longer: they let it go after each process, which takes seconds or minutes."""
_STEP_S = 60.0
"""Without a sign of who is waited for."""


@runtime_checkable
class TakesTurns(Protocol):
    """A worker of a machine where one command measures at a time."""

    def take_turn(self, device: Device, on_wait: OnWait) -> None:
        """Have the machine where a device is until the worker is closed; see ``RoutedWorker``."""


def reserve(worker: Worker, device: Device, name: str, on_wait: Callable[[str], None]) -> None:
    """Have a device's board or machine until the worker is closed. Neither the user's time limit nor a request's runs.

    Args:
        worker: Will measure.
        device: The device.
        name: What is to be measured, for messages.
        on_wait: Called with who is waited for, about each second.

    Raises:
        ChildError: Somebody has it for too long, or it cannot be reached.
    """
    deadline = time.monotonic() + _PATIENCE_S

    def waits(owner: str) -> None:
        on_wait(f"{name} waits for {owner}")
        if time.monotonic() > deadline:
            raise ChildError(
                Outcome.UNAVAILABLE,
                f"in use for more than {_PATIENCE_S / 60:.0f} min: {owner}",
                "a measurement lets others in after each of its processes: see whether that one still runs, and end it",
            )

    def goes_on(waiting: Waiting) -> bool:
        waits(waiting.owner)
        return True

    if times_itself(device):
        worker.follow(Reserve(device=device, owner=this_command()), goes_on, timeout_s=_STEP_S)
    elif isinstance(worker, TakesTurns):
        worker.take_turn(device, waits)
