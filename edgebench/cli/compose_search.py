"""A search from what a user typed, and from what the study that is gone on with was started with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgebench.errors import InputError
from edgebench.store.trust import require_typed

if TYPE_CHECKING:
    from edgebench.cli.clustering import Place
    from edgebench.core.plan import MeasurementPlan
    from edgebench.flows.search.request import SearchRequest

KEPT = (
    "space", "device", "max_latency", "max_energy", "max_ram", "max_flash", "min_accuracy", "max_accuracy_drop",
    "objective", "task", "accuracy", "epochs", "final_epochs", "distil", "finalists", "trials", "sampler", "seed",
    "jobs", "dtype", "time_limit",
)  # fmt: skip
"""Parameters of the command that a study is gone on with."""


def with_known_call(context: typer.Context, study: str | None, storage: str, results: Path) -> dict[str, Any]:
    """The parameters of a command; those that were not typed are the study's if no space was.

    Raises:
        InputError: Neither a space nor a study is named, or there is no such study.
    """
    values = dict(context.params)
    if values["space"] is not None:
        return values
    if study is None:
        raise InputError(
            "neither a space nor a study is named",
            remedy="edgebench search SPACE -d DEVICE --task TASK starts one; edgebench search --study NAME goes on",
        )
    from edgebench.flows.search.calls import known_call

    known = known_call(study, storage, results)
    typed = {name for name in values if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"}
    taken = {name: value for name, value in known.items() if name in KEPT and name not in typed - {"space"}}
    require_typed(str(taken.get("task") or ""), f"study {study}", f"--task {taken.get('task')}")
    return values | taken


def compose_search(values: Mapping[str, Any], place: Place) -> tuple[SearchRequest, MeasurementPlan]:
    """What to search, and how finalists are measured.

    Args:
        values: Parameters of the command by their names.
        place: Where devices are.

    Raises:
        InputError: One is not valid.
    """
    from edgebench.cli.compose import compose_devices, compose_dtypes, compose_plan
    from edgebench.cli.limits import compose_budget, compose_objectives
    from edgebench.flows.lut.opening import open_tables
    from edgebench.flows.search.request import SearchRequest, new_study_name
    from edgebench.flows.spaces import open_space
    from edgebench.tasks.recipe import Recipe
    from edgebench.workers.training.jobs import TaskText

    opened, results, seed, task = open_space(values["space"]), values["results"], values["seed"], values["task"]
    devices = compose_devices(values["device"], [], threads=None, optimization=None, tables=results, find=place.find)
    dtypes = compose_dtypes(values["dtype"], devices)
    tables = open_tables(results, opened, devices, dtypes, workers=place.workers)
    limits = {name: values[f"max_{name}"] for name in ("latency", "energy", "ram", "flash")}
    accuracies = {name: values[name] for name in ("min_accuracy", "max_accuracy_drop")}
    final = Recipe(epochs=values["final_epochs"], distillation=0.5 if values["distil"] else 0.0)
    request = SearchRequest(
        space=opened,
        devices=tuple(devices),
        tables=tables,
        budget=compose_budget(limits, tables, **accuracies),
        objectives=compose_objectives(values["objective"], devices),
        accuracy=values["accuracy"],
        task=None if task is None else TaskText(text=task, seed=seed),
        recipe=Recipe(epochs=values["epochs"]),
        final_recipe=final,
        finalists=values["finalists"],
        sampler=values["sampler"],
        trials=values["trials"],
        seed=seed,
        study=values["study"] or new_study_name(opened.name),
        storage=values["storage"],
        jobs=values["jobs"],
        results=results,
        call={name: values[name] for name in KEPT},
    )
    limit = values["time_limit"]
    return request, compose_plan(repetitions=5, time_limit=limit, goal="2%", memory_limit=None, layers=False)
