"""The environment of programs that edgebench starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_KEPT = {
    "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
}  # fmt: skip
"""Variables of Python that say where packages are and how text is written; others change what programs do."""


def child_environment(**more: str) -> dict[str, str]:
    """Variables for a child: those of this process, but nothing that lets the current folder stand in for packages.

    A repository that CI checks out may hold a file ``onnxruntime.py``; it must not be run because edgebench is started
    beside it. Runtimes that report their use over the network are told not to.

    Args:
        more: Further variables.
    """
    return {**_cleaned(os.environ), "PYTHONSAFEPATH": "1", **NO_TELEMETRY, **more}


NO_TELEMETRY: Mapping[str, str] = {
    # ONNX Runtime 1.32 keeps a device id, starts a thread and looks up a host otherwise.
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
"""What tells runtimes to report nothing."""


def _cleaned(variables: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in variables.items() if not name.startswith("PYTHON") or name in _KEPT}
    # An empty or relative entry is the current folder, or one in it.
    places = [place for place in found.get("PYTHONPATH", "").split(os.pathsep) if Path(place).is_absolute()]
    if places:
        found["PYTHONPATH"] = os.pathsep.join(places)
    else:
        found.pop("PYTHONPATH", None)
    return found
