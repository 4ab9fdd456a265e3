"""Holds models to a baseline: measured figures in pairs of processes, all others by their values."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from edgebench.core.baseline import BaselineEntry
from edgebench.core.device import Device
from edgebench.core.figure import ACCURACY
from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import Outcome, Profile
from edgebench.core.summary import summarise
from edgebench.errors import EdgebenchError
from edgebench.flows.gate.accuracy import Accuracy, Classifying, accuracy_of, difference_text
from edgebench.flows.gate.entries import entry_of, metric_of, other_conditions, other_interface, other_machine
from edgebench.flows.gate.paired import compare_paired, refuse_steps
from edgebench.flows.gate.request import GateRequest, Reference
from edgebench.flows.gate.stored import Comparison, compare_exact, profiled_once
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.gate.ceilings import bound_findings, meant
from edgebench.gate.judging import judge_exact, relative_change
from edgebench.gate.limits import OUTPUTS
from edgebench.gate.verdict import Finding, GateResult, Mode, Verdict
from edgebench.machine.description import describe_machine, machine_warnings
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.model_jobs import CompareOutputs
from edgebench.workers.training.jobs import Predictions
from edgebench.workers.worker import ChildError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One candidate on one device, and what it is held to."""

    after: Ready
    entry: BaselineEntry | None
    before: Ready | Profile | None
    reference: Reference


