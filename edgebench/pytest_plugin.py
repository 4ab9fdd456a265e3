"""The plug-in for pytest: budgets in tests. It costs nothing until a test asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from edgebench.api_results import RunResult


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where runs are kept."""
    group = parser.getgroup("edgebench")
    group.addoption(
        "--edgebench-results",
        metavar="FOLDER",
        help="keep what is profiled in this folder, for edgebench report; by default it is thrown away",
    )


@pytest.fixture(scope="session")
def edgebench_profile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., RunResult]:
    """``edgebench.profile``, whose results are kept for the session: equal questions are measured once."""
    kept: dict[str, RunResult] = {}
    chosen: str | None = request.config.getoption("--edgebench-results")
    folder: str | Path = chosen or tmp_path_factory.mktemp("edgebench")

    def profile(model: Any, device: Any = "host", **settings: Any) -> RunResult:
        from edgebench.api import profile as measure

        settings["results"] = folder
        key = repr((_identity(model), device, sorted(settings.items())))
        if key not in kept:
            kept[key] = measure(model, device, **settings)
        return kept[key]

    return profile


@pytest.fixture
def assert_within_budget(edgebench_profile: Callable[..., RunResult]) -> Callable[..., RunResult]:
    """``edgebench.assert_within_budget``: fails with the report unless a model meets its limits on a device."""

    def check(model: Any, device: Any = "host", **limits: Any) -> RunResult:
        __tracebackhide__ = True
        from edgebench.api_budget import assert_within_budget as check_budget

        return check_budget(model, device, profiler=edgebench_profile, **limits)

    return check


def _identity(model: Any) -> object:
    """What changes if a model file does."""
    from pathlib import Path

    path = Path(str(model))
    if not path.is_file():
        return str(model)
    facts = path.stat()
    return str(path.resolve()), facts.st_size, facts.st_mtime_ns
