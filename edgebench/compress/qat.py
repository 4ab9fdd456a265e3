"""Quantisation-aware training: the network learns with the rounding of int8, and its ranges go into the file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

from edgebench.compress.base import NotApplicableError, Setting
from edgebench.compress.steps import step_of
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact
from edgebench.models.network.equalising import equalised
from edgebench.tasks.recipe import Recipe

_RATE = 0.002
"""Maximum learning rate: rounding makes gradients coarse, and the weights are good already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisationAware:
    """Train on with fake quantisation, and deploy as int8 with the ranges that were learnt.

    Channels are balanced between layers first, which changes nothing in float: where ranges of channels differ by a
    hundred times, rounding leaves too little of the small ones to learn from.

    Attributes:
        distil: Weight of the original's outputs in the loss, from 0 to below 1.
    """

    name: ClassVar[str] = "qat"
    trains: ClassVar[bool] = True
    distil: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.distil < 1:
            raise InputError(f"qat(distil={self.distil:g}) must be at least 0 and below 1", remedy="qat(distil=0.5)")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network in int8, with trained weights and ranges.

        Raises:
            NotApplicableError: There is no task, or the network is int8 already.
            TrainingFailed: The loss is infinite or not a number.
        """
        from edgebench.tasks.quantisation_aware import train_quantised

        task = setting.require_task(self.name)
        if artefact.form.dtype == "int8":
            raise NotApplicableError("the network is int8 already", remedy="write qat instead of int8, not after it")
        recipe = Recipe(epochs=setting.epochs, learning_rate=_RATE, weight_decay=0.0, distillation=self.distil)
        started = time.perf_counter()
        found = train_quantised(
            artefact.network,
            equalised(artefact.network, artefact.weights),
            task,
            recipe,
            seed=setting.seed,
            on_epoch=setting.on_epoch,
            teacher=setting.teacher if self.distil else None,
            threads=setting.threads,
            keep_zeros=artefact.keeps_zeros,
        )
        form = replace(artefact.form, dtype="int8", ranges=dict(found.ranges))
        made = replace(artefact, weights=found.weights, form=form)
        done = (
            f"trained with fake quantisation: validation accuracy {found.before:.2%} when rounded without it, "
            f"{found.validation_accuracy:.2%} after it; {len(found.ranges)} ranges learnt"
        )
        step = step_of(
            self,
            done,
            made,
            setting,
            accuracy=found.validation_accuracy,
            seconds=time.perf_counter() - started,
        )
        return made.after(step)
