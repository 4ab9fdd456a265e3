"""The verb ``profile``: several models on several devices, measured in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.flows.profile.preparation import Preparation
from edgebench.flows.profile.sampling import MAX_PROCESSES, Cell

TOGETHER = 6
"""Processes of one round that are alive at once and take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """What to profile.

    Attributes:
        models: Paths or ``zoo:`` names as typed.
        devices: Devices with their options in force.
        plan: How long and how often.
        inputs: Where inputs come from.
    """

    models: Sequence[str]
    devices: Sequence[Device]
    plan: MeasurementPlan
    inputs: InputSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileProgress:
    """How far a profile has come.

    Attributes:
        done: Fraction of the work that is certain, 0 to 1.
        text: What happens now.
    """

    done: float
    text: str


def profile(
    request: ProfileRequest,
    *,
    on_update: Callable[[tuple[Profile, ...]], None],
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
) -> tuple[Profile, ...]:
    """Profile every model on every device, taking turns so that all see the same machine.

    Nothing that happens to one model ends the others: a crash or a hang becomes the outcome of its
    profile.

    Args:
        request: What to profile.
        on_update: Called with all profiles so far after each unit of work; saves them.
        on_progress: Called before each unit of work.

    Returns:
        One profile a model and device whose model could be read at all, models outermost.

    Raises:
        KeyboardInterrupt: After ``on_update`` has been given what was done.
    """
    cells: list[Cell] = []

    def publish() -> None:
        on_update(tuple(cell.profile() for cell in cells))

    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        try:
            preparation = Preparation(folder, request.plan, request.inputs)
            for model in request.models:
                for device in request.devices:
                    on_progress(ProfileProgress(done=0.0, text=f"reading {model}"))
                    cells.append(preparation.cell(model, device))
            publish()
            _measure(cells, request.plan, publish, on_progress)
        except KeyboardInterrupt:
            for cell in cells:
                cell.interrupt()
            publish()
            raise
    return tuple(cell.profile() for cell in cells)


def _measure(
    cells: Sequence[Cell],
    plan: MeasurementPlan,
    publish: Callable[[], None],
    on_progress: Callable[[ProfileProgress], None],
) -> None:
    for number in range(MAX_PROCESSES):
        waiting = [cell for cell in cells if not cell.finished]
        if not waiting:
            return
        for group in _groups(waiting):
            names = ", ".join(cell.name for cell in group)
            done = min(number / plan.repetitions, 0.99)
            on_progress(ProfileProgress(done=done, text=f"process {number + 1}: {names}"))
            _run_together(group, number)
            publish()


def _run_together(cells: Sequence[Cell], number: int) -> None:
    """One fresh process for each cell; then bursts in turn until each has had its share."""
    with ExitStack() as stack:
        running = [cell for cell in cells if cell.start(stack, number)]
        turn = 0
        while running:
            # Rotating the order keeps any cell from always running after the same neighbour.
            order = running[turn % len(running) :] + running[: turn % len(running)]
            for cell in order:
                cell.burst()
            running = [cell for cell in running if cell.wants_burst]
            turn += 1
        for cell in cells:
            cell.finish()


def _groups(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Cells whose processes may be alive together without crowding the memory."""
    budget = psutil.virtual_memory().available // 8
    group: list[Cell] = []
    size = 0
    for cell in cells:
        if group and (len(group) == TOGETHER or size + cell.model_bytes > budget):
            yield group
            group, size = [], 0
        group.append(cell)
        size += cell.model_bytes
    if group:
        yield group
