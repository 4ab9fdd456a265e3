"""The name of a process, and whether a process of this machine that has one still runs."""

from __future__ import annotations

import json
import os
import socket
from functools import cache
from pathlib import Path

import psutil


def owner() -> str:
    """The name of this process, such that no other process, here or elsewhere, now or later, has the same."""
    return json.dumps([place(), os.getpid(), psutil.Process().create_time()])


@cache
def place() -> str:
    """This machine and, in it, this set of processes: containers may share the name of a machine, but no numbers."""
    boot = boot_id()
    try:
        processes = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot} {processes}" if boot else socket.gethostname()


@cache
def boot_id() -> str:
    """What no other machine has, nor this one after it was started again; empty where the system has no such thing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_here(where: str) -> bool:
    """Whether the numbers of processes mean the same there and here.

    Args:
        where: The place of a process; older versions wrote the name of the machine alone.
    """
    return where in {place(), socket.gethostname()}


def runs(number: int, created: float) -> bool:
    """Whether a process of this place still runs.

    Args:
        number: Its number.
        created: When it was started, in seconds since 1970.
    """
    try:
        return bool(abs(psutil.Process(number).create_time() - created) < 1)
    except psutil.NoSuchProcess:
        return False
