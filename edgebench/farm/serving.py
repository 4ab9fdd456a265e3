"""The processes of a farm: a scheduler, and on each host one that announces its devices."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from typing import Any

from edgebench.core.board_link import reached_by
from edgebench.core.device import Device
from edgebench.errors import InputError, UnavailableError
from edgebench.farm.dask import checked_address, distributed, host_and_port, is_loopback
from edgebench.farm.host import Host, attach
from edgebench.farm.messages import TRAIN, resource

PORT = 8786
_AGAIN_S = 2.0
_LOOK_S = 0.5
_THREADS = 64
"""Each waits for one answer of a child."""


def boards(devices: Sequence[Device]) -> list[list[Device]]:
    """Devices by what only one job may use at a time: a board, or the processors of this host."""
    found: dict[str, list[Device]] = {}
    for device in devices:
        found.setdefault(reached_by(device), []).append(device)
    return list(found.values())


def serve_scheduler(host: str, port: int, *, insecure: bool, say: Callable[[str], None]) -> None:
    """Run a scheduler until it is ended by a signal.

    Args:
        host: Address that it listens on; with TLS if Dask's configuration has certificates.
        port: Port that it listens on.
        insecure: Whether it may listen on a network without TLS.
        say: Called with what its user should know.

    Raises:
        InputError: It would listen on a network without TLS.
        UnavailableError: The port is in use.
        MissingPackageError: Dask is not installed.
    """
    package = distributed()
    security = package.Security()
    is_secure = bool(security.tls_scheduler_cert)
    if not is_secure and not insecure and not is_loopback(host):
        raise InputError(
            "whoever reaches this port can run programs on every host of the farm",
            where=f"--host {host}",
            remedy="configure TLS, see docs/how-to/run-a-farm.md, or say --insecure in a network that you trust",
        )

    async def serve() -> None:
        try:
            scheduler = await package.Scheduler(
                host=host,
                port=port,
                protocol="tls" if is_secure else "tcp",
                security=security,
                dashboard=False,
                dashboard_address="127.0.0.1:0",
            )
        except (OSError, RuntimeError) as error:
            why = error.__cause__ or error
            raise UnavailableError(
                f"the scheduler cannot listen: {why}", where=f"{host}:{port}", remedy="try another --port"
            ) from None
        say(f"scheduler: {scheduler.address}")
        await _until_signalled()
        await scheduler.close()

    asyncio.run(serve())


def serve_host(
    scheduler: str,
    devices: Sequence[Device],
    *,
    trainings: int,
    name: str | None,
    host: str | None,
    say: Callable[[str], None],
) -> None:
    """Announce devices to a scheduler, and do what is asked for on them, until a signal ends it.

    A scheduler that goes away is waited for.

    Args:
        scheduler: Its address.
        devices: What is announced; all are ready.
        trainings: How many trainings are taken at the same time.
        name: Of this host, if results may contain it.
        host: Address that this process listens on; by default, the one that the scheduler reaches.
        say: Called with what its user should know.

    Raises:
        InputError: The address of the scheduler is none.
        MissingPackageError: Dask is not installed.
    """
    package = distributed()
    checked_address(scheduler, "--scheduler")
    groups = boards(devices)
    places = [(Host(group, name=name), _resources(group), 1) for group in groups]
    if trainings:
        places.append((Host((), trainings=trainings, name=name), {TRAIN: float(trainings)}, trainings))
    listen = host or _own_address(package, scheduler)

    async def serve() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "edgebench"))
        ended = asyncio.ensure_future(_until_signalled())
        while not ended.done():
            with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
                async with AsyncExitStack() as stack:
                    work = asyncio.ensure_future(_work(package, stack, scheduler, places, listen, folder, say))
                    await asyncio.wait({ended, work}, return_when=asyncio.FIRST_COMPLETED)
                    for place, _, _ in places:
                        place.end()
                    work.cancel()
                    with suppress(asyncio.CancelledError, OSError, ValueError):
                        await work
            if not ended.done():
                say("the scheduler is gone; waiting for it")
                await asyncio.wait({ended}, timeout=_AGAIN_S)

    asyncio.run(serve())


async def _work(
    package: Any,
    stack: AsyncExitStack,
    scheduler: str,
    places: Sequence[tuple[Host, Mapping[str, float], int]],
    listen: str,
    folder: str,
    say: Callable[[str], None],
) -> None:
    """A Dask worker for each place, until one of them loses the scheduler."""
    say(f"connecting to {scheduler}")
    workers = []
    for place, resources, threads in places:
        worker = package.Worker(
            scheduler,
            host=listen,
            nthreads=threads,
            resources=resources,
            memory_limit=0,
            local_directory=folder,
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )
        attach(worker, place)
        await stack.enter_async_context(worker)
        workers.append(worker)
    say(f"announced to {scheduler}")
    # A worker that has lost its scheduler waits for its tasks before it ends, and they for their leases.
    while all(worker.status == package.Status.running for worker in workers):
        await asyncio.sleep(_LOOK_S)


def _resources(devices: Sequence[Device]) -> dict[str, float]:
    return {resource(device.name): 1.0 for device in devices}


def _own_address(package: Any, scheduler: str) -> str:
    """The address of this machine that the scheduler can reach: loopback for one on loopback."""
    host, port = host_and_port(scheduler)
    if is_loopback(host):
        return "127.0.0.1"
    found: str = package.utils.get_ip(host, port)
    return found


async def _until_signalled() -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
