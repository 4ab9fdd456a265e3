"""Wires what a user wants to compare: runs, model files, files of git revisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

from edgebench.core.device import Device
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.errors import InputError
from edgebench.flows.gate.comparing import FileRequest, compare_files, compare_runs, model_file
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.gate.comparison import Ratio
from edgebench.machine.repository import Repository
from edgebench.reports.naming import run_names
from edgebench.store.runs import RunStore

_KINDS = "give runs, model files, or files of revisions such as HEAD~1:model.onnx"


def compared(
    given: Sequence[str],
    devices: Sequence[Device],
    *,
    model: str | None,
    pairs: int,
    plan: MeasurementPlan,
    inputs: InputSource,
    force: bool,
    results: Path,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
) -> list[Ratio]:
    """Ratios of the first thing to each of the others.

    Args:
        given: Runs, files, ``REVISION:FILE``, or with ``model`` revisions only.
        devices: Where files are measured.
        model: The file that revisions are of.
        pairs: Pairs of fresh processes.
        plan: Limits of each process.
        inputs: Where inputs come from.
        force: Whether to form ratios of runs that cannot be compared.
        results: Folder of runs.
        on_progress: Called before each step.

    Raises:
        InputError: There are fewer than two things, or one is none of these, or they are of different kinds.
    """
    if len(given) < 2:
        raise InputError("two things are needed to compare", remedy=_KINDS)
    if len(set(given)) < len(given):
        raise InputError("one thing is given twice", remedy="a run says nothing about its own repeatability")
    kinds = [_is_file(text, model) for text in given]
    if len(set(kinds)) > 1:
        raise InputError("runs and files cannot be compared with each other", remedy=_KINDS)
    if not kinds[0]:
        store = RunStore(results)
        runs = [store.load(text) for text in given]
        if len({run.name for run in runs}) < len(runs):
            raise InputError("one run is given twice", remedy=_KINDS)
        names = run_names(runs)
        return compare_runs(runs, [names[run.name] for run in runs], force=force)
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        request = FileRequest(
            models=[_path(text, model, folder) for text in given],
            names=list(given),
            devices=devices,
            plan=plan,
            inputs=inputs,
            pairs=pairs,
        )
        return compare_files(request, on_progress=on_progress)


def _is_file(text: str, model: str | None) -> bool:
    return model is not None or model_file(text) or (":" in text and not text.endswith(".json"))


def _path(text: str, model: str | None, folder: str) -> str:
    """A model file, out of git's history if need be."""
    if model_file(text):
        return text
    revision, separator, path = text.partition(":")
    if not separator:
        path = model or ""
    if not path:
        raise InputError("neither a file nor a file of a revision", where=text, remedy=_KINDS)
    return str(Repository(Path.cwd()).extract(revision, Path(path), Path(mkdtemp(dir=folder))))
