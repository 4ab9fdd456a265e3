"""Fine-tuning on labels only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgebench.compress.base import Setting
from edgebench.compress.steps import step_of
from edgebench.compress.tuning import tuned
from edgebench.models.artefact import Artefact


@dataclass(frozen=True, slots=True, kw_only=True)
class Tune:
    """Train on from the weights that there are, without a teacher."""

    name: ClassVar[str] = "tune"
    trains: ClassVar[bool] = True

    def apply(self, artefact: Artefact, setting: Setting) -> Artefact:
        """The network with the weights of the best epoch, or its own if none was better.

        Raises:
            NotApplicableError: There is no task.
            TrainingFailed: The loss is infinite or not a number.
        """
        found = tuned(artefact, setting, self.name, distillation=0.0)
        step = step_of(self, found.text, found.artefact, setting, accuracy=found.accuracy, seconds=found.seconds)
        return found.artefact.after(step)
