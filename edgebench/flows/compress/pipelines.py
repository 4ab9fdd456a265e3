"""The pipelines that a search chooses from, as independent choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgebench.core.device import Device, DeviceKind
from edgebench.core.dtype import DataType
from edgebench.targets.registry import create_target

Choices = Mapping[str, str]
_RATIOS = ("0", "0.3", "0.5", "0.6", "0.7", "0.8")
_NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpace:
    """Choices by name, each with its values.

    Attributes:
        choices: What can be chosen.
        starts: Choices that are tried first: what is usually done by hand.
    """

    choices: Mapping[str, tuple[str, ...]]
    starts: tuple[Choices, ...]


def pipeline_space(devices: Sequence[Device]) -> PipelineSpace:
    """Pruning by how much and by whose costs, low rank, how weights are found again, and the data type.

    Args:
        devices: What networks are for: where one takes int8 only, everything is int8; pruning goes by the costs of
            NPUs and microcontrollers, which repeat exactly.
    """
    exact = tuple(device.name for device in devices if device.kind is not DeviceKind.CPU)
    integer = any(create_target(device).dtype == DataType.INT8 for device in devices)
    choices = {
        "prune": _RATIOS,
        "by": ("everywhere", *exact),
        "lowrank": (_NONE, "0.95", "0.9", "0.8"),
        "weights": ("tune", "distil", "scratch"),
        "dtype": ("int8", "qat", "qat(0.5)") if integer else ("float32", "int8", "qat", "qat(0.5)"),
    }
    usual = {"by": "everywhere", "lowrank": _NONE, "weights": "distil"}
    starts = (
        {**usual, "prune": "0", "dtype": "int8"},
        {**usual, "prune": "0.5", "dtype": "qat(0.5)"},
        {**usual, "prune": "0.5", "weights": "scratch", "dtype": "int8"},
        {**usual, "prune": "0.8", "dtype": "qat(0.5)"},
    )
    return PipelineSpace(choices=choices, starts=starts)


def pipeline_of(choices: Choices) -> str:
    """The pipeline that choices mean; different choices may mean the same."""
    ratio, by = choices["prune"], choices["by"]
    shrinks = []
    if ratio != "0" and choices["weights"] == "scratch":
        shrinks.append(f"scratch({ratio})")
    elif ratio != "0":
        shrinks.append(f"prune({ratio})" if by == "everywhere" else f"prune({ratio}, by={by})")
    if choices["lowrank"] != _NONE:
        shrinks.append(f"lowrank({choices['lowrank']})")
    # From scratch, weights are trained already, unless layers were factorised afterwards.
    retrains = bool(shrinks) and not (len(shrinks) == 1 and shrinks[0].startswith("scratch"))
    recovered = ["distil" if choices["weights"] == "scratch" else choices["weights"]] if retrains else []
    dtype = [choices["dtype"]] if choices["dtype"] != "float32" else []
    return " + ".join([*shrinks, *recovered, *dtype])


def untrained(choices: Choices) -> str:
    """A pipeline that gives a network of the same shape and type without training: what it costs is known at once."""
    shape = {**choices, "weights": "tune"}
    steps = [step for step in pipeline_of(shape).split(" + ") if step and step != "tune"]
    return " + ".join("int8" if step.startswith("qat") else step for step in steps)
