"""Distillation: fine-tuning on labels and on what the original answers (Hinton et al. 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgebench.compress.base import Setting
from edgebench.compress.prune import require_share
from edgebench.compress.steps import step_of
from edgebench.compress.tuning import tuned
from edgebench.errors import InputError
from edgebench.models.artefact import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Distil:
    """Train on from the weights that there are, with the original as teacher.

    Attributes:
        weight: Of the teacher's outputs in the loss, above 0 and below 1; labels get the rest.
        temperature: Divides logits before teacher and student are compared.
    """

    name: ClassVar[str] = "distil"
    trains: ClassVar[bool] = True
    weight: float = 0.5
    temperature: float = 4.0

    def __post_init__(self) -> None:
        require_share("distil", "weight", self.weight)
        if not 0 < self.temperature < 1000:
            raise InputError(f"distil(temperature={self.temperature:g}) must be above 0 and below 1000")

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network with the weights of the best epoch, or its own if none was better.

        Raises:
            NotApplicableError: There is no task.
            TrainingFailed: The loss is infinite or not a number.
        """
        from edgebench.tasks.training import evaluate

        task = setting.require_task(self.name)
        found = tuned(artefact, setting, self.name, distillation=self.weight, temperature=self.temperature)
        teacher = evaluate(*setting.teacher, task.validation)
        worse = (
            (f"the teacher is worse ({teacher:.2%}) than the student was before it ({found.before:.2%})",)
            if teacher < found.before
            else ()
        )
        step = step_of(
            self, found.text, found.artefact, setting, skipped=worse, accuracy=found.accuracy, seconds=found.seconds
        )
        return found.artefact.after(step)
