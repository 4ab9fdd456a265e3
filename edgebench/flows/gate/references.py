"""Where the baseline's file of a model comes from: given, out of git's history, or from what the baseline records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from edgebench.core.baseline import Baseline, BaselineEntry
from edgebench.errors import EdgebenchError, InputError
from edgebench.flows.gate.request import Reference
from edgebench.machine.repository import Repository
from edgebench.models.digest import digest_files

_GIVE = "give --baseline-model FILE or --baseline-ref REVISION"
_ZOO = "zoo:"
_MOST_COMMITS = 50


def given_references(models: list[str], files: list[str]) -> dict[str, Reference]:
    """Files that the user gave: one for each model, or one for all.

    Raises:
        InputError: The numbers do not match, or a file does not exist.
    """
    if len(files) not in {1, len(models)}:
        raise InputError(
            f"{len(files)} baseline models for {len(models)} models",
            where="--baseline-model",
            remedy="give one for each model, in the same order, or one for all",
        )
    for file in files:
        if not file.startswith(_ZOO) and ":" not in file and not Path(file).is_file():
            raise InputError("no such file", where=f"--baseline-model {file}")
    paired = files * len(models) if len(files) == 1 else files
    return {model: Reference(path=file, text=file) for model, file in zip(models, paired, strict=True)}


def references_of_revision(models: list[str], revision: str, folder: str) -> dict[str, Reference]:
    """The same paths as they were at a revision.

    Raises:
        InputError: A model is not a file, there is no such revision, or it lacks the file.
    """
    repository = Repository(Path.cwd())
    commit = repository.commit(revision)
    found = {}
    for model in models:
        if model.startswith(_ZOO) or (":" in model and not Path(model).exists()):
            raise InputError("git has only the history of files", where=model, remedy="give --baseline-model instead")
        path = repository.extract(revision, Path(model), Path(mkdtemp(dir=folder)))
        found[model] = Reference(path=str(path), text=f"{model} at {revision} ({commit[:9]})")
    return found


def recorded_references(models: list[str], baseline: Baseline, folder: str) -> dict[str, Reference]:
    """What a baseline's figures were made from, if it can be found again: the same file, or the same in git's history.

    Nothing is raised: a file is needed only for figures that are measured.
    """
    return {model: replace(_recorded(model, baseline, folder), given=False) for model in models}


def _recorded(model: str, baseline: Baseline, folder: str) -> Reference:
    entry = _entry(model, baseline)
    if entry is None:
        return Reference(path=None, reason=f"baseline {baseline.name} has no such model", remedy=_GIVE)
    text = f"{entry.source} of baseline {baseline.name}"
    if entry.source.startswith(_ZOO) or _has_digest(Path(entry.source), entry.model_digest):
        return Reference(path=entry.source, text=text)
    try:
        return _from_history(entry, text, folder)
    except EdgebenchError as error:
        reason = f"the file that baseline {baseline.name} was made from cannot be found: {error.what}"
        return Reference(path=None, reason=reason, remedy=error.remedy or _GIVE)


def _entry(model: str, baseline: Baseline) -> BaselineEntry | None:
    """What a baseline says of a model on any device: that of the same path, file name or name."""
    name = Path(model).name.removeprefix(_ZOO)
    tests: tuple[Callable[[BaselineEntry], bool], ...] = (
        lambda entry: entry.source == model,
        lambda entry: Path(entry.source).name.removeprefix(_ZOO) == name,
        lambda entry: entry.model == Path(name).stem,
    )
    return next((entry for test in tests for entry in baseline.entries if test(entry)), None)


def _from_history(entry: BaselineEntry, text: str, folder: str) -> Reference:
    """The newest file in git's history with the digest that the baseline records.

    Raises:
        EdgebenchError: There is none, or git cannot say.
    """
    repository = Repository(Path.cwd())
    source = Path(entry.source)
    for commit in repository.commits_of(source, _MOST_COMMITS):
        try:
            path = repository.extract(commit, source, Path(mkdtemp(dir=folder)))
        except InputError:
            continue  # Deleted there, or its content is not on this machine.
        if _has_digest(path, entry.model_digest):
            return Reference(path=str(path), text=f"{text} at {commit[:9]}")
    raise InputError(
        f"no commit of {entry.source} has its digest",
        remedy=f"fetch more of the history, or {_GIVE}",
    )


def _has_digest(path: Path, digest: str) -> bool:
    """Whether a file, with the external data beside it, is that of a baseline."""
    beside = sorted(item for item in path.parent.glob("*") if item.name.startswith(f"{path.name}")) if path.name else []
    for files in ([path], [path, *(item for item in beside if item != path)]):
        try:
            if digest_files(files)[0] == digest:
                return True
        except InputError:
            return False
    return False
