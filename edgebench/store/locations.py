"""Where device and search-space files are: in the working folder, in the user's configuration, in the package."""

from __future__ import annotations

from pathlib import Path

from edgebench.machine.folders import config_folder

_PACKAGE = Path(__file__).parent.parent


def packaged_folder(name: str) -> Path:
    """The folder of that name included in edgebench: in the wheel, or in the repository."""
    installed = _PACKAGE / "data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def search_path(name: str) -> tuple[Path, ...]:
    """Folders to look in, the first one wins."""
    packaged = packaged_folder(name)
    own = (Path.cwd() / name, config_folder(name))
    return (*(folder for folder in own if folder.is_dir() and folder.resolve() != packaged.resolve()), packaged)
