"""What table to build, and what it is valid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.table import LookupTable, TableKey
from edgebench.errors import NotComparableError
from edgebench.flows.lut.correction import Goal
from edgebench.machine.description import describe_machine
from edgebench.spaces.space import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRequest:
    """What table to build.

    Attributes:
        space: The space whose blocks are measured.
        device: Where to measure, with its options applied.
        dtype: Data type of the networks.
        jobs: Number of parallel child processes, for targets that do not measure time.
        goal: How good predictions must be, for targets that measure.
    """

    space: SearchSpace
    device: Device
    dtype: DataType
    jobs: int = 0
    goal: Goal = field(default_factory=Goal)


def table_key(
    device: Device, versions: Mapping[str, str], dtype: str, *, measured: bool, cpu: str | None = None
) -> TableKey:
    """What a table for this device is valid for, here and now; estimates are valid for one calibration only.

    Args:
        device: The device.
        versions: Of its target.
        dtype: ``float32`` or ``int8``.
        measured: Whether the processor decides about the figures.
        cpu: The processor, if it is not this machine's.
    """
    calibration = {f"calibration {name}": str(value) for name, value in device.calibration.items()}
    calibration |= {f"calibration {number}": entry.digest for number, entry in enumerate(device.calibrations, start=1)}
    return TableKey(
        device=device.name,
        target=device.target,
        versions=dict(versions),
        options={name: str(value) for name, value in device.options.items()} | calibration,
        dtype=dtype,
        machine=(describe_machine().get("cpu", "") if cpu is None else cpu) if measured else "",
    )


def begun_table(request: TableRequest, key: TableKey, known: LookupTable | None) -> LookupTable:
    """What a build goes on with.

    Raises:
        NotComparableError: What is known was built for something else.
    """
    if known is None:
        return LookupTable(space=request.space.name, key=key, edgebench=version("edgebench"))
    differences = known.key.differences(key)
    if differences:
        raise NotComparableError(
            f"the existing table was built for something else: {'; '.join(differences)}",
            where=f"{known.space} on {known.key.device}",
            remedy="--fresh builds a new one and keeps this one beside it; or return to what it was built with",
        )
    return known
