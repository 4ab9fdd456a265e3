"""Functions of a user's own code, named as ``package.module:function``."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from edgebench.errors import InputError

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""What such a name looks like."""


def imported(text: str) -> Any:
    """Import what a name stands for, from an installed package or the current folder. This runs the user's code.

    The current folder comes last, so that no file in it stands in for an installed package.

    Args:
        text: ``package.module:function``.

    Raises:
        InputError: There is no such thing, or importing it fails.
    """
    module, _, attribute = text.partition(":")
    # The current folder, whatever it is when something is imported.
    if "" not in sys.path:
        sys.path.append("")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        # Foreign code runs here, so anything at all may come out of it.
        raise InputError(
            f"it cannot be imported: {first_line(error)}",
            where=text,
            remedy="looked in installed packages and the current folder: run edgebench in the folder with the module, "
            "or install its package (pip install -e FOLDER)",
        ) from error
    return found


def first_line(error: BaseException) -> str:
    """Kind of an error and the first line of what it says, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
