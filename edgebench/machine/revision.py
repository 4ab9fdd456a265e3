"""Which revision of a git repository a folder shows."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 10
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRevision:
    """What git says about a folder.

    Attributes:
        commit: Full hash of the commit that is checked out.
        dirty: Whether tracked files differ from it.
    """

    commit: str
    dirty: bool


def git_revision(folder: Path) -> GitRevision | None:
    """The revision of the repository around a folder.

    Nothing is written, not even git's index. None if there is no repository, no commit yet or no git.
    """
    commit = (_git(folder, "rev-parse", "--verify", "HEAD") or "").strip()
    if not _HASH.fullmatch(commit):
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return GitRevision(commit=commit, dirty=bool(changes))


def _git(folder: Path, *arguments: str) -> str | None:
    # Optional locks would write to a repository that somebody else may be working in.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
