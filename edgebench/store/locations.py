"""Where device and search-space files lie: beside the user's work, then inside the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def packaged_folder(name: str) -> Path:
    """The folder of that name that comes with edgebench: in the wheel, or in the repository."""
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def search_path(name: str) -> tuple[Path, ...]:
    """Folders to look in, the first one wins."""
    local = Path.cwd() / name
    packaged = packaged_folder(name)
    return (local, packaged) if local.is_dir() and local.resolve() != packaged.resolve() else (packaged,)
