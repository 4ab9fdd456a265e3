"""Profile, search and ship neural networks for edge devices.

What this module exports is the Python API: documented, typed, and kept stable as the changelog promises. Everything
else is private. Importing it imports no ML runtime.
"""

# Packages must be loaded before functions take their names: loading them later would take the names back.
import edgebench.gate

import edgebench.search  # noqa: F401  isort: skip
from edgebench.api import build_table, check, devices, load_run, profile, search
from edgebench.api_budget import assert_within_budget
from edgebench.api_gate import compare, gate
from edgebench.api_results import CheckResult, Comparison, DeviceList, GateOutcome, RunResult, SearchResult, TableResult
from edgebench.errors import (
    EdgebenchError,
    InputError,
    LimitError,
    MissingPackageError,
    NotComparableError,
    StorageError,
    TargetUnavailableError,
    UnavailableError,
    UnsupportedModelError,
)

__all__ = [
    "CheckResult",
    "Comparison",
    "DeviceList",
    "EdgebenchError",
    "GateOutcome",
    "InputError",
    "LimitError",
    "MissingPackageError",
    "NotComparableError",
    "RunResult",
    "SearchResult",
    "StorageError",
    "TableResult",
    "TargetUnavailableError",
    "UnavailableError",
    "UnsupportedModelError",
    "__version__",
    "assert_within_budget",
    "build_table",
    "check",
    "compare",
    "devices",
    "gate",
    "load_run",
    "profile",
    "search",
]


def __getattr__(name: str) -> str:
    """The version, looked up when it is asked for: that takes longer than all else here."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("edgebench")
