"""What the trials of a search are checked against: the task, and the accuracy that a solution must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgebench.core.search import Reference
from edgebench.errors import InputError
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.accuracy import AccuracySource
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.study import SearchStudy
from edgebench.tasks.fitting import check_input
from edgebench.workers.training.jobs import TaskFacts
from edgebench.workers.training.pool import TrainingPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What trials must reach.

    Attributes:
        least: The accuracy that a trial must have, or None if trials have no such limit.
        reference: The network that accuracy drops are relative to, trained as trials are, or None.
    """

    least: float | None = None
    reference: Reference | None = None


def find_goal(
    request: SearchRequest,
    study: SearchStudy,
    source: AccuracySource,
    on_progress: Callable[[ProfileProgress], None],
) -> Goal:
    """The goal of a search; the reference is trained unless the study already has its accuracy.

    Args:
        request: What is searched.
        study: Keeps the reference's accuracy.
        source: Determines accuracies.
        on_progress: Called when the reference is being trained.
    """
    budget, space = request.budget, request.space
    if not source.trained:
        return Goal()
    if budget.max_accuracy_drop is None:
        return Goal(least=budget.min_accuracy)
    largest = space.canonical_one(space.largest)
    known = study.reference_accuracy
    if known is None:
        on_progress(ProfileProgress(done=0.0, text=f"training the reference, {space.text(largest)}"))
        known = source.accuracy(largest, lambda _: True)
        study.keep_reference_accuracy(known)
    return Goal(
        least=max(budget.min_accuracy or 0.0, known - budget.max_accuracy_drop),
        reference=Reference(architecture=space.text(largest), search_accuracy=known),
    )


def task_facts(request: SearchRequest, pool: TrainingPool) -> TaskFacts | None:
    """Load the task once, so that a wrong one is detected before anything is trained.

    Raises:
        InputError: There is no such task, or networks of the space do not fit it.
    """
    if request.task is None:
        return None
    with pool.process() as process:
        facts = process.facts(request.task)
    network = request.space.network(request.space.smallest)
    check_input(network, network.input_shape[-1])
    if network.input_shape[-1] != facts.input_shape[-1] or network.shapes[network.output] != (facts.classes,):
        raise InputError(
            f"networks of {request.space.name} have {network.input_shape[-1]} input channels and "
            f"{network.shapes[network.output][0]} classes; {facts.name} has {facts.input_shape[-1]} and "
            f"{facts.classes}",
            where="--task",
            remedy="copy the space's file into ./search_spaces and change input_channels and classes in it",
        )
    return facts


def require_accuracies(request: SearchRequest, source: AccuracySource) -> None:
    """Check that an accuracy limit, if there is one, can be checked.

    Raises:
        InputError: Nothing will ever determine an accuracy.
    """
    if not source.trained and request.task is None and request.needs_accuracy:
        raise InputError(
            f"--accuracy {request.accuracy} ranks networks, but says nothing about their accuracy",
            where="--min-accuracy, --max-accuracy-drop",
            remedy="add --task, so that finalists are trained and tested, or leave the limit out",
        )
