"""A compression from what a user typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgebench.cli.clustering import Place
    from edgebench.core.plan import MeasurementPlan
    from edgebench.flows.compress.request import CompressRequest

_REPETITIONS = 3


def compose_compress(values: Mapping[str, Any], place: Place) -> tuple[CompressRequest, MeasurementPlan]:
    """What to compress, and how files are measured.

    Args:
        values: Parameters of the command by their names.
        place: Where devices are.

    Raises:
        InputError: One is not valid.
    """
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_plan
    from edgebench.cli.limits import compose_device_budget
    from edgebench.compress.pipeline import PASSES
    from edgebench.flows.compress.request import CompressRequest, study_name
    from edgebench.store.strategies import chosen_strategies
    from edgebench.workers.training.jobs import TaskText

    devices = compose_devices(values["device"], [], threads=None, optimization=None, find=place.find)
    names = [device.name for device in devices]
    limits = {name: values[f"max_{name}"] for name in ("latency", "energy", "ram", "flash")}
    accuracies = {name: values[name] for name in ("min_accuracy", "max_accuracy_drop")}
    task, seed = values["task"], values["seed"]
    request = CompressRequest(
        model=values["model"],
        devices=tuple(devices),
        budget=compose_device_budget(limits, devices, **accuracies),
        strategies=chosen_strategies(values["strategy"], PASSES),
        task=None if task is None else TaskText(text=task, seed=seed),
        epochs=values["epochs"],
        seed=seed,
        study=values["study"] or study_name(values["model"], task, names),
        results=values["results"],
        shapes=compose_inputs(values["shape"], None, seed).shapes,
        trials=values["trials"] if values["search"] else 0,
        jobs=values["jobs"],
        storage=values["storage"],
    )
    plan = compose_plan(
        repetitions=_REPETITIONS, time_limit=values["time_limit"], goal="2%", memory_limit=None, layers=False
    )
    return request, plan
