"""Shows what commands print, by running them while the documentation is built.

A line ``<!-- run: edgebench spaces list -->`` becomes the command and its output. Only commands whose output is the
same on every machine are shown so; ``lines=N`` before the command keeps the first lines.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
import tempfile
from typing import Any

from mkdocs.exceptions import PluginError

MARKER = re.compile(r"^<!-- run(?: lines=(?P<lines>\d+))?: edgebench (?P<arguments>.+) -->$", re.MULTILINE)
WIDTH = 110
_TIME_LIMIT_S = 300


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put output in place of all markers."""
    return MARKER.sub(_shown, markdown)


def _shown(found: re.Match[str]) -> str:
    arguments, lines = found["arguments"], found["lines"]
    output = run(arguments)
    kept = output.splitlines() if lines is None else [*output.splitlines()[: int(lines)], "..."]
    language = "json" if "--json" in arguments else "text"
    return f"```console\n$ edgebench {arguments}\n```\n\n```{language}\n" + "\n".join(kept) + "\n```"


@functools.cache
def run(arguments: str) -> str:
    """Standard output of a command, run in an empty folder.

    Raises:
        PluginError: It fails; its message is given.
    """
    environment = {**os.environ, "COLUMNS": str(WIDTH), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "edgebench.cli.main", *shlex.split(arguments)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=environment, timeout=_TIME_LIMIT_S, check=False
        )
    if done.returncode not in {0, 1}:
        raise PluginError(f"edgebench {arguments}: {done.stderr.strip()}")
    return re.sub(r"\n*saved: \S+\n", "\n", done.stdout).strip("\n")
