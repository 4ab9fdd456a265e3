"""Networks on their way through pipelines; what was made before is not made again."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgebench.compress.base import NotApplicableError, Pass
from edgebench.compress.layer_times import LayerTimes, SplitTimes
from edgebench.compress.low_rank import LowRank
from edgebench.compress.prune import Prune
from edgebench.compress.steps import pass_text
from edgebench.core.model import ModelFormat
from edgebench.core.profile import Outcome
from edgebench.errors import InputError, TargetUnavailableError, UnsupportedModelError
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.profile.preparation import conversion_limit_s
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.models.prepare import PrepareRequest
from edgebench.models.source import identify, parse_source
from edgebench.store.artefacts import is_complete
from edgebench.store.codec import to_plain
from edgebench.workers.base import Workers
from edgebench.workers.measuring.jobs import Prepare
from edgebench.workers.training.compress_jobs import ApplyPass, FoundDesign, ImportModel, KeepFiles
from edgebench.workers.training.jobs import Epoch, TaskFacts
from edgebench.workers.training.pool import OnEpoch, TrainingProcess
from edgebench.workers.worker import ChildError

_READ_S = 300.0
_NO_ONNX = "the model is a .tflite file, which does not become an .onnx file: host-litert has its CPU figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found out for the passes of a pipeline.

    Attributes:
        widths: By device, what layers cost with fewer channels.
        splits: By device, what layers cost if each is made two.
        designs: By search space, the network that a search found.
    """

    widths: dict[str, LayerTimes] = field(default_factory=dict)
    splits: dict[str, SplitTimes] = field(default_factory=dict)
    designs: dict[str, FoundDesign] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An artefact that is in its folder.

    Attributes:
        key: Digest of all that it was made from.
        folder: Where it is.
    """

    key: str
    folder: Path


class KeyLocks:
    """A lock for each key."""

    def __init__(self) -> None:
        self._all: dict[str, threading.Lock] = {}
        self._own = threading.Lock()

    def of(self, key: str) -> threading.Lock:
        """The lock of a key."""
        with self._own:
            return self._all.setdefault(key, threading.Lock())


@dataclass(slots=True, kw_only=True)
class Artefacts:
    """Makes artefacts, each in the folder of its key.

    Attributes:
        request: What is compressed.
        process: Trains and applies passes.
        workers: Starts the process that reads the model.
        on_progress: Called for every step.
        facts: What is known about the task, or None without one.
        locks: Shared with those that make artefacts at the same time.
        known: The original, once it was read.
    """

    request: CompressRequest
    process: TrainingProcess
    workers: Workers
    on_progress: Callable[[ProfileProgress], None]
    facts: TaskFacts | None
    locks: KeyLocks = field(default_factory=KeyLocks)
    known: Made | None = None

    def original(self) -> Made:
        """The model as a network, trained first if it is no better than guessing, or as files; it is read once.

        Raises:
            InputError: The model is not valid, or does not fit the task.
            UnsupportedModelError: It has neither an ONNX nor a TFLite form.
        """
        if self.known is None:
            self.on_progress(ProfileProgress(done=0.0, text=f"reading {self.request.model}"))
            self.known = self._imported()
        return self.known

    def with_process(self, process: TrainingProcess) -> Artefacts:
        """Others of the same compression, which another process makes."""
        return replace(self, process=process, known=self.original())

    def made(self, passes: Sequence[Pass], findings: Findings, name: str) -> Made:
        """What a pipeline makes of the original.

        Args:
            passes: In their order.
            findings: What passes choose by.
            name: Of the strategy, for progress.

        Raises:
            NotApplicableError: A pass can do nothing here.
            TrialFailedError: A training diverged.
        """
        original = current = self.original()
        for item in passes:
            current = self._applied(item, current, original, findings, name)
        return current

    def _applied(self, item: Pass, parent: Made, original: Made, findings: Findings, name: str) -> Made:
        request, text = self.request, pass_text(item)
        by, space = getattr(item, "by", ""), getattr(item, "space", "")
        widths = {by: findings.widths[by]} if isinstance(item, Prune) and by in findings.widths else {}
        splits = {by: findings.splits[by]} if isinstance(item, LowRank) and by in findings.splits else {}
        designs = {space: findings.designs[space]} if space in findings.designs else {}
        chosen = [[name, to_plain(value)] for part in (widths, splits, designs) for name, value in part.items()]
        key = self._key(parent.key, text, chosen)
        made = Made(key=key, folder=request.artefacts / key[:32])
        job = ApplyPass(
            text=text,
            parent=str(parent.folder),
            original=str(original.folder),
            folder=str(made.folder),
            task=request.task,
            epochs=request.epochs,
            seed=request.seed,
            costs=widths,
            splits=splits,
            designs=designs,
        )
        with self.locks.of(key):  # Pipelines that begin alike and are made at once make their beginning once.
            if is_complete(made.folder):
                return made
            self.on_progress(ProfileProgress(done=0.0, text=f"{name}: {text}"))
            facts = self.process.compress(job, self._on_epoch(f"{name}: {text}"))
        if facts.not_applicable:
            raise NotApplicableError(f"{text}: {facts.not_applicable}", remedy=facts.remedy or None)
        return made

    def _imported(self) -> Made:
        """The model as a network of ours with its weights, otherwise as files."""
        request = self.request
        source = parse_source(request.model)
        with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
            prepared = self._prepared(ModelFormat.TFLITE, folder)
            known = prepared if isinstance(prepared, Path) else self._as_onnx(folder)
            key = self._key("import", hashlib.sha256(known.read_bytes()).hexdigest(), _sorted(self._shapes()))
            made = Made(key=key, folder=request.artefacts / key[:32])
            if is_complete(made.folder):
                return made
            unread = str(prepared)
            if isinstance(prepared, Path):
                job = ImportModel(
                    model=str(prepared),
                    name=source.name,
                    folder=str(made.folder),
                    task=request.task,
                    epochs=request.epochs,
                    seed=request.seed,
                )
                unread = self.process.compress(job, self._on_epoch("training the original")).not_applicable
            if unread:
                self._keep(prepared, unread, made, folder)
        return made

    def _keep(self, tflite: Path | UnsupportedModelError, unread: str, made: Made, folder: str) -> None:
        """Keep a model that networks cannot express as files."""
        files, refusals = {}, {}
        source = parse_source(self.request.model)
        if source.path is not None and identify(source.path) is ModelFormat.TFLITE:
            refusals[".onnx"] = _NO_ONNX
        else:
            files[".onnx"] = str(self._as_onnx(folder))
        if isinstance(tflite, Path):
            files[".tflite"] = str(tflite)
        else:
            refusals[".tflite"] = tflite.what
        self.process.keep(
            KeepFiles(
                files=files,
                refusals=refusals,
                unread=unread,
                folder=str(made.folder),
                task=self.request.task,
                shapes=self._file_shapes(),
            )
        )

    def _as_onnx(self, folder: str) -> Path:
        """The model as an ONNX file.

        Raises:
            UnsupportedModelError: There is no way to it.
        """
        found = self._prepared(ModelFormat.ONNX, folder)
        if isinstance(found, UnsupportedModelError):
            raise found
        return found

    def _prepared(self, format_: ModelFormat, folder: str) -> Path | UnsupportedModelError:
        """The model in a format, or why not; files are read in a process of their own, because they are not trusted.

        Raises:
            InputError: The model is not valid.
        """
        request = self.request
        wanted = PrepareRequest(
            source=request.model,
            formats=(format_,),
            dtype=None,
            shapes=self._shapes(),
            seed=request.seed,
            folder=folder,
        )
        try:
            with self.workers.measuring() as worker:
                prepared = worker.ask(Prepare(wanted=wanted), timeout_s=conversion_limit_s(request.model, _READ_S))
        except ChildError as error:
            if error.outcome is Outcome.UNSUPPORTED:
                return UnsupportedModelError(error.message, remedy=error.remedy)
            kind = TargetUnavailableError if error.outcome is Outcome.UNAVAILABLE else InputError
            raise kind(error.message, remedy=error.remedy) from None
        return Path(prepared.path)

    def _file_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The user's shapes if the model's own file is kept; those of PyTorch modules are in what was exported."""
        return {} if parse_source(self.request.model).path is None else self.request.shapes

    def _shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The user's shapes; by default, that of the only input of a PyTorch module, as the task's images have it."""
        if self.request.shapes:
            return self.request.shapes
        if self.facts is None or parse_source(self.request.model).function is None:
            return {}
        height, width, channels = self.facts.input_shape
        return {"": (1, channels, height, width)}

    def _on_epoch(self, what: str) -> OnEpoch:
        def on_epoch(epoch: Epoch) -> bool:
            text = f"{what}: epoch {epoch.number}, validation accuracy {epoch.accuracy:.1%}"
            self.on_progress(ProfileProgress(done=0.0, text=text))
            return True

        return on_epoch

    def _key(self, parent: str, text: str, costs: Any) -> str:
        request = self.request
        task = None if request.task is None else [request.task.text, self.facts.digest if self.facts else ""]
        made_from = [parent, text, costs, task, request.seed, request.epochs, version("edgebench")]
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _sorted(shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, tuple[int, ...]]]:
    return sorted(shapes.items())
