"""What is known of the machine where a device is; it runs there."""

from __future__ import annotations

import time
from importlib.metadata import version

from edgebench.core.device import Device
from edgebench.core.place import Seen
from edgebench.machine.description import describe_machine, machine_warnings
from edgebench.machine.package_digest import package_digest
from edgebench.meters.registry import available_meters
from edgebench.targets.registry import create_target


def look(device: Device, *, meters: bool = False) -> Seen:
    """Look at this machine.

    Args:
        device: The device.
        meters: Whether to look for energy meters.

    Raises:
        TargetUnavailableError: The device's target lacks something.
        InputError: The device's options are not valid.
    """
    return Seen(
        versions=create_target(device).check(),
        edgebench=version("edgebench"),
        build=package_digest(),
        machine=describe_machine(),
        warnings=tuple(machine_warnings()),
        meters=tuple(available_meters()) if meters else (),
        clock_s=time.time(),
    )
