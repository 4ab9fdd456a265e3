"""What a shell offers for names of devices, networks, spaces, runs, studies and tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Complete = Callable[[str], list[str]]


def devices(incomplete: str) -> list[str]:
    """Devices by name."""
    from edgebench.store.devices import device_names

    return _offered(device_names(), incomplete)


def models(incomplete: str) -> list[str]:
    """Built-in networks, and files of the current folder."""
    from edgebench.models.zoo import zoo_entries

    found = [f"zoo:{entry.name}" for entry in zoo_entries()]
    folder = Path(incomplete).parent
    files = [str(path) for path in folder.glob("*") if path.suffix in {".onnx", ".tflite", ".pt2", ".pt"}]
    return _offered([*found, *files], incomplete)


def spaces(incomplete: str) -> list[str]:
    """Search spaces by name."""
    from edgebench.store.spaces import space_names

    return _offered(space_names(), incomplete)


def tasks(incomplete: str) -> list[str]:
    """Tasks by name."""
    from edgebench.tasks.registry import task_names

    return _offered(task_names(), incomplete)


def runs(incomplete: str) -> list[str]:
    """Runs of the default results folder."""
    from edgebench.store.runs import RunStore

    return _offered(RunStore(Path("results")).names(), incomplete)


def studies(incomplete: str) -> list[str]:
    """Studies of the default results folder."""
    from edgebench.flows.search.calls import study_names

    return _offered(study_names(Path("results") / "studies"), incomplete)


def baselines(incomplete: str) -> list[str]:
    """Baselines of the default results folder."""
    from edgebench.store.baselines import BaselineStore

    return _offered(BaselineStore(Path("results")).names(), incomplete)


def _offered(names: list[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
