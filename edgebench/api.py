"""The verbs as Python functions: what the command line does, for notebooks and scripts.

Quantities are strings with units, as on the command line (``"50ms"``, ``"128KB"``, ``"2%"``). Everything is saved
in a results folder as by the command line. Errors are those of ``edgebench.errors``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgebench.api_inputs import Limit, StrPath, converter_named, devices_of, limit_texts, many, path_of, progress_shown
from edgebench.api_results import CheckResult, DeviceList, RunResult, SearchResult, TableResult

if TYPE_CHECKING:
    from edgebench.core.device import Device


def profile(
    models: StrPath | Sequence[StrPath],
    devices: str | Device | Sequence[str | Device] = "host",
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    inputs: StrPath | None = None,
    calibration: StrPath | None = None,
    signature: str | None = None,
    converter: str = "edgebench",
    seed: int = 0,
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    repetitions: int = 5,
    goal: str = "2%",
    time_limit: str = "60s",
    memory_limit: str | None = None,
    layers: bool = False,
    label: str = "",
    results: StrPath = "results",
    progress: bool = False,
) -> RunResult:
    """Measure, simulate or estimate models on devices.

    Args:
        models: Model files, ``zoo:NAME``, or ``module:function`` of PyTorch.
        devices: Names of devices, paths of device files, or ``Device`` objects.
        shapes: Shapes of inputs with open dimensions, by input name.
        inputs: An ``.npz`` with one array per input; by default, random values.
        calibration: An ``.npz`` with samples for quantising, if a device takes int8.
        signature: Which signature of a ``.tflite`` file; by default, that of its main graph.
        converter: What converts PyTorch models to TFLite: ``edgebench`` or ``litert-torch``.
        seed: Of random inputs and built-in networks.
        threads: For runtimes that have them.
        options: Of targets: ``{"KEY": "VALUE"}`` or ``{"DEVICE:KEY": "VALUE"}``.
        repetitions: Minimum number of fresh processes.
        goal: Stop when the median's 95 % interval is narrower than this share of it.
        time_limit: Total time for each model on each device.
        memory_limit: For each process; by default, four fifths of what is free.
        layers: Whether to find the share of each operator.
        label: Name of the run in reports and histories.
        results: Folder that the run is saved in.
        progress: Whether to show a progress bar.

    Returns:
        The run. What failed on one device is an outcome of its profile, not an exception.

    Raises:
        InputError: A device, an option, a quantity or a file is wrong.
        StorageError: The results folder cannot be written to.
        KeyboardInterrupt: What was measured is saved.
    """
    from edgebench.cli.compose import compose_inputs, compose_label, compose_plan
    from edgebench.flows.profile.profile import ProfileRequest
    from edgebench.flows.recording import record_profiles
    from edgebench.store.runs import RunStore

    source = compose_inputs([], path_of(inputs), seed, path_of(calibration), signature, converter_named(converter))
    if shapes:
        source = replace(source, shapes={name: tuple(map(int, shape)) for name, shape in shapes.items()})
    request = ProfileRequest(
        models=list(dict.fromkeys(map(str, many(models)))),
        devices=devices_of(devices, options or {}, threads),
        plan=compose_plan(
            repetitions=repetitions, time_limit=time_limit, goal=goal, memory_limit=memory_limit, layers=layers
        ),
        inputs=source,
    )
    with progress_shown(progress) as on_progress:
        recorded = record_profiles(
            request,
            RunStore(Path(results)),
            command=("edgebench.profile", *request.models),
            label=compose_label(label),
            on_progress=on_progress,
        )
    if recorded.interrupted:
        raise KeyboardInterrupt
    if recorded.unsaved:
        warnings.warn(str(recorded.unsaved), stacklevel=2)
    return RunResult(run=recorded.run, path=recorded.path)


def check(
    models: StrPath | Sequence[StrPath],
    devices: str | Device | Sequence[str | Device] | None = None,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration: StrPath | None = None,
    signature: str | None = None,
    converter: str = "edgebench",
    options: Mapping[str, str] | None = None,
    time_limit: str = "60s",
    memory_limit: str | None = None,
    progress: bool = False,
) -> CheckResult:
    """See what is in model files, and which devices run them, without measuring anything.

    Args:
        models: Model files, folders of them, ``zoo:NAME``, or ``module:function`` of PyTorch.
        devices: Names of devices, paths of device files, or ``Device`` objects; by default, one of each kind.
        shapes: Shapes of inputs with open dimensions, by input name.
        calibration: An ``.npz`` with samples for quantising, if a device takes int8.
        signature: Which signature of a ``.tflite`` file; by default, that of its main graph.
        converter: What converts PyTorch models to TFLite: ``edgebench`` or ``litert-torch``.
        options: Of targets: ``{"KEY": "VALUE"}`` or ``{"DEVICE:KEY": "VALUE"}``.
        time_limit: For each step of each model.
        memory_limit: For each process; by default, four fifths of what is free.
        progress: Whether to show a progress bar.

    Returns:
        What was found out. A model that does not run is a verdict, not an exception.

    Raises:
        InputError: A device, an option or a quantity is wrong, or a folder has no models.
    """
    from edgebench.cli.compose import compose_inputs, compose_plan
    from edgebench.flows.check import DEVICES, CheckRequest, find_models
    from edgebench.flows.check import check as check_models

    source = compose_inputs([], None, 0, path_of(calibration), signature, converter_named(converter))
    if shapes:
        source = replace(source, shapes={name: tuple(map(int, shape)) for name, shape in shapes.items()})
    request = CheckRequest(
        models=find_models(list(map(str, many(models)))),
        devices=devices_of(DEVICES if devices is None else devices, options or {}, None),
        plan=compose_plan(repetitions=1, time_limit=time_limit, goal="2%", memory_limit=memory_limit, layers=False),
        inputs=source,
        only_fitting=devices is None,
    )
    with progress_shown(progress) as on_progress:
        return CheckResult(models=check_models(request, on_progress=on_progress))


def build_table(
    space: StrPath,
    device: str | Device,
    *,
    dtype: str | None = None,
    threads: int | None = None,
    options: Mapping[str, str] | None = None,
    jobs: int = 0,
    fresh: bool = False,
    validate: int = 0,
    seed: int = 0,
    results: StrPath = "results",
    progress: bool = False,
) -> TableResult:
    """Measure every distinct block of a search space on a device; resumes an interrupted build.

    Args:
        space: Name of a space, or path of its file.
        device: Where blocks are measured.
        dtype: ``float32`` or ``int8``; by default, what the device takes.
        threads: For runtimes that have them.
        options: Of the target.
        jobs: Processes for simulators; one per core if 0.
        fresh: Start again instead of continuing.
        validate: Number of random whole networks to profile, to find how far predictions are off; 0 for none.
        seed: For drawing them.
        results: Folder that the table is saved in.
        progress: Whether to show a progress bar.

    Raises:
        InputError: There is no such space or device.
        NotComparableError: The existing table was built for something else.
        TargetUnavailableError: The device cannot be used here.
        UnsupportedModelError: A block does not run there.
    """
    from edgebench.flows.lut.build import build_table
    from edgebench.flows.lut.opening import dtype_of
    from edgebench.flows.lut.request import TableRequest
    from edgebench.flows.lut.validate import validate_table
    from edgebench.flows.spaces import open_space
    from edgebench.store.begun import begun_validation
    from edgebench.store.tables import TableStore

    (found,) = devices_of(device, options or {}, threads)
    request = TableRequest(space=open_space(str(space)), device=found, dtype=dtype_of(found, dtype), jobs=jobs)
    store = TableStore(Path(results))
    names = found.name, request.space.name, request.dtype
    with store.writing(*names), progress_shown(progress) as on_progress:
        known = None if fresh else store.load_own(*names)
        table = build_table(request, known, on_update=store.save, on_progress=on_progress)
        if validate:
            kept = begun_validation(store.path(*names))
            table = validate_table(
                request,
                table,
                networks=validate,
                seed=seed,
                begun=None if fresh else kept.load(),
                on_update=kept.save,
                on_progress=on_progress,
            )
            store.save(table)
            kept.drop()
    return TableResult(table=table, path=store.path(*names))


def search(
    space: StrPath,
    devices: str | Device | Sequence[str | Device] = "host",
    *,
    max_latency: Limit = "",
    max_energy: Limit = "",
    max_ram: Limit = "",
    max_flash: Limit = "",
    min_accuracy: str | None = None,
    max_accuracy_drop: str | None = None,
    objectives: Sequence[str] = ("accuracy",),
    task: str | None = None,
    accuracy: str = "train",
    epochs: int = 6,
    final_epochs: int = 20,
    distil: bool = False,
    finalists: int = 3,
    trials: int = 50,
    sampler: str = "edgebench",
    seed: int = 0,
    study: str | None = None,
    storage: str = "",
    jobs: int = 1,
    dtypes: Mapping[str, str] | None = None,
    time_limit: str = "60s",
    label: str = "",
    results: StrPath = "results",
    progress: bool = False,
) -> SearchResult:
    """Find the networks of a space that meet every device's limits, measure the best, and export them.

    Args:
        space: Name of a space, or path of its file.
        devices: What networks must run on; each needs a lookup table.
        max_latency: ``"50ms"`` for every device, or ``{"host": "5ms"}``; the other limits likewise.
        max_energy: Such as ``"2mJ"``.
        max_ram: Such as ``"128KB"``.
        max_flash: Such as ``"512KB"``.
        min_accuracy: Minimum test accuracy, such as ``"95%"``.
        max_accuracy_drop: Compared with the largest network of the space, such as ``"2%"``.
        objectives: ``accuracy``, ``latency@DEVICE``, ``macs``, ...
        task: ``digits``, ``mnist5k``, an ``.npz`` file, a folder of images, or ``module:function``.
        accuracy: ``train``, ``supernet``, ``proxy:NAME`` or ``table:FILE``.
        epochs: Of a trial.
        final_epochs: Of a finalist.
        distil: Whether finalists imitate the largest network too.
        finalists: Number of networks to train fully and measure.
        trials: Total number in the study.
        sampler: ``edgebench``, or one of Optuna's.
        seed: Of everything random.
        study: Name of a study to resume or start.
        storage: URL of an Optuna storage, or ``@FILE`` with it; by default, a journal in the results folder.
        jobs: Number of parallel trainings.
        dtypes: By device, ``float32`` or ``int8``; by default, what the device takes.
        time_limit: Time to measure one finalist on one device.
        label: Name of the run in reports.
        results: Folder of tables, studies and runs.
        progress: Whether to show a progress bar.

    Raises:
        InputError: A limit, a task, a table or a source of accuracy is missing or wrong.
        NotComparableError: The study was started with other settings.
        StorageError: The storage became unreachable; finished work is in it.
        KeyboardInterrupt: Finished work is kept.
    """
    from edgebench.cli.compose import compose_label, compose_plan
    from edgebench.cli.limits import compose_budget, compose_objectives
    from edgebench.flows.lut.opening import open_tables
    from edgebench.flows.search.recording import record_search
    from edgebench.flows.search.request import SearchRequest, new_study_name
    from edgebench.flows.spaces import open_space
    from edgebench.tasks.recipe import Recipe
    from edgebench.workers.training.jobs import TaskText

    folder = Path(results)
    opened, chosen = open_space(str(space)), devices_of(devices, {}, None, tables=folder)
    tables = open_tables(folder, opened, chosen, dtypes or {})
    limits = {"latency": max_latency, "energy": max_energy, "ram": max_ram, "flash": max_flash}
    request = SearchRequest(
        space=opened,
        devices=tuple(chosen),
        tables=tables,
        budget=compose_budget(
            {name: limit_texts(limit) for name, limit in limits.items()},
            tables,
            min_accuracy=min_accuracy,
            max_accuracy_drop=max_accuracy_drop,
        ),
        objectives=compose_objectives(",".join(objectives), chosen),
        accuracy=accuracy,
        task=None if task is None else TaskText(text=task, seed=seed),
        recipe=Recipe(epochs=epochs),
        final_recipe=Recipe(epochs=final_epochs, distillation=0.5 if distil else 0.0),
        finalists=finalists,
        sampler=sampler,
        trials=trials,
        seed=seed,
        study=study or new_study_name(opened.name),
        storage=storage,
        jobs=jobs,
        results=folder,
    )
    plan = compose_plan(repetitions=5, time_limit=time_limit, goal="2%", memory_limit=None, layers=False)
    with progress_shown(progress) as on_progress:
        recorded = record_search(
            request,
            plan,
            command=("edgebench.search", opened.name),
            label=compose_label(label),
            on_progress=on_progress,
        )
    if recorded.interrupted or recorded.path is None:
        raise KeyboardInterrupt
    return SearchResult(run=recorded.run, path=recorded.path)


def devices() -> DeviceList:
    """Every device that can be found, ready or not."""
    from edgebench.flows.devices import all_statuses

    return DeviceList(statuses=tuple(all_statuses()))


def load_run(reference: StrPath | None = None, *, results: StrPath = "results") -> RunResult:
    """A saved run.

    Args:
        reference: Path, name or name prefix; by default, the newest run.
        results: Folder that names are looked up in.

    Raises:
        InputError: No run, or more than one, matches that reference.
        StorageError: The file is damaged or newer than this edgebench.
    """
    from edgebench.store.runs import RunStore

    store = RunStore(Path(results))
    run = store.latest() if reference is None else store.load(str(reference))
    return RunResult(run=run, path=store.path(run.name))
