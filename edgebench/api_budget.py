"""Budgets as assertions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from edgebench.api import profile
from edgebench.api_inputs import Limit, StrPath, limit_texts
from edgebench.api_results import RunResult

if TYPE_CHECKING:
    from edgebench.core.device import Device
    from edgebench.gate.verdict import Finding

Profiler = Callable[..., RunResult]
"""``edgebench.profile``, or what keeps its results."""


def assert_within_budget(
    model: StrPath,
    device: str | Device | Sequence[str | Device] = "host",
    *,
    latency: Limit = "",
    energy: Limit = "",
    ram: Limit = "",
    flash: Limit = "",
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: StrPath | None = None,
    calibration: StrPath | None = None,
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    repetitions: int = 5,
    time_limit: str = "60s",
    results: StrPath | None = None,
    profiler: Profiler = profile,
) -> RunResult:
    """Profile a model, and fail unless every limited figure is known and meets its limit.

    The bad end of a figure's interval or error band counts: a limit within it is not met. So does a device that is not
    available, and a model that does not run.

    Args:
        model: A model file, ``module:function`` of PyTorch, or ``zoo:NAME``.
        device: A device, or several.
        latency: Such as ``"50ms"``, or ``{"host": "5ms"}`` for one of several devices.
        energy: Such as ``"2mJ"``.
        ram: Such as ``"128KB"``.
        flash: Such as ``"512KB"``.
        shapes: Shapes of inputs with open dimensions, by input name.
        inputs: An ``.npz`` with one array per input; by default, random values.
        calibration: An ``.npz`` with samples for quantising, if a device takes int8.
        threads: For runtimes that have them.
        options: Of targets.
        repetitions: Minimum number of fresh processes.
        time_limit: Total time for each device.
        results: Folder that the run is kept in; by default, it is not kept.
        profiler: What profiles, for those who keep results.

    Returns:
        The run, for further assertions.

    Raises:
        AssertionError: A limit is broken, or it is not known whether it is; the message holds the report.
        InputError: No limit is given, or a device, an option, a quantity or a file is wrong.
    """
    # What a test shows is the budget, not what is in here.
    __tracebackhide__ = True
    from edgebench.api_inputs import devices_of
    from edgebench.cli.gating import compose_ceilings
    from edgebench.errors import InputError
    from edgebench.gate.ceilings import profile_findings

    devices = devices_of(device, options or {}, threads)
    typed = {"latency": latency, "energy": energy, "ram": ram, "flash": flash}
    limits = compose_ceilings({name: limit_texts(limit) for name, limit in typed.items()}, devices)
    if not any(typed.values()):
        raise InputError("a budget has no limit", remedy='give one, such as latency="50ms"')
    with ExitStack() as stack:
        run = profiler(
            model,
            device,
            shapes=shapes,
            inputs=inputs,
            calibration=calibration,
            threads=threads,
            options=options,
            repetitions=repetitions,
            time_limit=time_limit,
            results=results or stack.enter_context(tempfile.TemporaryDirectory(prefix="edgebench-")),
        )
    findings = profile_findings(run.profiles, limits)
    message = _message(run, findings)
    if message:
        raise AssertionError(message)
    return run if results or profiler is not profile else replace(run, path=None)


def _message(run: RunResult, findings: Sequence[Finding]) -> str:
    """What is wrong, and the report; empty if all is well."""
    from edgebench.cli.render.terminal import render_text
    from edgebench.reports.checks import CheckResult
    from edgebench.reports.gate import with_limits

    report = with_limits(run.report(), findings)
    bad = [check for check in report.checks if check.result is not CheckResult.PASSED]
    if not bad:
        return ""
    lines = [f"{check.model} on {check.device}: {check.text}" for check in bad]
    return "\n".join([f"not within its budget: {'; '.join(lines)}", render_text(report.brief())])
