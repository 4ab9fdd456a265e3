"""A profile from what a user typed, or from what the run was begun with that is gone on with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgebench.cli.options import GOAL, RESULTS
from edgebench.core.model import Converter
from edgebench.core.secrets import redacted
from edgebench.errors import InputError
from edgebench.store.trust import named_programs, require_typed, trusts_all

if TYPE_CHECKING:
    from edgebench.cli.clustering import Place
    from edgebench.core.run import CallValue, Run
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.gate.limits import Limits

_SEVERAL = (
    "models", "device", "shape", "option", "old_option", "max_latency", "max_energy", "max_ram", "max_flash",
)  # fmt: skip
_TEXT = (
    "inputs", "calibration", "signature", "converter", "optimization", "goal", "time_limit", "memory_limit", "label",
)  # fmt: skip
_NUMBERS = ("seed", "threads", "repetitions", "layers")
KEPT = (*_SEVERAL, *_TEXT, *_NUMBERS)
"""Parameters of the command that a run keeps, and is gone on with."""
_REQUIRED = ("seed", "repetitions", "layers", "converter", "time_limit", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedProfile:
    """What to profile.

    Attributes:
        request: Models, devices, plan.
        limits: That the figures must meet.
        label: Of the run.
        call: What the run keeps, to be gone on with.
        resumed: The run to go on with, or None.
        goal_given: Whether the width of intervals was asked for, so that missing it is a failure.
    """

    request: ProfileRequest
    limits: Limits
    label: str
    call: Mapping[str, CallValue]
    resumed: Run | None
    goal_given: bool


def compose_profile(context: typer.Context, place: Place) -> ComposedProfile:
    """What to profile.

    Args:
        context: Of the command; its parameters are read.
        place: Where devices are.

    Raises:
        InputError: A parameter is not valid, or the run says nothing that can be gone on with.
        NotComparableError: The device or the machine is not what it was when the run was begun.
    """
    from edgebench.cli.compose import compose_devices, compose_inputs, compose_label, compose_plan
    from edgebench.cli.gating import compose_ceilings
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.flows.profile.resume import resumed_request
    from edgebench.machine.description import describe_machine

    run = _run_to_go_on_with(context)
    values = dict(context.params) if run is None else dict(context.params) | _checked(run)
    if not values["models"]:
        raise InputError(
            "no model is given", remedy="edgebench profile MODEL -d DEVICE; or --resume RUN goes on with a run"
        )
    devices = compose_devices(
        values["device"],
        [*values["option"], *values["old_option"]],
        threads=values["threads"],
        optimization=values["optimization"],
        find=place.find,
    )
    files = [None if values[name] is None else Path(values[name]) for name in ("inputs", "calibration")]
    inputs = compose_inputs(
        values["shape"], files[0], values["seed"], files[1], values["signature"], Converter(values["converter"])
    )
    models = list(dict.fromkeys(values["models"]))
    if run is None:
        plan = compose_plan(
            goal=values["goal"] or GOAL,
            **{name: values[name] for name in ("repetitions", "time_limit", "memory_limit", "layers")},
        )
        request = ProfileRequest(models=models, devices=devices, plan=plan, inputs=inputs)
    else:
        request = resumed_request(run, models, devices, inputs, describe_machine())
    typed = {name: values[f"max_{name}"] for name in ("latency", "energy", "ram", "flash")}
    return ComposedProfile(
        request=request,
        limits=compose_ceilings(typed, devices),
        label=compose_label(values["label"]),
        call=_kept(values),
        resumed=run,
        goal_given=values["goal"] is not None,
    )


def resume_command(name: str, results: Path) -> str:
    """What goes on with a run."""
    place = [] if results == RESULTS else ["--results", str(results)]
    return shlex.join(["edgebench", "profile", "--resume", name, *place])


def _run_to_go_on_with(context: typer.Context) -> Run | None:
    from edgebench.store.runs import RunStore

    reference = context.params["resume"]
    if reference is None:
        return None
    typed = [name for name in KEPT if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    if typed:
        name = "models" if typed[0] == "models" else f"--{typed[0].replace('_', '-')}"
        raise InputError(
            f"a run is gone on with as it was begun, and {name} belongs to that",
            where="--resume",
            remedy=f"leave {name} out, or begin a new run without --resume",
        )
    store = RunStore(context.params["results"])
    run = store.load(reference)
    if store.path(run.name) != store.find(reference):
        raise InputError(
            "this run is not in the results folder", where=f"--resume {reference}", remedy="give its folder: --results"
        )
    return run


def _kept(values: Mapping[str, Any]) -> dict[str, CallValue]:
    """Empty where something is secret: a run is shown to others."""
    kept: dict[str, CallValue] = {name: tuple(map(str, values[name])) for name in _SEVERAL}
    kept |= {name: None if values[name] is None else str(values[name]) for name in _TEXT}
    kept |= {name: values[name] for name in _NUMBERS}
    texts = [text for value in kept.values() for text in (value if isinstance(value, tuple) else (str(value),))]
    return kept if all(redacted(text) == text for text in texts) else {}


def _checked(run: Run) -> dict[str, Any]:
    """What a run was begun with; what a file names to be run is not the user's word."""
    if not run.call:
        raise InputError(
            "this run does not say what it was begun with",
            where=f"run {run.name}",
            remedy="only runs of `edgebench profile` do, from this version on; begin a new one",
        )
    sound = (
        set(run.call) == set(KEPT)
        and all(isinstance(run.call[name], tuple) for name in _SEVERAL)
        and all(isinstance(run.call[name], str | None) for name in _TEXT)
        and all(isinstance(run.call[name], int | None) for name in _NUMBERS)
        and not {name for name in _REQUIRED if run.call[name] is None}
        and run.call["converter"] in set(Converter)
    )
    if not sound:
        raise InputError("what this run was begun with is not valid", where=f"run {run.name}", remedy="begin a new run")
    values: dict[str, Any] = dict(run.call)
    for model in values["models"]:
        require_typed(model, f"run {run.name}", f"edgebench profile {shlex.quote(model)}")
    for option in (*values["option"], *values["old_option"]):
        place, _, value = option.partition("=")
        key = place.rpartition(":")[2]
        if named_programs({"options": {key: value}, key: value}) and not trusts_all():
            raise InputError(
                f"it names what would be run: {option}",
                where=f"run {run.name}",
                remedy="if you know it, allow it for this command with --trust",
            )
    return values
