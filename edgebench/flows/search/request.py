"""What to search, and which settings a study must keep."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgebench.core.budget import Budget, Limit
from edgebench.core.device import Device
from edgebench.core.figure import ACCURACY
from edgebench.core.record import Record
from edgebench.core.table import LookupTable, prediction_intervals
from edgebench.errors import InputError
from edgebench.spaces.space import SearchSpace
from edgebench.tasks.recipe import Recipe
from edgebench.workers.training.jobs import TaskText

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
SAMPLERS = ("edgebench", "random", "tpe", "nsga2", "nsga3", "gp", "cmaes", "qmc", "brute-force")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings(Record):
    """What must not change when a study is resumed.

    Attributes:
        space: Name of the space.
        space_digest: Of its family and options.
        budget: Limits.
        objectives: ``accuracy`` and columns such as ``latency_s@host``.
        accuracy: How a trial's accuracy is determined, as typed.
        task: Name and digest of the task, or empty.
        recipe: How trials are trained.
        seed: Of everything random.
        tables: For each device its table's runtime, versions, data type and a digest of its figures, in one string.
    """

    space: str
    space_digest: str
    budget: Budget
    objectives: tuple[str, ...]
    accuracy: str
    task: str
    recipe: Recipe
    seed: int
    tables: Mapping[str, str]

    def differences(self, other: SearchSettings) -> list[str]:
        """The differences, one phrase each."""
        now, before = self._flat(), other._flat()
        return [
            f"{name} was {before.get(name, 'none')}, is now {now.get(name, 'none')}"
            for name in dict.fromkeys((*before, *now))
            if before.get(name) != now.get(name)
        ]

    def _flat(self) -> dict[str, str]:
        """Every setting, by a name that users know."""
        flat = {name: str(getattr(self, name)) for name in ("space", "space_digest", "accuracy", "task", "seed")}
        flat["objectives"] = ", ".join(self.objectives)
        flat |= {f"limit of {limit.column}": f"{limit.value!r}" for limit in self.budget.limits}
        flat |= {name: str(getattr(self.budget, name)) for name in ("min_accuracy", "max_accuracy_drop")}
        flat |= {f"recipe {name}": str(getattr(self.recipe, name)) for name in self.recipe.__dataclass_fields__}
        return flat | {f"table of {device}": text for device, text in self.tables.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """Everything a search needs.

    Attributes:
        space: Where networks come from.
        devices: What they must run on.
        tables: A table for each device.
        budget: What a solution must meet.
        objectives: What to optimise: ``accuracy`` to maximise, and columns to minimise.
        accuracy: ``train``, ``supernet``, ``proxy:NAME`` or ``table:FILE``.
        task: What networks are trained on, or None.
        recipe: How trials are trained.
        final_recipe: How finalists are trained.
        finalists: How many are fully trained and measured.
        sampler: One of ``SAMPLERS``.
        trials: Total number of trials in the study, including those of earlier calls.
        seed: Of everything random.
        study: Name of the study.
        storage: URL of an Optuna storage, or empty for a journal under ``results``.
        jobs: Number of parallel trainings.
        results: The results folder.
        original: Folder of an artefact of a compression that trained networks imitate, or empty.
        call: What the search was asked for with, for going on by the study's name.
    """

    space: SearchSpace
    devices: tuple[Device, ...]
    tables: Mapping[str, LookupTable]
    budget: Budget
    objectives: tuple[str, ...] = (ACCURACY,)
    accuracy: str = "train"
    task: TaskText | None = None
    recipe: Recipe = field(default_factory=lambda: Recipe(epochs=6))
    final_recipe: Recipe = field(default_factory=lambda: Recipe(epochs=20))
    finalists: int = 3
    sampler: str = "edgebench"
    trials: int = 50
    seed: int = 0
    study: str = ""
    storage: str = ""
    jobs: int = 1
    results: Path = Path("results")
    original: str = ""
    call: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"there is no sampler {self.sampler!r}", remedy=f"one of {', '.join(SAMPLERS)}")
        if self.sampler == "cmaes" and len(self.objectives) > 1:
            raise InputError(
                "cmaes takes only one objective", where="--sampler", remedy="nsga2, nsga3, tpe or gp take several"
            )
        if not self.objectives or len(set(self.objectives)) != len(self.objectives):
            raise InputError("objectives are missing or repeated", where="--objective")
        if self.study and not _NAME.fullmatch(self.study):
            raise InputError(
                f"{self.study!r} is not a valid name for a study",
                where="--study",
                remedy="use letters, digits, dots, dashes and underscores, as it names a folder too",
            )
        if ACCURACY not in self.objectives and not self.needs_accuracy:
            raise InputError(
                "cost as the only objective would choose the smallest network",
                where="--objective",
                remedy="add accuracy to the objectives, or give --min-accuracy",
            )

    @property
    def needs_accuracy(self) -> bool:
        """Whether there is an accuracy limit."""
        return self.budget.min_accuracy is not None or self.budget.max_accuracy_drop is not None

    @property
    def folder(self) -> Path:
        """Where the study's files are."""
        return self.results / "studies" / self.study

    @property
    def margins(self) -> tuple[float, ...]:
        """For each limit, the factor that covers the prediction error: the upper end of the table's interval."""
        return margins(self.budget.limits, self.tables)

    def settings(self, task_digest: str) -> SearchSettings:
        """What a study of this search must keep."""
        return SearchSettings(
            space=self.space.name,
            space_digest=self.space.digest,
            budget=self.budget,
            objectives=self.objectives,
            accuracy=self.accuracy,
            task="" if self.task is None else f"{self.task.text} {task_digest[:16]}",
            recipe=self.recipe,
            seed=self.seed,
            tables={device: _identity(table) for device, table in self.tables.items()},
        )


def new_study_name(space: str) -> str:
    """A name that no other study has."""
    return f"{space}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def margins(limits: Sequence[Limit], tables: Mapping[str, LookupTable]) -> tuple[float, ...]:
    """For each limit, the upper end of the interval of its table's predictions, as a factor; 1 if there is none."""
    known = prediction_intervals(tables)
    return tuple(max(1.0, known[limit.column][1]) if limit.column in known else 1.0 for limit in limits)


def _identity(table: LookupTable) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in sorted(table.key.versions.items()))
    figures = {name: (item.base, item.scale) for name, item in table.figures.items()}
    held: list[object] = [figures, {key: dict(value) for key, value in table.entries.items()}]
    # Tables without them keep the identity that studies know.
    held += [learnt for item in table.figures.values() for learnt in (item.corrections, item.weights) if learnt]
    content = json.dumps(held, sort_keys=True, default=dict)
    return f"{table.key.dtype} {table.key.target} {versions} {hashlib.sha256(content.encode()).hexdigest()[:12]}"
