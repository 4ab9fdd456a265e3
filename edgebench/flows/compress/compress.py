"""The verb ``compress``: every strategy is made, measured on every device, and judged."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from edgebench.compress.base import NotApplicableError
from edgebench.core.compression import CompressionRecord, StrategyResult, StrategyState
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Profile
from edgebench.errors import EdgebenchError, InputError, UnsupportedModelError
from edgebench.flows.compress.artefacts import Artefacts, Findings
from edgebench.flows.compress.designs import Designs
from edgebench.flows.compress.explore import Explored, explore
from edgebench.flows.compress.layer_costs import LayerCosts
from edgebench.flows.compress.measuring import Measuring
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.compress.verdict import judged, recommend
from edgebench.flows.judging import share_right
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.flows.search.ownership import one_at_a_time
from edgebench.models.file_artefact import FileArtefact
from edgebench.store.artefacts import load_either
from edgebench.store.strategies import Strategy
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.training.jobs import TaskFacts
from edgebench.workers.training.pool import TrainingPool, TrainingProcess, TrialFailedError

OnProgress = Callable[[ProfileProgress], None]
OnUpdate = Callable[[CompressionRecord, Sequence[Profile]], object]


class _Progress:
    """Reports what happens within one strategy as a share of all.

    Args:
        on_progress: Called for every step.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress, self.begun = on_progress, 0.0

    def __call__(self, progress: ProfileProgress) -> None:
        self._on_progress(replace(progress, done=self.begun))


class _Study:
    """One call of ``compress``."""

    def __init__(
        self,
        request: CompressRequest,
        plan: MeasurementPlan,
        on_progress: OnProgress,
        workers: Workers,
        process: TrainingProcess,
        pool: TrainingPool,
    ) -> None:
        self._request, self._plan, self._workers, self._process = request, plan, workers, process
        self._pool = pool
        self.progress = _Progress(on_progress)
        self.facts = None if request.task is None else process.facts(request.task)
        self._artefacts = Artefacts(
            request=request,
            process=process,
            workers=workers,
            on_progress=self.progress,
            facts=self.facts,
        )
        self._measuring = Measuring(
            request=request, process=process, plan=plan, on_progress=self.progress, workers=workers
        )
        self._costs = LayerCosts(
            artefacts=self._artefacts, process=process, plan=plan, on_progress=self.progress, workers=workers
        )
        self._designs = Designs(artefacts=self._artefacts, plan=plan, on_progress=self.progress, workers=workers)
        self.profiles: list[Profile] = []

    def begun(self) -> CompressionRecord:
        """The record without strategies: the model was read, and the reference's accuracy is known."""
        request, original = self._request, self._artefacts.original()
        predictions = self._measuring.reference(original)
        read = load_either(original.folder)
        sizes = read if isinstance(read, FileArtefact) else read.network
        return CompressionRecord(
            study=request.study,
            model=request.model,
            digest=original.key,
            task=_described(self.facts),
            devices=tuple(device.name for device in request.devices),
            budget=request.budget,
            seed=request.seed,
            parameters=sizes.parameters,
            macs=sizes.macs,
            unread=read.unread if isinstance(read, FileArtefact) else "",
            reference=None if predictions is None else share_right(predictions),
            wanted=len(request.strategies),
        )

    def explored(self, record: CompressionRecord) -> Explored:
        """What a search finds; test samples are not touched."""
        choosing = Measuring(
            request=self._request,
            process=self._process,
            plan=self._plan,
            on_progress=self.progress,
            workers=self._workers,
            part="validation",
        )

        def tries(text: str, accuracy: bool) -> StrategyResult:
            kind = "trained" if accuracy else "shape"
            name = hashlib.sha256(f"{kind} {text}".encode()).hexdigest()[:16]
            return self.result(Strategy(name=name, pipeline=text), choosing, accuracy=accuracy)

        return explore(self._request, record.digest, tries, self.progress, ahead=self._make_ahead)

    def _make_ahead(self, texts: Sequence[str]) -> None:
        """Train the networks of several pipelines at once; what fails fails again, and is told, when it is its turn."""

        def make(text: str) -> None:
            with self._pool.process() as process, suppress(EdgebenchError):
                strategy = Strategy(name=text, pipeline=text)
                passes = self._request.passes(strategy)
                # Measurements of layers and searches are not for this: they are one at a time.
                if not any(getattr(item, "by", "") or item.name == "redesign" for item in passes):
                    self._artefacts.with_process(process).made(passes, Findings(), text)

        self._artefacts.original()
        executor = ThreadPoolExecutor(self._request.jobs)
        try:
            for future in [executor.submit(make, text) for text in texts]:
                future.result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def result(
        self, strategy: Strategy, measuring: Measuring | None = None, *, accuracy: bool = True
    ) -> StrategyResult:
        """One strategy, whatever happens to it.

        Args:
            strategy: Its pipeline.
            measuring: What measures it; by default, what judges it in the end.
            accuracy: Whether its accuracy is wanted.
        """
        request = self._request
        passes = request.passes(strategy)
        try:
            original = self._artefacts.original()
            findings = replace(self._costs.of(passes), designs=self._designs.of(passes))
            made = self._artefacts.made(passes, findings, strategy.name)
            measured = (measuring or self._measuring).measured(strategy, made, original, accuracy=accuracy)
        except NotApplicableError as error:
            return self._without(strategy, StrategyState.NOT_APPLICABLE, error)
        except (TrialFailedError, UnsupportedModelError, InputError) as error:
            return self._without(strategy, StrategyState.FAILED, error)
        if measuring is None:
            self.profiles.extend(measured.profiles)
        return judged(measured.result, request.budget)

    def _without(self, strategy: Strategy, state: StrategyState, error: EdgebenchError) -> StrategyResult:
        return StrategyResult(
            name=strategy.name,
            pipeline=self._request.pipeline(strategy),
            state=state,
            reason=f"{error.what} ({error.remedy})" if error.remedy else error.what,
        )


