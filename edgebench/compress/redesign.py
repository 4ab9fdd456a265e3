"""Redesign: another network, which a search found under the limits, trained with the original as teacher."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import step_of
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact
from edgebench.tasks.recipe import Recipe

TEACHER = 0.5
"""Weight of the original's outputs in the loss, in the search and afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redesign:
    """Replace the network by the best of a search space.

    ``scratch`` keeps the layers of the original and makes them narrower; this keeps nothing but what it answers.

    Attributes:
        space: A search space, which the devices need tables of.
        trials: How many networks the search trains; all in all, so that a search that was interrupted goes on.
    """

    name: ClassVar[str] = "redesign"
    trains: ClassVar[bool] = True
    space: str = "mobile"
    trials: int = 12

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise InputError(f"redesign(trials={self.trials}) must be at least 1", remedy="redesign(mobile, trials=12)")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network that was found, trained for twice the epochs of a fine-tuning.

        Raises:
            NotApplicableError: There is no task, the search found nothing, or its network does not fit the task.
            TrainingFailed: The loss is infinite or not a number.
        """
        from edgebench.tasks.training import train

        task = setting.require_task(self.name)
        design = setting.designs.get(self.space)
        if design is None:
            raise NotApplicableError(
                f"no search of {self.space} was made",
                remedy="a redesign is a strategy of edgebench compress, which searches first",
            )
        output = artefact.network.shapes[artefact.network.output]
        if design.network.shapes[design.network.output] != output:
            raise NotApplicableError(f"networks of {self.space} do not yield {list(output)} as the original does")
        recipe = Recipe(epochs=2 * setting.epochs, distillation=TEACHER)
        started = time.perf_counter()
        trained = train(
            design.network,
            task,
            recipe,
            seed=setting.seed,
            on_epoch=setting.on_epoch,
            teacher=setting.teacher,
            threads=setting.threads,
        )
        made = replace(
            artefact,
            network=design.network,
            weights=trained.weights,
            form=replace(artefact.form, ranges={}),
            keeps_zeros=False,
        )
        done = f"{design.text}; trained for {trained.epochs} epochs with the original as teacher"
        step = step_of(
            self,
            done,
            made,
            setting,
            skipped=design.notes,
            accuracy=trained.validation_accuracy,
            seconds=time.perf_counter() - started,
        )
        return made.after(step)