def gate(
    request: GateRequest,
    *,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> GateResult:
    """Hold every model on every device to its baseline.

    What happens to one model does not end the others: it becomes a verdict.

    Args:
        request: What to hold to what.
        on_progress: Called before each step.
        workers: Start the processes that models are read and run in.

    Raises:
        InputError: A limit makes no sense for what it limits.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    findings: list[Finding] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder:
        done = 0.0

        def say(text: str) -> None:
            on_progress(ProfileProgress(done=done, text=text))

        preparation = Preparation(folder, request.plan, request.inputs, workers, say)
        flow = _Gate(request, preparation, workers, say)
        try:
            for number, (model, device) in enumerate(request.cells):
                done = number / len(request.cells)
                findings += flow.cell(model, device, notes)
        finally:
            flow.close()
    entries = () if request.baseline is None else request.baseline.entries
    return GateResult(
        baseline=_baseline_text(request),
        findings=tuple(meant(findings, request.limits, {name for entry in entries for name in entry.figures})),
        notes=tuple(dict.fromkeys(notes)),
        warnings=tuple(machine_warnings()) if flow.measures_here else (),
        started=started,
        update=None if request.baseline is None else f"edgebench baseline update {request.baseline.name} --reason WHY",
        machine=flow.elsewhere or describe_machine(),
        sources=flow.sources,
        file=request.baseline_file,
    )


class _Gate:
    def __init__(
        self, request: GateRequest, preparation: Preparation, workers: Workers, say: Callable[[str], None]
    ) -> None:
        self._request, self._preparation, self._workers, self._say = request, preparation, workers, say
        self._classifying = None if request.task is None else Classifying(request.task, workers, say)
        self.sources: dict[str, str] = {}
        self.elsewhere: Mapping[str, str] = {}
        self.measures_here = False

    def close(self) -> None:
        """End what was started."""
        if self._classifying is not None:
            self._classifying.close()

    def cell(self, model: str, device: Device, notes: list[str]) -> list[Finding]:
        """Everything about one model on one device."""
        self._say(f"reading {model}")
        after = self._preparation.prepare(model, device)
        self.sources[after.model.name] = model
        if isinstance(after, Profile):
            return [_not_run(after, "the candidate")]
        if after.host:
            self.elsewhere = after.machine
        reference = self._request.references.get(model, Reference(path=None, reason="there is no baseline's file"))
        baseline = self._request.baseline
        entry = None if baseline is None else baseline.entry(model, after.model.name, device.name)
        path = reference.path if reference.given or entry is not None else None
        before = None if path is None else self._preparation.prepare(path, device)
        held = _Held(after=after, entry=entry, before=before, reference=reference)
        if baseline is not None and entry is None and before is None:
            return [_incomparable(after, *_absent(held, self._request))]
        if after.sampled and entry is not None:
            notes += _other_options(entry, after)
            notes += self._other_machine(entry, after)
        if after.sampled:
            self.measures_here = self.measures_here or not after.machine
            place = f"host {after.host}" if after.host else "the board"
            notes += [f"{device.name}, {place}: {text}" for text in after.warnings]
        found = self._sampled(held) if after.sampled else self._repeated(held, notes)
        return [*found, *self._accuracy(held), *self._outputs(held)]

    def _other_machine(self, entry: BaselineEntry, after: Ready) -> list[str]:
        """What a reader must know of a baseline that another machine or board was measured for."""
        machine = {} if self._request.baseline is None else self._request.baseline.machine
        text = other_machine(entry, machine, after, describe_machine())
        return [text] if text else []

    def _sampled(self, held: _Held) -> list[Finding]:
        after, before = held.after, held.before
        refuse_steps(self._request, after.device.name)
        if isinstance(before, Profile):
            return [replace(_not_run(before, "the baseline"), model=after.model.name)]
        if before is None:
            finding = _incomparable(after, held.reference.reason, held.reference.remedy)
            return [replace(finding, verdict=Verdict.NOT_MEASURED)]
        other = other_interface(entry_of_ready(before), entry_of_ready(after))
        if other is not None:
            return [_incomparable(after, other, "give the model whose inputs and outputs are the same")]
        outcome = compare_paired(before, after, self._request, self._workers, self._say)
        figures = {} if outcome.profile is None else summarise(outcome.profile)
        if outcome.profile is None:
            return outcome.findings
        return [
            *outcome.findings,
            *bound_findings(
                after.model.name, after.device.name, figures, self._request.limits, skipped={ACCURACY, OUTPUTS}
            ),
        ]

    def _repeated(self, held: _Held, notes: list[str]) -> list[Finding]:
        after = held.after
        self._say(f"simulating {after.name}")
        profile = profiled_once(after, self._request.plan, self._request.inputs, self._workers)
        if profile.outcome is not Outcome.OK:
            return [_not_run(profile, "the candidate")]
        current, before, mode = entry_of(profile), held.entry, Mode.STORED
        differing = [] if before is None else other_conditions(before, current)
        if before is None or differing:
            made = self._baseline_here(held)
            if isinstance(made, Finding) and before is None:
                return [made]
            if isinstance(made, BaselineEntry):
                before, mode = made, Mode.COMPUTED
        if differing:
            how = "; the baseline's file was compiled again here" if mode is Mode.COMPUTED else ""
            notes.append(f"{current.subject}: not as in the baseline: {'; '.join(differing)}{how}")
        if before is None:
            return [_incomparable(after, held.reference.reason, held.reference.remedy)]
        other = other_interface(before, current)
        if other is not None:
            return [_incomparable(after, other, "give the model whose inputs and outputs are the same")]
        compared = Comparison(
            before=before, after=current, limits=self._request.limits, mode=mode, skipped=frozenset({ACCURACY})
        )
        figures = summarise(profile)
        limits, elsewhere = self._request.limits, {ACCURACY, OUTPUTS}
        bounds = bound_findings(current.model, current.device, figures, limits, skipped=elsewhere)
        return [*compare_exact(compared), *bounds]

    def _baseline_here(self, held: _Held) -> BaselineEntry | Finding:
        """The baseline's figures with the versions that are installed here, from its file."""
        if held.before is None:
            return _incomparable(held.after, held.reference.reason, held.reference.remedy)
        if isinstance(held.before, Profile):
            return replace(_not_run(held.before, "the baseline"), model=held.after.model.name)
        self._say(f"simulating {held.before.name}")
        profile = profiled_once(held.before, self._request.plan, self._request.inputs, self._workers)
        if profile.outcome is not Outcome.OK:
            return replace(_not_run(profile, "the baseline"), model=held.after.model.name)
        return entry_of(profile)

    def _accuracy(self, held: _Held) -> list[Finding]:
        after, limits = held.after, self._request.limits
        name = after.device.name
        limit = limits.tolerance(ACCURACY, name)
        base = Finding(
            model=after.model.name,
            device=name,
            figure=ACCURACY,
            verdict=Verdict.NOT_MEASURED,
            mode=Mode.STORED,
            limit="" if limit is None else limit.text,
        )
        if self._classifying is None:
            if not limits.asked_for(ACCURACY, name) and limits.bound(ACCURACY, name) is None:
                return []
            return [replace(base, reason="accuracy needs images", remedy="give --task")]
        predicted = self._classifying.predictions(after)
        if isinstance(predicted, EdgebenchError):
            return [replace(base, reason=f"the candidate: {predicted.what}", remedy=predicted.remedy)]
        found = accuracy_of(predicted)
        others = set(limits.figures(name)) - {ACCURACY}
        bounds = bound_findings(after.model.name, name, {ACCURACY: _point(found)}, limits, skipped=others)
        base = replace(base, after=found.metric)
        known = self._accuracy_before(held)
        if isinstance(known, tuple):
            value, metric, mode, text = known
            if isinstance(value, Predictions):
                text = difference_text(value, predicted)
            verdict, why = judge_exact(limit, metric.value, found.value) if limit else (Verdict.PASSED, "")
            change = relative_change(metric.value, found.value)
            base = replace(base, verdict=verdict, mode=mode, before=metric, change=change, reason=why or text)
            return [base, *bounds]
        return [replace(base, verdict=Verdict.INCOMPARABLE, reason=known), *bounds]

    def _accuracy_before(self, held: _Held) -> tuple[Predictions | None, Metric, Mode, str] | str:
        """What the baseline's accuracy is and where it is from, or why it is not known."""
        if self._classifying is None:
            return "no task"
        if isinstance(held.before, Ready):
            predicted = self._classifying.predictions(held.before)
            if isinstance(predicted, EdgebenchError):
                return f"the baseline: {predicted.what}"
            return predicted, accuracy_of(predicted).metric, Mode.COMPUTED, ""
        stored = None if held.entry is None else held.entry.figures.get(ACCURACY)
        if held.entry is None or stored is None:
            return "the baseline has no accuracy"
        if held.entry.task_digest != self._classifying.digest():
            return f"the baseline's accuracy is of other data (task {held.entry.task or 'unknown'})"
        return None, metric_of(stored, held.entry), Mode.STORED, ""

    def _outputs(self, held: _Held) -> list[Finding]:
        after, name = held.after, held.after.device.name
        limit = self._request.limits.tolerance(OUTPUTS, name)
        if limit is None:
            return []
        base = Finding(
            model=after.model.name,
            device=name,
            figure=OUTPUTS,
            verdict=Verdict.NOT_MEASURED,
            mode=Mode.COMPUTED,
            limit=limit.text,
        )
        if not isinstance(held.before, Ready):
            return [replace(base, reason="outputs need the baseline's file", remedy=held.reference.remedy)]
        order = CompareOutputs(
            device=after.device,
            before=held.before.path,
            after=after.path,
            inputs=after.input_source(self._request.inputs),
        )
        self._say(f"comparing outputs of {after.name}")
        try:
            with self._workers.measuring(memory_limit_bytes=self._request.plan.memory_limit_bytes) as worker:
                compared = worker.ask(order, timeout_s=self._request.plan.time_limit_s)
        except ChildError as error:
            unavailable = error.outcome is Outcome.UNAVAILABLE
            return [replace(base, reason=error.message, remedy=error.remedy, unavailable=unavailable)]
        if compared.difference is None:
            verdict = Verdict.INCOMPARABLE if compared.compared else Verdict.NOT_MEASURED
            return [replace(base, verdict=verdict, reason=compared.reason or "")]
        value = Metric(
            value=compared.difference,
            unit="",
            provenance=Provenance.MEASURED,
            method="largest difference of an output as a share of its largest value, same random inputs",
        )
        verdict = Verdict.PASSED if compared.difference <= limit.value else Verdict.REGRESSED
        return [replace(base, verdict=verdict, after=value)]


def _point(found: Accuracy) -> Metric:
    """The accuracy on these very samples, which is exact."""
    return replace(found.metric, low=None, high=None)


def entry_of_ready(ready: Ready) -> BaselineEntry:
    """What is known of a model on a device before it runs."""
    return entry_of(Profile(model=ready.model, device=ready.device, outcome=Outcome.OK))


def _other_options(entry: BaselineEntry, after: Ready) -> list[str]:
    """What a reader of a ratio must know: both models ran with today's options, whatever the baseline ran with."""
    options = [text for text in other_conditions(entry, entry_of_ready(after)) if text.startswith("option ")]
    return [f"{entry.subject}: not as in the baseline: {'; '.join(options)}"] if options else []


def _absent(held: _Held, request: GateRequest) -> tuple[str, str]:
    """Why the baseline says nothing of a cell, and what helps."""
    baseline = request.baseline
    known = [] if baseline is None else [entry.subject for entry in baseline.entries]
    listed = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
    name = "" if baseline is None else baseline.name
    return (
        f"baseline {name} has no {held.after.model.name} on {held.after.device.name}; it has {listed or 'nothing'}",
        f"edgebench baseline update {name} MODEL -d {held.after.device.name} --reason WHY",
    )


def _incomparable(after: Ready, reason: str, remedy: str | None) -> Finding:
    return Finding(
        model=after.model.name,
        device=after.device.name,
        verdict=Verdict.INCOMPARABLE,
        mode=Mode.PAIRED if after.sampled else Mode.STORED,
        reason=reason,
        remedy=remedy,
    )


def _not_run(profile: Profile, who: str) -> Finding:
    failure = profile.failure
    return Finding(
        model=profile.model.name,
        device=profile.device.name,
        verdict=Verdict.NOT_MEASURED,
        mode=Mode.STORED,
        reason=f"{who}: {profile.outcome}: {failure.message if failure else 'no figures'}",
        remedy=failure.remedy if failure else None,
        unavailable=profile.outcome is Outcome.UNAVAILABLE,
    )


def _baseline_text(request: GateRequest) -> str:
    texts = [] if request.baseline is None else [f"baseline {request.baseline.name}"]
    files = dict.fromkeys(reference.text for reference in request.references.values() if reference.text)
    return "; ".join([*texts, *files]) or "nothing"
