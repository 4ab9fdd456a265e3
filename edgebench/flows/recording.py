"""Keeps what a command measures as a run, saved after each step, whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.core.record import Record
from edgebench.core.run import CallValue, Revision, Run
from edgebench.core.secrets import redacted
from edgebench.errors import NotComparableError, StorageError
from edgebench.flows.profile.profile import ProfileProgress, ProfileRequest, profile
from edgebench.machine.description import describe_machine, machine_warnings, read_state, state_changes
from edgebench.machine.revision import git_revision
from edgebench.store.runs import RunStore
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run and what happened to it.

    Attributes:
        run: The run so far.
        path: Where it is saved, or None if it could not be.
        interrupted: Whether the user ended it.
        unsaved: Why it could not be saved, if so.
    """

    run: Run
    path: Path | None
    interrupted: bool = False
    unsaved: StorageError | None = None


def new_run(store: RunStore, plan: MeasurementPlan, *, seed: int, command: Sequence[str], label: str = "") -> Run:
    """A run that has no profiles yet."""
    revision = git_revision(Path.cwd())
    return Run(
        name=store.new_name(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(map(redacted, command)),
        edgebench=version("edgebench"),
        plan=plan,
        machine=describe_machine(),
        seed=seed,
        warnings=tuple(machine_warnings()),
        label=label,
        revision=None if revision is None else Revision(commit=revision.commit, dirty=revision.dirty),
    )


def record_stages(
    results: Path,
    plan: MeasurementPlan,
    outcome: Literal["search", "compression"],
    work: Callable[[Callable[[Record, Sequence[Profile]], None]], Record],
    *,
    seed: int,
    command: Sequence[str],
    label: str,
) -> RecordedRun:
    """Do something long that has an outcome, saving the run after each stage.

    An interrupt ends it and keeps what was finished.

    Args:
        results: The results folder.
        plan: How long models are measured.
        outcome: What the run calls the outcome.
        work: Does it: calls what it is given with the outcome so far and all profiles, and returns the outcome.
        seed: Of everything random.
        command: What was typed or called, for the record.
        label: The user's name for the run, or empty.

    Raises:
        EdgebenchError: As ``work`` raises.
    """
    store = RunStore(results)
    current = new_run(store, plan, seed=seed, command=command, label=label)

    def save(record: Record, profiles: Sequence[Profile]) -> None:
        nonlocal current
        changes: dict[str, Any] = {outcome: record, "profiles": tuple(profiles)}
        current = replace(current, **changes)
        store.save(current)

    try:
        found = work(save)
    except KeyboardInterrupt:
        path = store.path(current.name) if getattr(current, outcome) is not None else None
        return RecordedRun(run=current, path=path, interrupted=True)
    finished: dict[str, Any] = {outcome: found, "complete": True}
    current = replace(current, **finished)
    return RecordedRun(run=current, path=store.save(current))


def record_profiles(
    request: ProfileRequest,
    store: RunStore,
    *,
    command: Sequence[str],
    label: str = "",
    call: Mapping[str, CallValue] | None = None,
    resumed: Run | None = None,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> RecordedRun:
    """Profile, saving after each step.

    An interrupt ends it but keeps what was measured. So does a full disk: what can no longer be
    saved is still returned.

    Args:
        request: What to profile.
        store: Where the run is saved.
        command: What was typed or called, for the record.
        label: The user's name for the run, or empty.
        call: The options that the run can be gone on with.
        resumed: The run to go on with, instead of a new one; ``request`` has what it measured.
        on_progress: Called for every step.
        workers: Starts the processes that models are read and run in.

    Raises:
        StorageError: The results folder cannot be written to, or another process writes the run; nothing was measured.
        NotComparableError: A model is not the one that the run to go on with measured; the run is as it was.
    """
    if resumed is None:
        begun = new_run(store, request.plan, seed=request.inputs.seed, command=command, label=label)
        current = replace(begun, call=call or {})
    else:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told = dict.fromkeys([*resumed.warnings, *machine_warnings(), f"was interrupted, and went on at {now}"])
        current = replace(resumed, complete=False, warnings=tuple(told))
    with store.writing(current.name):
        # Saved before anything is measured: if the folder cannot be written to, it shows now.
        store.save(current)
        try:
            return _recorded(request, store, current, on_progress, workers)
        except NotComparableError:
            if resumed is not None:
                store.save(resumed)
            raise


def _recorded(
    request: ProfileRequest,
    store: RunStore,
    current: Run,
    on_progress: Callable[[ProfileProgress], None],
    workers: Workers,
) -> RecordedRun:
    before = read_state()

    def save(profiles: tuple[Profile, ...]) -> None:
        nonlocal current
        current = replace(current, profiles=profiles)
        store.save(current)

    interrupted, unsaved = False, None
    try:
        profile(request, on_update=save, on_progress=on_progress, workers=workers)
    except KeyboardInterrupt:
        interrupted = True
    except StorageError as error:
        unsaved = error
    warnings = (*current.warnings, *state_changes(before, read_state()))
    current = replace(current, complete=not interrupted and unsaved is None, warnings=warnings)
    try:
        store.save(current)
    except StorageError as error:
        unsaved = error
    path = None if unsaved else store.path(current.name)
    return RecordedRun(run=current, path=path, interrupted=interrupted, unsaved=unsaved)
