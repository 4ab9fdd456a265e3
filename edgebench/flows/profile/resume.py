"""Which cells of an interrupted run are kept, and whether the others may be measured in the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.profile import Profile
from edgebench.core.run import Run
from edgebench.errors import NotComparableError
from edgebench.flows.profile.profile import ProfileRequest, is_finished
from edgebench.store.codec import to_plain

_HARDWARE = ("cpu", "board", "architecture", "logical_cores", "memory_bytes", "virtual_machine")
"""Facts about a machine by which it is another one."""
_NEW = "begin a new run: the same command without --resume"


def resumed_request(
    run: Run, models: Sequence[str], devices: Sequence[Device], inputs: InputSource, machine: Mapping[str, str]
) -> ProfileRequest:
    """What is left of a run, with the run's own plan.

    Args:
        run: As it was saved.
        models: As typed when it was begun.
        devices: With their options applied, as they are described now.
        inputs: Where inputs come from.
        machine: The machine of this process.

    Raises:
        NotComparableError: A device's description or the machine is another one now.
    """
    differing = [name for name in _HARDWARE if run.machine.get(name) != machine.get(name)]
    if differing:
        name = differing[0]
        raise NotComparableError(
            f"this run was begun on another machine: {name} was {run.machine.get(name, 'unknown')}, is "
            f"{machine.get(name, 'unknown')}",
            where=f"run {run.name}",
            remedy=f"go on there, or {_NEW}",
        )
    described = {device.name: device for device in devices}
    for profile in run.profiles:
        now = described.get(profile.device.name)
        if now is None or _described(now) != _described(profile.device):
            raise NotComparableError(
                "the description of this device has changed since the run was begun",
                where=profile.device.name,
                remedy=f"restore {now.origin if now else 'its file'}, or {_NEW}",
            )
    return ProfileRequest(models=models, devices=devices, plan=run.plan, inputs=inputs, earlier=earlier_of(run))


def earlier_of(run: Run) -> dict[tuple[str, str], Profile]:
    """What a run has, by model and name of the device."""
    return {(profile.model.source, profile.device.name): profile for profile in run.profiles}


def cells_left(request: ProfileRequest) -> list[tuple[str, str]]:
    """Models and devices that are not finished."""
    cells = [(model, device.name) for model in request.models for device in request.devices]
    return [cell for cell in cells if cell not in request.earlier or not is_finished(request.earlier[cell])]


def _described(device: Device) -> Any:
    # Where the file is depends on the folder that the command is run in.
    return to_plain(replace(device, origin=""))
