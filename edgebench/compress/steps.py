"""What a pass did, as a step in an artefact's history, and how it is written."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, cast

from edgebench.compress.base import Pass, Setting
from edgebench.core.compression import StepDone
from edgebench.models.artefact import Artefact


def pass_text(item: Pass) -> str:
    """A pass as users write it, with the parameters that are not the default: ``prune(0.3, by=host)``."""
    given = []
    for position, parameter in enumerate(fields(cast("Any", item))):
        value: Any = getattr(item, parameter.name)
        if value != parameter.default:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            given.append(text if position == 0 else f"{parameter.name}={text}")
    return f"{item.name}({', '.join(given)})" if given else item.name


def step_of(
    item: Pass,
    done: str,
    artefact: Artefact,
    setting: Setting,
    *,
    skipped: tuple[str, ...] = (),
    accuracy: float | None = None,
    seconds: float = 0.0,
) -> StepDone:
    """A step; the accuracy on validation samples is found unless it is given, if there is a task.

    Args:
        item: The pass.
        done: What it did.
        artefact: What it made.
        setting: Of the compression.
        skipped: What it does not apply to, with reasons.
        accuracy: On validation samples, if it is known.
        seconds: Wall time.
    """
    if accuracy is None and setting.task is not None:
        from edgebench.tasks.training import evaluate

        accuracy = evaluate(artefact.network, artefact.weights, setting.task.validation)
    return StepDone(
        text=pass_text(item), done=done, skipped=skipped, accuracy=accuracy, seed=setting.seed, seconds=seconds
    )
