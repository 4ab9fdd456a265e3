"""Gates and comparisons as Python functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.api_inputs import StrPath, converter_named, devices_of, many, path_of, progress_shown
from edgebench.api_results import Comparison, GateOutcome

if TYPE_CHECKING:
    from edgebench.core.device import Device


def gate(
    models: StrPath | Sequence[StrPath] = (),
    devices: str | Device | Sequence[str | Device] = (),
    *,
    baseline: StrPath | None = None,
    baseline_models: StrPath | Sequence[StrPath] = (),
    baseline_ref: str | None = None,
    limits: Sequence[str] = (),
    task: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: StrPath | None = None,
    calibration: StrPath | None = None,
    signature: str | None = None,
    converter: str = "edgebench",
    seed: int = 0,
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    time_limit: str = "120s",
    memory_limit: str | None = None,
    results: StrPath = "results",
    progress: bool = False,
) -> GateOutcome:
    """Hold models to a baseline: measured figures in interleaved processes, all others by their values.

    Args:
        models: Model files or ``zoo:NAME``; by default, those of the baseline.
        devices: Names of devices, paths of device files, or ``Device`` objects; by default, those of the baseline.
        baseline: Name or file of a baseline.
        baseline_models: Files to compare with instead, one for all or one for each model.
        baseline_ref: A git revision that the same files are taken from.
        limits: Such as ``"latency 2%"``, ``"flash 4KB"``, ``"latency@host <= 50ms"``.
        task: Images to measure accuracy on.
        shapes: Shapes of inputs with open dimensions, by input name.
        inputs: An ``.npz`` with one array per input; by default, random values.
        calibration: An ``.npz`` with samples for quantising, if a device takes int8.
        signature: Which signature of a ``.tflite`` file; by default, that of its main graph.
        converter: What converts PyTorch models to TFLite: ``edgebench`` or ``litert-torch``.
        seed: Of random inputs and built-in networks.
        threads: For runtimes that have them.
        options: Of targets: ``{"KEY": "VALUE"}`` or ``{"DEVICE:KEY": "VALUE"}``.
        time_limit: Total time for each model on each device.
        memory_limit: For each process; by default, four fifths of what is free.
        results: Folder of baselines.
        progress: Whether to show a progress bar.

    Returns:
        The verdicts. What failed, or could not be measured or compared, is a verdict, not an exception.

    Raises:
        InputError: Nothing to compare with is given, or a limit, a device, a revision or a file is wrong.
        StorageError: The baseline is damaged or was edited by hand.
    """
    from edgebench.cli.compose import compose_inputs, compose_plan
    from edgebench.cli.gating import gate_request
    from edgebench.flows.gate.gate import gate as run_gate

    source = compose_inputs([], path_of(inputs), seed, path_of(calibration), signature, converter_named(converter))
    if shapes:
        source = replace(source, shapes={name: tuple(map(int, shape)) for name, shape in shapes.items()})
    with (
        gate_request(
            list(map(str, many(models))),
            devices_of(devices, options or {}, threads),
            baseline=None if baseline is None else str(baseline),
            files=list(map(str, many(baseline_models))),
            revision=baseline_ref,
            limits=limits,
            task=task,
            plan=compose_plan(repetitions=1, time_limit=time_limit, goal="2%", memory_limit=memory_limit, layers=False),
            inputs=source,
            results=Path(results),
        ) as request,
        progress_shown(progress) as on_progress,
    ):
        return GateOutcome(result=run_gate(request, on_progress=on_progress))


def compare(
    things: Sequence[StrPath],
    devices: str | Device | Sequence[str | Device] = "host",
    *,
    model: StrPath | None = None,
    pairs: int = 8,
    force: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration: StrPath | None = None,
    seed: int = 0,
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    time_limit: str = "60s",
    results: StrPath = "results",
    progress: bool = False,
) -> Comparison:
    """Compare runs, model files or files of git revisions with the first of them.

    Args:
        things: Runs, model files, or ``REVISION:FILE``; with ``model`` revisions.
        devices: Where files are measured.
        model: The file that revisions are of.
        pairs: Pairs of fresh processes, for figures that are measured.
        force: Whether to form ratios of runs that cannot be compared.
        shapes: Shapes of inputs with open dimensions, by input name.
        calibration: An ``.npz`` with samples for quantising, if a device takes int8.
        seed: Of random inputs and built-in networks.
        threads: For runtimes that have them.
        options: Of targets.
        time_limit: For each step of each model.
        results: Folder of runs.
        progress: Whether to show a progress bar.

    Returns:
        Ratios with intervals, and why some of them do not exist.

    Raises:
        InputError: There are fewer than two things, or one is neither a run nor a model.
        StorageError: A run is damaged.
    """
    from edgebench.cli.comparing import compared
    from edgebench.cli.compose import compose_inputs, compose_plan

    source = compose_inputs([], None, seed, path_of(calibration))
    if shapes:
        source = replace(source, shapes={name: tuple(map(int, shape)) for name, shape in shapes.items()})
    with progress_shown(progress) as on_progress:
        ratios = compared(
            list(map(str, things)),
            devices_of(devices, options or {}, threads),
            model=None if model is None else str(model),
            pairs=pairs,
            plan=compose_plan(repetitions=1, time_limit=time_limit, goal="2%", memory_limit=None, layers=False),
            inputs=source,
            force=force,
            results=Path(results),
            on_progress=on_progress,
        )
    return Comparison(ratios=tuple(ratios))
