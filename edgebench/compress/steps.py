"""What a pass did, as a step in an artefact's history, and how it is written."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from edgebench.compress.base import FormPass, Pass, Setting
from edgebench.core.compression import StepDone
from edgebench.models.artefact import Artefact
from edgebench.models.file_artefact import FileArtefact

AnyArtefact = TypeVar("AnyArtefact", Artefact, FileArtefact)


def pass_text(item: Pass | FormPass) -> str:
    """A pass as users write it, with the parameters that are not the default: ``prune(0.3, by=host)``."""
    given = []
    for position, parameter in enumerate(fields(cast("Any", item))):
        value: Any = getattr(item, parameter.name)
        if value != parameter.default:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            given.append(text if position == 0 else f"{parameter.name}={text}")
    return f"{item.name}({', '.join(given)})" if given else item.name


def step_of(
    item: Pass | FormPass,
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


def reformed(
    item: FormPass, artefact: AnyArtefact, setting: Setting | None = None, skipped: tuple[str, ...] = ()
) -> AnyArtefact:
    """An artefact in another form.

    Its accuracy is that of the deployed file, which is measured; in float nothing has changed.

    Args:
        item: The pass.
        artefact: What it applies to.
        setting: Of the compression; None for a file.
        skipped: What a reader must know.

    Raises:
        NotApplicableError: The pass cannot follow what was done before.
    """
    form, done = item.form_after(artefact.form)
    made = replace(artefact, form=form)
    accuracy = artefact.steps[-1].accuracy if artefact.steps else None
    if setting is None or not isinstance(made, Artefact):
        return made.after(StepDone(text=pass_text(item), done=done, skipped=skipped, accuracy=accuracy))
    return made.after(step_of(item, done, made, setting, skipped=skipped, accuracy=accuracy))
