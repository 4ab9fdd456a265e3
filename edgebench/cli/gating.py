"""Wires what a user typed to gates, baselines and absolute limits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgebench.cli.device_values import split_value
from edgebench.core.baseline import Baseline
from edgebench.core.device import Device
from edgebench.core.figure import LIMITED
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.units import Dimension, parse_quantity
from edgebench.errors import InputError
from edgebench.flows.gate.cells import chosen_cells
from edgebench.flows.gate.references import given_references, recorded_references, references_of_revision
from edgebench.flows.gate.request import GateRequest
from edgebench.gate.limits import GateLimit, LimitKind, Limits, parse_limits
from edgebench.store.baselines import BaselineStore
from edgebench.store.devices import find_device
from edgebench.workers.training.jobs import TaskText


@contextmanager
def gate_request(
    models: Sequence[str],
    devices: Sequence[Device],
    *,
    baseline: str | None,
    files: Sequence[str],
    revision: str | None,
    limits: Sequence[str],
    task: str | None,
    plan: MeasurementPlan,
    inputs: InputSource,
    results: Path,
    find: Callable[[str], Device] = find_device,
) -> Iterator[GateRequest]:
    """Everything a gate needs; files out of git's history exist while the block runs.

    Args:
        models: Candidates; none for those of the baseline.
        devices: With options applied; none for those of the baseline.
        baseline: Name or file of a baseline.
        files: Baseline's models, one for each candidate or one for all.
        revision: A git revision that the baseline's models are taken from.
        limits: As typed; they replace those of the baseline.
        task: Images that accuracy is measured on.
        plan: Limits of each process.
        inputs: Where inputs come from.
        results: Folder of baselines.
        find: Finds a device of the baseline by its name.

    Raises:
        InputError: Nothing to compare with is given, or something that is given is wrong.
        StorageError: The baseline is damaged.
    """
    if baseline is None and not files and revision is None:
        raise InputError(
            "nothing to compare with",
            remedy="give --baseline NAME, --baseline-model FILE or --baseline-ref REVISION; "
            "absolute limits alone are options of edgebench profile, such as --max-latency",
        )
    if files and revision is not None:
        raise InputError("--baseline-model and --baseline-ref exclude each other", remedy="leave one of them out")
    store = BaselineStore(results)
    stored = None if baseline is None else store.load(baseline)
    typed = parse_limits(limits)
    chosen = Limits([*_stored_limits(stored), *typed])
    cells = chosen_cells(models, devices, stored, find)
    # A baseline may have limits of devices that are not compared now.
    Limits(typed).check_devices(device.name for _, device in cells)
    names = list(dict.fromkeys(model for model, _ in cells))
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        if files:
            references = given_references(names, list(files))
        elif revision is not None:
            references = references_of_revision(names, revision, folder)
        else:
            references = {} if stored is None else recorded_references(names, stored, folder)
        yield GateRequest(
            cells=cells,
            limits=chosen,
            plan=plan,
            inputs=inputs,
            baseline=stored,
            baseline_file="" if baseline is None else str(store.file(baseline)),
            references=references,
            task=None if task is None else TaskText(text=task, seed=inputs.seed),
        )


def compose_ceilings(limits: Mapping[str, Sequence[str]], devices: Sequence[Device]) -> Limits:
    """Absolute limits from ``--max-latency 50ms`` (all devices) or ``--max-latency host=5ms``.

    Args:
        limits: By the short name of a figure, what was typed.
        devices: That are profiled.

    Raises:
        InputError: A quantity or a device is wrong.
    """
    names = [device.name for device in devices]
    found = []
    for figure in LIMITED:
        for text in limits.get(figure.short, ()):
            where = f"{figure.limit_option} {text}"
            device, quantity = split_value(text, names, where=where)
            value = parse_quantity(quantity, figure.dimension or Dimension.RATIO, where=where)
            if value <= 0:
                raise InputError("a limit must be above 0", where=where)
            place = f"{figure.short}@{device}" if device else figure.short
            shown = f"{place} <= {quantity.strip()}"
            found.append(GateLimit(figure=figure.name, device=device, kind=LimitKind.BOUND, value=value, text=shown))
    return Limits(found)


def _stored_limits(baseline: Baseline | None) -> tuple[GateLimit, ...]:
    return () if baseline is None else parse_limits(baseline.limits, where=f"limits of baseline {baseline.name}")
