"""Fine-tuning, as several passes need it: from the weights that there are, with the original as teacher or without."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from edgebench.compress.base import Setting
from edgebench.models.artefact import Artefact
from edgebench.tasks.recipe import Recipe

RATE = 0.01
"""Maximum learning rate of a fine-tuning: half of what training from scratch takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """The outcome.

    Attributes:
        artefact: With the new weights, or the old ones if no epoch was better.
        accuracy: On validation samples.
        before: The same before the training.
        seconds: Wall time.
    """

    artefact: Artefact
    accuracy: float
    before: float
    seconds: float

    @property
    def text(self) -> str:
        """What happened, for a step."""
        if self.accuracy <= self.before:
            return f"no epoch was better on validation samples than the {self.before:.2%} before it"
        return f"validation accuracy {self.before:.2%} before, {self.accuracy:.2%} after it"


def tuned(artefact: Artefact, setting: Setting, name: str, *, distillation: float, temperature: float = 4.0) -> Tuned:
    """Train an artefact on.

    Args:
        artefact: What to train.
        setting: Task, teacher, epochs, seed.
        name: Of the pass, for messages.
        distillation: Weight of the teacher's outputs, from 0 to 1.
        temperature: Of the distillation.

    Raises:
        NotApplicableError: There is no task.
        TrainingFailed: The loss is infinite or not a number.
    """
    from edgebench.tasks.training import evaluate, train

    task = setting.require_task(name)
    before = evaluate(artefact.network, artefact.weights, task.validation)
    recipe = Recipe(epochs=setting.epochs, learning_rate=RATE, distillation=distillation, temperature=temperature)
    started = time.perf_counter()
    trained = train(
        artefact.network,
        task,
        recipe,
        seed=setting.seed,
        on_epoch=setting.on_epoch,
        teacher=setting.teacher if distillation else None,
        threads=setting.threads,
        initial=artefact.weights,
        keep_zeros=artefact.keeps_zeros,
    )
    seconds = time.perf_counter() - started
    if trained.validation_accuracy <= before:
        return Tuned(artefact=artefact, accuracy=before, before=before, seconds=seconds)
    # Ranges that were learnt for other weights no longer hold.
    form = replace(artefact.form, ranges={})
    better = replace(artefact, weights=trained.weights, form=form)
    return Tuned(artefact=better, accuracy=trained.validation_accuracy, before=before, seconds=seconds)
