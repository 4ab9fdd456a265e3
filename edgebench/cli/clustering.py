"""Where a command's devices are: here, or on the hosts of a farm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from edgebench.core.device import Device
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError
from edgebench.store.devices import find_device
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL


@dataclass(frozen=True, slots=True)
class Place:
    """Where devices are.

    Attributes:
        find: Finds a device by its name.
        workers: Starts the processes.
    """

    find: Callable[[str], Device]
    workers: Workers


@contextmanager
def devices_of(cluster: str | None, wait: str) -> Iterator[Place]:
    """This machine's devices, or a farm's while the block runs.

    Args:
        cluster: Address of a farm's scheduler, or None.
        wait: How long a device is waited for that no host has.

    Raises:
        InputError: It is not an address, or not a time.
        UnavailableError: The scheduler does not answer.
        MissingPackageError: Dask is not installed.
    """
    if not cluster:
        yield Place(find_device, LOCAL)
        return
    from edgebench.farm.cluster import Cluster
    from edgebench.farm.workers import FarmWorkers

    farm = Cluster(cluster, parse_quantity(wait, Dimension.TIME, where="--cluster-wait"))
    told: set[str] = set()

    def waits(owner: str) -> None:
        if owner not in told:
            told.add(owner)
            typer.echo(f"waiting for {owner}", err=True)

    def find(name: str) -> Device:
        device = farm.device(name)
        if device is None:
            try:
                return find_device(name)
            except InputError:
                device = farm.awaited_device(name)
        return device

    try:
        yield Place(find, FarmWorkers(farm, waits))
    finally:
        farm.close()
