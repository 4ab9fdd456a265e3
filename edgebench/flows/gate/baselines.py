"""Makes baselines: from a run, or from models and devices directly."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from edgebench.core.baseline import Baseline, BaselineChange, BaselineEntry
from edgebench.core.certainty import undecided_latency
from edgebench.core.device import Device
from edgebench.core.figure import ACCURACY
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Revision, Run
from edgebench.core.summary import sample_count
from edgebench.errors import EdgebenchError, InputError, NotComparableError, TargetUnavailableError
from edgebench.flows.gate.accuracy import Classifying, accuracy_of
from edgebench.flows.gate.entries import entry_of, kept_machine
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.recording import RecordedRun
from edgebench.gate.limits import parse_limits
from edgebench.machine.revision import git_revision
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import TaskText


def baseline_of(run: Run, name: str, *, reason: str, limits: Sequence[str] = ()) -> Baseline:
    """A baseline with the figures of a run.

    Args:
        run: A complete run.
        name: Of the baseline.
        reason: Why it is made.
        limits: How far later figures may be off, as a user types it.

    Raises:
        NotComparableError: Something in the run was not measured, or not well enough.
        InputError: The run has no profiles, a model occurs twice, or a limit is not valid.
    """
    if not run.profiles:
        raise InputError("the run has no profiles", where=run.name, remedy="edgebench profile MODEL -d DEVICE")
    for profile in run.profiles:
        _check(profile, run)
    parse_limits(limits)
    entries = [entry_of(profile) for profile in run.profiles]
    keys = [(entry.source, entry.device) for entry in entries]
    if len(set(keys)) < len(keys):
        raise InputError("a model is twice in the run", where=run.name, remedy="profile each model once")
    return Baseline(
        name=name,
        edgebench=version("edgebench"),
        machine=kept_machine(run.machine),
        limits=tuple(limits),
        changes=(change(reason),),
        entries=tuple(entries),
    )


def change(reason: str) -> BaselineChange:
    """Why a baseline is written, now and here.

    Raises:
        InputError: No reason is given, or it holds characters that cannot be printed.
    """
    text = " ".join(reason.split())
    if not text or not text.isprintable():
        raise InputError(
            "a reason is needed", where="--reason", remedy='say why, such as --reason "wider stem, accuracy +1pt"'
        )
    revision = git_revision(Path.cwd())
    return BaselineChange(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        reason=text,
        revision=None if revision is None else Revision(commit=revision.commit, dirty=revision.dirty),
    )


def updated(old: Baseline, new: Baseline) -> Baseline:
    """A baseline with new figures: entries that were not made again stay, and so do limits and the history.

    Args:
        old: As it was.
        new: With the figures, the machine and the reason of now.
    """
    replaced = {(entry.model, entry.device): entry for entry in (*old.entries, *new.entries)}
    return replace(
        new,
        name=old.name,
        limits=new.limits or old.limits,
        changes=(*old.changes, *new.changes),
        entries=tuple(replaced.values()),
    )


def with_accuracy(
    baseline: Baseline,
    devices: Sequence[Device],
    task: TaskText,
    plan: MeasurementPlan,
    inputs: InputSource,
    *,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> Baseline:
    """A baseline with the accuracy of every entry on a task.

    Raises:
        EdgebenchError: A model cannot be prepared or classify the task's images.
    """
    by_name = {device.name: device for device in devices}

    def say(text: str) -> None:
        on_progress(ProfileProgress(done=1.0, text=text))

    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        preparation = Preparation(folder, plan, inputs, workers, say, to_run=False)
        classifying = Classifying(task, workers, say)
        try:
            entries = [
                _classified(entry, preparation.prepare(entry.source, by_name[entry.device]), classifying, task)
                if entry.device in by_name
                else entry
                for entry in baseline.entries
            ]
        finally:
            classifying.close()
    return replace(baseline, entries=tuple(entries))


def finished(recorded: RecordedRun) -> Run:
    """A run that came to its end.

    Raises:
        KeyboardInterrupt: The user ended it.
        StorageError: It could not be saved.
    """
    if recorded.unsaved is not None:
        raise recorded.unsaved
    if recorded.interrupted:
        raise KeyboardInterrupt
    return recorded.run


def _classified(
    entry: BaselineEntry, ready: Ready | Profile, classifying: Classifying, task: TaskText
) -> BaselineEntry:
    if isinstance(ready, Profile):
        failure = ready.failure
        raise NotComparableError(
            failure.message if failure else str(ready.outcome),
            where=entry.subject,
            remedy=failure.remedy if failure else None,
        )
    predicted = classifying.predictions(ready)
    if isinstance(predicted, EdgebenchError):
        raise predicted
    return replace(
        entry,
        figures={**entry.figures, ACCURACY: accuracy_of(predicted).kept},
        task=task.text,
        task_digest=classifying.digest(),
    )


def _check(profile: Profile, run: Run) -> None:
    """A baseline holds only figures that exist."""
    where = f"{profile.model.name} on {profile.device.name} (run {run.name})"
    if profile.outcome is not Outcome.OK:
        message = profile.failure.message if profile.failure else "no figures"
        kind = TargetUnavailableError if profile.outcome is Outcome.UNAVAILABLE else NotComparableError
        raise kind(
            f"{profile.outcome}: {message}; a baseline needs figures",
            where=where,
            remedy=(profile.failure.remedy if profile.failure else None) or "leave out what does not run",
        )
    if sample_count(profile) and undecided_latency(profile, run.plan) is not None:
        raise NotComparableError(
            "the latency is not known: its interval is 100 times as wide as the goal or wider",
            where=where,
            remedy="measure again when the machine is quiet",
        )