def compress(
    request: CompressRequest,
    plan: MeasurementPlan,
    *,
    on_update: OnUpdate,
    on_progress: OnProgress = lambda _: None,
    workers: Workers = LOCAL,
) -> CompressionRecord:
    """Compress a model by every strategy, and recommend one.

    A strategy that fails or does not apply is a row of the result; the others go on. What an earlier call made or
    measured is not done again.

    Args:
        request: What to compress.
        plan: How long files are measured.
        on_update: Called with the record and all profiles after each strategy; saves them.
        on_progress: Called for every step.
        workers: Starts the processes that train and measure.

    Raises:
        InputError: The model or the task is wrong, or they do not fit each other.
        UnsupportedModelError: The model contains what networks cannot express.
        StorageError: A file cannot be written; finished work is kept.
        KeyboardInterrupt: Finished work is kept.
    """
    started = time.monotonic()
    # One process does what is done one at a time.
    count = 1 if request.jobs == 1 else 1 + request.jobs
    with TrainingPool(count, workers) as pool, pool.process() as process, one_at_a_time(request.folder, "compress"):
        study = _Study(request, plan, on_progress, workers, process, pool)
        record = study.begun()
        strategies = request.strategies
        if request.trials and not record.unread:
            found = study.explored(record)
            known = {request.pipeline(strategy) for strategy in strategies}
            strategies = (*strategies, *(best for best in found.best if best.pipeline not in known))
            record = replace(record, tried=found.tried, wanted=len(strategies))
        for number, strategy in enumerate(strategies):
            study.progress.begun = number / len(strategies)
            results = (*record.strategies, study.result(strategy))
            record = replace(record, strategies=results, seconds=time.monotonic() - started)
            on_update(record, study.profiles)
    return replace(
        record,
        recommendation=recommend(record.strategies, request.budget),
        seconds=time.monotonic() - started,
    )


def _described(facts: TaskFacts | None) -> str:
    if facts is None:
        return ""
    train, validation, test = facts.samples
    return f"{facts.name} {facts.digest[:16]}, {train:,} + {validation:,} + {test:,} samples"
