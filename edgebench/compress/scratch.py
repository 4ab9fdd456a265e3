"""A smaller network of the same shape, trained from random weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.channels import find_channels, without
from edgebench.compress.prune import require_share
from edgebench.compress.steps import step_of
from edgebench.compress.widths import uniform_widths
from edgebench.models.artefact import Artefact
from edgebench.tasks.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """Forget the weights, and train a network with fewer channels anew; nothing is inherited but the layers.

    Attributes:
        ratio: Share of channels that it has fewer, above 0 and below 1.
        multiple: What widths are rounded to.
    """

    name: ClassVar[str] = "scratch"
    trains: ClassVar[bool] = True
    ratio: float
    multiple: int = 4

    def __post_init__(self) -> None:
        require_share("scratch", "ratio", self.ratio)

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The smaller network, trained for twice the epochs of a fine-tuning.

        Raises:
            NotApplicableError: There is no task, or every layer is too narrow.
            TrainingFailed: The loss is infinite or not a number.
        """
        from edgebench.tasks.training import train

        task = setting.require_task(self.name)
        channels = find_channels(artefact.network)
        widths = uniform_widths(channels.groups, self.ratio, self.multiple)
        removed = {unit for group, width in zip(channels.groups, widths, strict=True) for unit in group.units[width:]}
        if not removed:
            raise NotApplicableError(f"every layer is too narrow for a multiple of {self.multiple}")
        network, _ = without(channels, artefact.weights, removed)
        recipe, started = Recipe(epochs=2 * setting.epochs), time.perf_counter()
        trained = train(network, task, recipe, seed=setting.seed, on_epoch=setting.on_epoch, threads=setting.threads)
        made = replace(
            artefact,
            network=network,
            weights=trained.weights,
            form=replace(artefact.form, ranges={}),
            keeps_zeros=False,
        )
        done = f"trained anew for {trained.epochs} epochs: validation accuracy {trained.validation_accuracy:.2%}"
        step = step_of(
            self, done, made, setting, accuracy=trained.validation_accuracy, seconds=time.perf_counter() - started
        )
        return made.after(step)
