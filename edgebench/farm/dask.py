"""Dask distributed, as a farm uses it: imported when it is needed, quiet, and without what disturbs measurements."""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import Any

from edgebench.errors import InputError, MissingPackageError

_SETTINGS = {
    # Samples of every thread's stack, a hundred times a second, on the machine that measures.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.comm.timeouts.connect": "10s",
    "distributed.worker.daemon": False,
}
SCHEMES = ("tcp", "tls")


def distributed() -> Any:
    """The package.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import dask
        import distributed as package
    except ImportError:
        raise MissingPackageError(
            "a farm needs Dask distributed", remedy="pip install 'edgebench[cluster]', on every host"
        ) from None
    dask.config.set(_SETTINGS)
    # Lost connections are reported by edgebench.
    for name in ("distributed", "tornado", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado"}:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return package


def checked_address(text: str, where: str) -> str:
    """The address of a scheduler.

    Raises:
        InputError: It is none.
    """
    scheme, separator, place = text.partition("://")
    host, _, port = place.rpartition(":")
    if separator and scheme in SCHEMES and host and port.isdigit():
        return text
    raise InputError(f"{text!r} is not the address of a scheduler", where=where, remedy="write tcp://HOST:8786")


def host_and_port(address: str) -> tuple[str, int]:
    """Of the address of a scheduler."""
    host, _, port = address.partition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(str(one).partition("%")[0]).is_loopback for one in found)
