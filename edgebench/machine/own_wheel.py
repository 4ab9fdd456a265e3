"""A wheel of the edgebench that runs: another machine gets the same code, without an index."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from edgebench.errors import UnavailableError

_PACKAGE = Path(__file__).parent.parent
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_wheel(folder: Path) -> Path:
    """Write the wheel; its code is that of this process, also of an editable installation.

    Args:
        folder: Where to.

    Returns:
        The wheel's path. Devices, spaces and tables are left out: a worker is sent what it needs.

    Raises:
        UnavailableError: edgebench was not installed by pip.
    """
    installed = distribution("edgebench")
    about = installed.read_text("METADATA")
    if about is None:
        raise UnavailableError("edgebench has no metadata", remedy="pip install edgebench, and run it again")
    stem = f"edgebench-{installed.version}"
    files = {
        f"edgebench/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes()
        for path in sorted(_PACKAGE.rglob("*"))
        if path.is_file() and not {"__pycache__", "data"} & set(path.relative_to(_PACKAGE).parts)
    }
    files[f"{stem}.dist-info/METADATA"] = about.encode()
    files[f"{stem}.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: edgebench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return path


def _digest(content: bytes) -> str:
    """As the format of wheels wants it: base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
