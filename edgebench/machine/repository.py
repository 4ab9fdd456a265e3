"""Files out of the history of a git repository, without touching its working tree."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

from edgebench.errors import InputError, MissingPackageError

_TIMEOUT_S = 60
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[^\n]*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d{1,18})\n"
)
_LONGEST_POINTER = 1024
_PIECE = 1 << 20


class Repository:
    """The repository around a folder.

    Args:
        folder: Any folder in its working tree.

    Raises:
        InputError: There is no repository around it.
        MissingPackageError: git is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if shutil.which("git") is None:
            raise MissingPackageError("git is not installed", remedy="install git, or give the baseline's file")
        root = self._text("rev-parse", "--show-toplevel")
        if root is None:
            raise InputError(
                "not in the working tree of a git repository", where=str(folder), remedy="give the baseline's file"
            )
        self.root = Path(root)

    def commit(self, revision: str) -> str:
        """The full hash of a revision: a hash, a branch, a tag, ``HEAD~1``.

        Raises:
            InputError: There is no such revision.
        """
        # What begins with a dash would be an option, and a colon names a file of a revision.
        suspicious = not revision or revision.startswith("-") or ":" in revision or not revision.isprintable()
        found = None if suspicious else self._text("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found is None or not _HASH.fullmatch(found):
            raise InputError(
                f"there is no git revision {revision!r}",
                where=str(self.root),
                remedy="git fetch it first: a clone for CI often has only the newest commit",
            )
        return found

    def commits_of(self, path: Path, most: int) -> list[str]:
        """The newest commits that changed a file, the newest first.

        Raises:
            InputError: The file is outside the repository.
        """
        found = self._text(
            "log", f"--max-count={most}", "--format=%H", "HEAD", "--", f":(top,literal){self._inside(path)}"
        )
        return [line for line in (found or "").splitlines() if _HASH.fullmatch(line)]

    def extract(self, revision: str, path: Path, folder: Path) -> Path:
        """Write a file as it was, with the files beside it that begin with its stem: an ONNX model's external data.

        Args:
            revision: Of which it is taken.
            path: Where it is in the working tree, or was.
            folder: Where it is written.

        Returns:
            The file.

        Raises:
            InputError: The revision lacks the file, it is outside the repository, or only a pointer to it is here.
        """
        commit, inside = self.commit(revision), self._inside(path)
        if not self._is_file(commit, inside):
            raise InputError(
                f"revision {revision} has no such file",
                where=inside.as_posix(),
                remedy="git log --follow --name-only -- FILE says what it was called",
            )
        for name in self._companions(commit, inside):
            self._write(commit, revision, inside.parent / name, folder / name)
        return folder / inside.name

    def _inside(self, path: Path) -> PurePosixPath:
        """A path relative to the root."""
        absolute = Path(os.path.normpath(self._folder.resolve() / path))
        candidates = (absolute, absolute.parent.resolve() / absolute.name)
        root = self.root.resolve()
        for candidate in candidates:
            if candidate.is_relative_to(root) and candidate != root:
                return PurePosixPath(candidate.relative_to(root).as_posix())
        raise InputError("this file is outside the git repository", where=str(path), remedy=f"it is {root}")

    def _is_file(self, commit: str, path: PurePosixPath) -> bool:
        return self._text("cat-file", "-t", f"{commit}:{path}") == "blob"

    def _companions(self, commit: str, path: PurePosixPath) -> list[str]:
        tree = commit if path.parent == PurePosixPath(".") else f"{commit}:{path.parent}"
        listed = self._run("ls-tree", "--full-tree", "-z", tree)
        found = [path.name]
        for line in (listed or b"").split(b"\0"):
            facts, _, raw = line.partition(b"\t")
            name = os.fsdecode(raw)
            stem = name.startswith((f"{path.name}.", f"{path.name}_", f"{path.stem}.data", f"{path.stem}_data"))
            if stem and b" blob " in facts and not facts.startswith(b"120000"):
                found.append(name)
        return found

    def _write(self, commit: str, revision: str, inside: PurePosixPath, to: Path) -> None:
        self._stream(f"{commit}:{inside}", to)
        if to.stat().st_size > _LONGEST_POINTER:
            return
        pointer = _POINTER.fullmatch(to.read_bytes())
        if pointer is not None:
            self._from_lfs(pointer[1].decode(), int(pointer[2]), revision, inside, to)

    def _from_lfs(self, oid: str, size: int, revision: str, inside: PurePosixPath, to: Path) -> None:
        """Replace a pointer of Git LFS by what it points to, if that is on this machine."""
        common = self._text("rev-parse", "--git-common-dir")
        stored = self._folder / (common or ".git") / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
        if not stored.is_file():
            raise InputError(
                f"revision {revision} has only a Git LFS pointer to this file, and its content is not here",
                where=inside.as_posix(),
                remedy=f"git lfs fetch origin {revision}",
            )
        digest = hashlib.sha256()
        with stored.open("rb") as source, to.open("wb") as target:
            while piece := source.read(_PIECE):
                digest.update(piece)
                target.write(piece)
        if to.stat().st_size != size or digest.hexdigest() != oid:
            raise InputError(
                "the Git LFS object of this file is damaged", where=inside.as_posix(), remedy="git lfs fsck"
            )

    def _stream(self, object_: str, to: Path) -> None:
        """An object's content into a file, whatever its size."""
        with to.open("wb") as file:
            try:
                done = subprocess.run(
                    self._command("cat-file", "blob", object_),
                    cwd=self._folder,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.PIPE,
                    timeout=_TIMEOUT_S,
                    check=False,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise InputError(f"git could not read the file: {error}", where=object_) from None
        if done.returncode != 0:
            what = " ".join(done.stderr.decode(errors="replace").split())[:200]
            raise InputError(f"git could not read the file: {what}", where=object_, remedy="git fsck")

    def _text(self, *arguments: str) -> str | None:
        found = self._run(*arguments)
        return None if found is None else os.fsdecode(found).strip()

    def _run(self, *arguments: str) -> bytes | None:
        try:
            done = subprocess.run(
                self._command(*arguments),
                cwd=self._folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout if done.returncode == 0 else None

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments]


def _environment() -> dict[str, str]:
    # Nothing is written, nothing is fetched (a partial clone would) and nobody is asked for a password.
    return {
        **os.environ,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
