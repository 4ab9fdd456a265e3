"""Profile, search and ship neural networks for edge devices.

What this module exports is the Python API: documented, typed, and kept stable as the changelog promises. Everything
else is private. Importing it imports no ML runtime.
"""

# The package of this name must be loaded before the function takes the name: loading it later would take it back.
import edgebench.search  # noqa: F401  isort: skip
from edgebench.api import build_table, check, devices, load_run, profile, search
from edgebench.api_results import CheckResult, DeviceList, RunResult, SearchResult, TableResult
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
    "DeviceList",
    "EdgebenchError",
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
    "build_table",
    "check",
    "devices",
    "load_run",
    "profile",
    "search",
]
