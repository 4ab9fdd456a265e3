"""The verb ``profile``: several models on several devices, measured in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import psutil

from edgebench.core.board_link import exclusive_place, reached_by
from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.errors import NotComparableError
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.sampling import MAX_PROCESSES, Sampling
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.worker import RETRIES

TOGETHER = 6
"""How many processes of one round are alive at the same time and take turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest:
    """What to profile.

    Attributes:
        models: Paths or ``zoo:`` names as typed.
        devices: Devices with their options applied.
        plan: How long and how often.
        inputs: Where inputs come from.
        earlier: What an interrupted run has, by model and name of the device; what is finished is not measured again.
    """

    models: Sequence[str]
    devices: Sequence[Device]
    plan: MeasurementPlan
    inputs: InputSource
    earlier: Mapping[tuple[str, str], Profile] = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """Those of models that an interrupted run has measured, or begun to."""
        return {cell[0]: profile.model.digest for cell, profile in self.earlier.items() if profile.model.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileProgress:
    """How far a profile has come.

    Attributes:
        done: Fraction of the work that is surely done, 0 to 1.
        text: What is happening now.
    """

    done: float
    text: str


def profile(
    request: ProfileRequest,
    *,
    on_update: Callable[[tuple[Profile, ...]], None],
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> tuple[Profile, ...]:
    """Profile every model on every device, taking turns so that all see the same machine.

    Nothing that happens to one model ends the others: a crash or a hang becomes the outcome of its
    profile.

    Args:
        request: What to profile.
        on_update: Called with all profiles so far after each unit of work; saves them.
        on_progress: Called before each unit of work.
        workers: Starts the processes that models are read and run in.

    Returns:
        One profile per model and device, models outermost.

    Raises:
        KeyboardInterrupt: After ``on_update`` has been given what was done.
        NotComparableError: A model is not the one that an interrupted run measured.
    """
    # By place, because two devices may have one name and other options.
    cells = list(enumerate((model, device) for model in request.models for device in request.devices))
    begun: dict[int, Sampling | Profile] = {
        place: request.earlier[model, device.name]
        for place, (model, device) in cells
        if (model, device.name) in request.earlier
    }

    def so_far() -> tuple[Profile, ...]:
        known = [begun[place] for place, _ in cells if place in begun]
        return tuple(one.profile() if isinstance(one, Sampling) else one for one in known)

    def waits(text: str) -> None:
        on_progress(ProfileProgress(done=0.0, text=text))

    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        try:
            preparation = Preparation(folder, request.plan, request.inputs, workers, waits)
            for place, (model, device) in cells:
                known = begun.get(place)
                if isinstance(known, Profile) and is_finished(known):
                    continue
                on_progress(ProfileProgress(done=0.0, text=f"reading {model}"))
                found = preparation.prepare(model, device)
                if isinstance(found, Ready):
                    _require_digest(found, request.digests.get(model))
                    begun[place] = Sampling(found, request.plan, request.inputs, workers, waits)
                else:
                    begun[place] = found
            on_update(so_far())
            samplings = [one for one in begun.values() if isinstance(one, Sampling)]
            _measure(samplings, request.plan, lambda: on_update(so_far()), on_progress)
        except KeyboardInterrupt:
            for one in begun.values():
                if isinstance(one, Sampling):
                    one.interrupt()
            on_update(so_far())
            raise
    return so_far()


def is_finished(profile: Profile) -> bool:
    """Whether there is nothing to measure again: a failure of a model is a result, a board that was lost is none."""
    again = {Outcome.INTERRUPTED, Outcome.UNAVAILABLE}
    if profile.device.link:
        # What the death of a process looks like where the cable was pulled.
        again |= {Outcome.CRASHED, Outcome.TIMED_OUT}
    return profile.outcome not in again


def _require_digest(found: Ready, digest: str | None) -> None:
    if digest is not None and found.model.digest != digest:
        raise NotComparableError(
            "this model is not the one that the run measured: its digest is another",
            where=found.model.source,
            remedy="restore the file, or begin a new run with it",
        )


def _measure(
    samplings: Sequence[Sampling],
    plan: MeasurementPlan,
    publish: Callable[[], None],
    on_progress: Callable[[ProfileProgress], None],
) -> None:
    for number in range(MAX_PROCESSES + RETRIES):
        # Those on one host take turns with each other.
        waiting = sorted((one for one in samplings if not one.finished), key=lambda one: one.ready.host)
        if not waiting:
            return
        for group in _groups(waiting):
            names = ", ".join(one.ready.name for one in group)
            done = min(number / plan.repetitions, 0.99)
            on_progress(ProfileProgress(done=done, text=f"process {number + 1}: {names}"))
            _run_together(group, number)
            publish()


def _run_together(samplings: Sequence[Sampling], number: int) -> None:
    """One fresh process for each; then bursts in turn until each has run its share."""
    with ExitStack() as stack:
        # Commands that want several boards want them in the same order: none waits for another that waits for it.
        in_order = sorted(samplings, key=lambda one: reached_by(one.ready.device))
        running = [one for one in in_order if one.start(stack, number)]
        turn = 0
        while running:
            # Rotating the order keeps any of them from always running after the same neighbour.
            order = running[turn % len(running) :] + running[: turn % len(running)]
            for one in order:
                one.burst()
            running = [one for one in running if one.wants_burst]
            turn += 1
        for one in samplings:
            one.finish()


def _groups(samplings: Sequence[Sampling]) -> Iterator[list[Sampling]]:
    """Groups whose processes may be alive together: memory suffices, and no two want one board.

    Hosts of a farm are used one after the other: who has one and waits for another could wait forever.
    """
    budget = psutil.virtual_memory().available // 8
    group: list[Sampling] = []
    size = 0
    for one in samplings:
        own = one.ready.loaded.size_bytes
        board = exclusive_place(one.ready.device)
        taken = board is not None and any(exclusive_place(other.ready.device) == board for other in group)
        elsewhere = bool(group) and group[0].ready.host != one.ready.host
        if group and (len(group) == TOGETHER or size + own > budget or taken or elsewhere):
            yield group
            group, size = [], 0
        group.append(one)
        size += own
    if group:
        yield group
