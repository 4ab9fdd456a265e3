"""What to compress, for which devices, and how."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgebench.compress.base import Pass
from edgebench.compress.pipeline import parse_pipeline, pipeline_text
from edgebench.core.budget import Budget
from edgebench.core.device import Device
from edgebench.errors import InputError
from edgebench.store.strategies import Strategy
from edgebench.workers.training.jobs import TaskText

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
FOLDER = "compressions"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressRequest:
    """Everything a compression needs.

    Attributes:
        model: What the user typed: a file, ``zoo:NAME`` or ``module:function``.
        devices: What it must run on.
        budget: What a solution must meet.
        strategies: What is tried, in this order.
        task: What networks are trained and tested on, or None; then only costs are found.
        epochs: Of a fine-tuning.
        seed: Of everything random.
        study: Its name, and that of its folder.
        results: The results folder.
        shapes: Of inputs that the model leaves open, by name.
        trials: How many pipelines a search tries in all, including those of earlier calls; 0 for no search.
        jobs: How many networks a search trains at once; measurements are always one at a time.
        storage: URL of the search's Optuna storage, or empty for a journal in the study's folder.

    Raises:
        InputError: A pipeline or the name is not valid, or a limit of accuracy has no task.
    """

    model: str
    devices: tuple[Device, ...]
    budget: Budget
    strategies: tuple[Strategy, ...]
    task: TaskText | None = None
    epochs: int = 10
    seed: int = 0
    study: str
    results: Path = Path("results")
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    trials: int = 0
    jobs: int = 1
    storage: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.study):
            raise InputError(
                f"{self.study!r} is not a valid name for a study",
                where="--study",
                remedy="use letters, digits, dots, dashes and underscores, as it names a folder too",
            )
        if self.task is None and (self.budget.min_accuracy is not None or self.budget.max_accuracy_drop is not None):
            raise InputError(
                "a limit of accuracy needs a task to measure it on",
                where="--min-accuracy, --max-accuracy-drop",
                remedy="add --task mnist5k, or leave the limit out: then only costs are found",
            )
        if self.trials and self.task is None:
            raise InputError("a search of pipelines needs a task", where="--search", remedy="add --task mnist5k")
        for strategy in self.strategies:
            self.passes(strategy)

    def passes(self, strategy: Strategy) -> tuple[Pass, ...]:
        """The passes of a strategy.

        Raises:
            InputError: Its pipeline is not valid.
        """
        try:
            return parse_pipeline(strategy.pipeline)
        except InputError as error:
            raise InputError(error.what, where=f"strategy {strategy.name}", remedy=error.remedy) from None

    def pipeline(self, strategy: Strategy) -> str:
        """The pipeline of a strategy in its canonical form."""
        return pipeline_text(self.passes(strategy))

    @property
    def folder(self) -> Path:
        """Where the files of the study are."""
        return (self.results / FOLDER / self.study).resolve()

    @property
    def artefacts(self) -> Path:
        """Where networks between passes are; all studies share them."""
        return (self.results / FOLDER / ".artefacts").resolve()


def study_name(model: str, task: str | None, devices: list[str]) -> str:
    """A name that is the same for the same model, task and devices, so that the same command resumes."""
    plain = "".join(sign if sign.isalnum() or sign in "-_" else "-" for sign in Path(model).stem).strip("-") or "model"
    digest = hashlib.sha256("\n".join([model, task or "", *sorted(devices)]).encode()).hexdigest()
    return f"{plain[:40]}-{digest[:8]}"
