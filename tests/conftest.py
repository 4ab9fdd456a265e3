"""What holds for every test."""

from collections.abc import Generator
from contextlib import ExitStack
from types import ModuleType

import pytest

from edgebench.machine.machine_lock import PLACE
from tests.quick import MARKERS, quick


@pytest.fixture(scope="session", autouse=True)
def own_machine_lock(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Tests that measure do not wait for others on this machine: none of them is about how long something takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PLACE, str(tmp_path_factory.mktemp("lock") / "lock"))
        yield


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch; a test that takes it is ``heavy``, and skipped where PyTorch is not installed."""
    return pytest.importorskip("torch")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.heavy)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _kept_quick(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _kept_quick(item))


def _kept_quick(item: pytest.Item) -> Generator[None, object, object]:
    with ExitStack() as stack:
        if not any(item.get_closest_marker(name) for name in MARKERS):
            stack.enter_context(quick(item.nodeid))
        return (yield)
