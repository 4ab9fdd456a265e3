"""What is said, and with which exit code the command ends, when something goes wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path

from edgebench.core.secrets import redacted
from edgebench.errors import EdgebenchError, StorageError
from edgebench.machine.system_errors import refusal

EXIT_FAULT = 70
"""Something that edgebench did not expect: its own fault."""
EXIT_PIPE = 141
"""Whoever read the output is gone."""


def code_of(error: Exception) -> int:
    """Say what happened; returns the exit code."""
    if isinstance(error, EdgebenchError):
        print_error(error)
        return error.exit_code
    if isinstance(error, OSError) and _is_of_output(error):
        return output_failed(error)
    refused = refusal(error)
    if refused is not None:
        print_error(refused)
        return refused.exit_code
    return _fault(error)


def _is_of_output(error: OSError) -> bool:
    """Whether it was raised because standard output cannot be written to."""
    return isinstance(error, BrokenPipeError) or (
        error.errno in {errno.ENOSPC, errno.EIO, errno.EBADF} and not error.filename
    )


def output_failed(error: OSError) -> int:
    """Nothing more can be printed; Python must not try again when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        # The reader is gone (`edgebench report | head`): there is nobody left to report to.
        return EXIT_PIPE
    print_error(
        StorageError(f"the output cannot be written: {error.strerror}", remedy="make room, or write it elsewhere")
    )
    return StorageError.exit_code


def _fault(error: Exception) -> int:
    """A fault of edgebench itself: its own exit code, and a file to attach to a report."""
    text = "".join(traceback.format_exception(error))
    place = ""
    with contextlib.suppress(OSError):
        # Outside of the session's folder, which goes with the command.
        folder = Path(tempfile.gettempdir())
        folder = folder.parent if folder.name.startswith("edgebench-session-") else folder
        descriptor, place = tempfile.mkstemp(prefix="edgebench-fault-", suffix=".txt", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"edgebench {_version()}, Python {sys.version}, {sys.platform}\n{redacted(text)}")
    what = f"this is a fault of edgebench: {type(error).__name__}: {str(error)[:300]}"
    remedy = f"please report it, with {place}" if place else "please report it, with what --debug shows"
    print_error(EdgebenchError(what, remedy=remedy))
    return EXIT_FAULT


def _version() -> str:
    from importlib.metadata import version

    return version("edgebench")


def print_error(error: EdgebenchError) -> None:
    """What happened, where, and what to do next, on standard error."""
    from rich.console import Console
    from rich.text import Text

    from edgebench.cli.render.terminal import literal

    console = Console(stderr=True, highlight=False, emoji=False)
    where = f"{redacted(error.where)}: " if error.where else ""
    told = Text.assemble(literal("error:", "bold red"), literal(f" {where}{redacted(error.what)}"))
    console.print(told, soft_wrap=True)
    if error.remedy:
        console.print(literal(f"  {redacted(error.remedy)}", "cyan"), soft_wrap=True)
