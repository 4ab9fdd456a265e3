"""Landlock: Linux lets a process give up what it does not need, for itself and its children, without privileges.

System calls and constants are those of the kernel's ``uapi/linux/landlock.h``; numbers are equal on all architectures
that edgebench runs on.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
"""Rights that a rule for a file, not a folder, may give."""
_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NEWEST_KNOWN = 6
_TCP = 0b11
"""Binding to and connecting with TCP ports, from version 4 on."""
_SCOPES = 0b11
"""Abstract sockets and signals to processes outside, from version 6 on."""


def version() -> int:
    """The newest version of Landlock that this kernel has; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    found = _syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    return max(0, found)


def confine(readable: Iterable[Path], writable: Iterable[Path]) -> str | None:
    """From now on, this thread and all that it starts can use only these files, no TCP, and signal nobody outside.

    Args:
        readable: Files, and folders with all that is in them, to read and to execute; what does not exist is left out.
        writable: The same, to change.

    Returns:
        None if it is in force, else why not.
    """
    known = min(version(), _NEWEST_KNOWN)
    if not known:
        return "this system has no Landlock"
    rights = _RIGHTS_OF_ABI[min(known, max(_RIGHTS_OF_ABI))]
    # Older kernels know fewer fields.
    fields = [rights]
    if known >= 4:
        fields.append(_TCP)
    if known >= 6:
        fields.append(_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return "the kernel refuses a Landlock ruleset"
    try:
        for paths, given in ((readable, _READ), (writable, rights)):
            for path in paths:
                _allow(ruleset, path, given & rights)
        if _prctl(_PR_SET_NO_NEW_PRIVS, 1) or _syscall(_RESTRICT_SELF, ruleset, 0, 0) < 0:
            return "the kernel refuses to confine this process"
    finally:
        os.close(ruleset)
    return None


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        given = rights if path.is_dir() else rights & _OF_FILES
        rule = struct.pack("=Qi", given, descriptor)
        _syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _syscall(number: int, *arguments: bytes | int | None) -> int:
    """A system call; below 0 if it failed."""
    library = ctypes.CDLL(None, use_errno=True)
    call = library.syscall
    call.restype = ctypes.c_long
    passed = [
        ctypes.c_char_p(item) if isinstance(item, bytes) or item is None else ctypes.c_long(item) for item in arguments
    ]
    return int(call(ctypes.c_long(number), *passed))


def _prctl(option: int, value: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0))
