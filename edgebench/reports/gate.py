"""What a gate found: the verdict on each figure, what got slower, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edgebench.core.figure import ACCURACY
from edgebench.core.metric import Metric
from edgebench.gate.limits import figure_title
from edgebench.gate.verdict import Finding, GateResult, LayerChange, Mode, Verdict
from edgebench.reports.checks import Check, finding_check
from edgebench.reports.codes import Code, Kind
from edgebench.reports.numbers import format_value
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, filled, plain_columns

_TITLES = {
    "model": "model",
    "device": "device",
    "figure": "figure",
    "verdict": "verdict",
    "before": "baseline",
    "after": "candidate",
    "change": "change",
    "limit": "limit",
}
_CODES: Mapping[Verdict, tuple[Kind, Code]] = {
    Verdict.IMPROVED: (Kind.NOTE, Code.GATE_IMPROVED),
    Verdict.REGRESSED: (Kind.FAILURE, Code.GATE_REGRESSED),
    Verdict.BOUND_BROKEN: (Kind.FAILURE, Code.GATE_CEILING_BROKEN),
    Verdict.INCONCLUSIVE: (Kind.FAILURE, Code.GATE_INCONCLUSIVE),
    Verdict.INCOMPARABLE: (Kind.FAILURE, Code.GATE_INCOMPARABLE),
    Verdict.NOT_MEASURED: (Kind.FAILURE, Code.GATE_NOT_MEASURED),
    Verdict.PASSED: (Kind.NOTE, Code.GATE_NOTE),
}
_SHOUTED = {Verdict.REGRESSED, Verdict.BOUND_BROKEN}


def gate_report(result: GateResult, *, allow_inconclusive: bool = False) -> Report:
    """The verdicts in one table, the layers that got slower in another, and a remark for each that is not plain.

    Args:
        result: What was found.
        allow_inconclusive: Whether an inconclusive verdict counts as passed where checks are counted.
    """
    findings = result.findings
    paired = any(finding.pairs for finding in findings)
    caption = f"against {result.baseline}"
    if paired:
        caption += "; changes in brackets: bounds over pairs of fresh processes that ran in turn"
    tables = [
        findings_table(findings, f"Gate: {summary(findings)}", caption),
        _layers(findings),
    ]
    remarks = [
        *finding_remarks(findings, update=result.update),
        *(Remark(kind=Kind.NOTE, code=Code.GATE_NOTE, subject="gate", text=note) for note in result.notes),
        *(Remark(kind=Kind.WARNING, code=Code.MACHINE, subject="this machine", text=text) for text in result.warnings),
    ]
    return Report(
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(remarks),
        records=tuple(_record(finding, result) for finding in findings),
        checks=_checks(findings, result.sources, result.file, result.update, allow_inconclusive=allow_inconclusive),
    )


def with_limits(report: Report, findings: Sequence[Finding], sources: Mapping[str, str] | None = None) -> Report:
    """A report on profiles with the verdicts on absolute limits: a table after the answer, and remarks.

    Args:
        report: On profiles.
        findings: Verdicts on limits; nothing changes if there are none.
        sources: By short name of a model, what was typed for it.
    """
    if not findings:
        return report
    table = findings_table(findings, f"Limits: {summary(findings)}", "")
    return replace(
        report,
        tables=(*report.tables[:1], table, *report.tables[1:]),
        remarks=(*finding_remarks(findings), *report.remarks),
        checks=(*report.checks, *_checks(findings, sources or {}, "", None)),
    )


def summary(findings: Sequence[Finding]) -> str:
    """How often each verdict was given, the worst first: ``1 regressed, 5 passed``."""
    counts = Counter(finding.verdict for finding in findings)
    order = (
        Verdict.REGRESSED,
        Verdict.BOUND_BROKEN,
        Verdict.NOT_MEASURED,
        Verdict.INCOMPARABLE,
        Verdict.INCONCLUSIVE,
        Verdict.IMPROVED,
        Verdict.PASSED,
    )
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in order if counts[verdict]) or "nothing compared"


def findings_table(findings: Sequence[Finding], title: str, caption: str) -> ReportTable:
    """One row for each figure."""
    rows: list[Mapping[str, Cell]] = [
        {
            "model": finding.model,
            "device": finding.device,
            "figure": figure_title(finding.figure) if finding.figure else "all",
            "before": finding.before,
            "after": finding.after,
            "change": change_text(finding) or None,
            "limit": finding.limit or None,
            "verdict": finding.verdict.upper() if finding.verdict in _SHOUTED else finding.verdict.value,
        }
        for finding in findings
    ]
    columns = [
        Column(key=key, title=heading, interval=key == "after" and all(f.mode is Mode.BOUND for f in findings))
        for key, heading in _TITLES.items()
    ]
    return ReportTable(title=title, columns=filled(columns, rows), rows=tuple(rows), caption=caption)


def finding_remarks(findings: Sequence[Finding], *, update: str | None = None) -> Iterator[Remark]:
    """A sentence for each finding that is not a plain pass.

    Args:
        findings: All of them.
        update: The command that accepts new figures, offered for improvements and regressions.
    """
    for finding in findings:
        if finding.verdict is Verdict.PASSED and not finding.reason:
            continue
        kind, code = _CODES[finding.verdict]
        remedy = _remedy(finding, update)
        yield Remark(kind=kind, code=code, subject=finding.subject, text=sentence(finding), remedy=remedy)


def sentence(finding: Finding) -> str:
    """A finding in words: what became of the figure, by how much, why, and which layers."""
    title = figure_title(finding.figure) if finding.figure else "nothing"
    change = change_text(finding)
    parts = [f"{title} {finding.verdict}" if finding.figure else str(finding.verdict)]
    if finding.verdict is Verdict.BOUND_BROKEN:
        parts = [f"{title} breaks its limit"]
    if finding.after is not None and finding.mode is Mode.BOUND:
        parts[0] += f": {format_value(finding.after.value, finding.after.unit)}"
    elif change:
        parts[0] += f": {change}"
    if finding.limit:
        parts[0] += f" (limit {finding.limit})"
    if finding.pairs:
        parts.append(f"{finding.pairs} pairs of processes")
    if finding.reason:
        parts.append(finding.reason)
    if finding.layers:
        parts.append(f"slower: {', '.join(map(_layer_text, finding.layers))}")
    return "; ".join(parts)


def change_text(finding: Finding) -> str:
    """``+5.1% [+4.6%, +5.5%]``; empty where a change has no meaning."""
    if finding.figure == ACCURACY and finding.before is not None and finding.after is not None:
        return f"{100 * (finding.after.value - finding.before.value):+.2f} points"
    if finding.change is None:
        return ""
    text = f"{finding.change:+.2%}" if abs(finding.change) < 0.1 else f"{finding.change:+.1%}"
    if finding.low is None or finding.high is None:
        return text
    return f"{text} [{finding.low:+.2%}, {finding.high:+.2%}]"


def _checks(
    findings: Sequence[Finding],
    sources: Mapping[str, str],
    file: str,
    update: str | None,
    *,
    allow_inconclusive: bool = False,
) -> tuple[Check, ...]:
    return tuple(
        finding_check(
            finding,
            code=_CODES[finding.verdict][1],
            text=sentence(finding),
            remedy=_remedy(finding, update),
            source=sources.get(finding.model, ""),
            baseline=file,
            allow_inconclusive=allow_inconclusive,
        )
        for finding in findings
    )


def _remedy(finding: Finding, update: str | None) -> str | None:
    accepted = finding.verdict in {Verdict.IMPROVED, Verdict.REGRESSED}
    if finding.remedy is not None or update is None or not accepted:
        return finding.remedy
    return _accept(finding.verdict, update)


def _accept(verdict: Verdict, update: str) -> str:
    if verdict is Verdict.IMPROVED:
        return f"keep it: {update}"
    return f"if it is worth it: {update}"


def _layers(findings: Sequence[Finding]) -> ReportTable:
    rows: list[Mapping[str, Cell]] = [
        {
            "model": finding.model,
            "device": finding.device,
            "layer": layer.name,
            "before": None if layer.before is None else format_value(layer.before, layer.unit),
            "after": format_value(layer.after, layer.unit),
            "added": format_value(layer.growth, layer.unit),
        }
        for finding in findings
        for layer in finding.layers
    ]
    titles = {"before": "baseline", "after": "candidate"}
    columns = plain_columns(rows[0] if rows else (), titles)
    return ReportTable(title="Layers that got slower", columns=columns, rows=tuple(rows))


def _layer_text(layer: LayerChange) -> str:
    after = format_value(layer.after, layer.unit)
    if layer.before is None:
        return f"{layer.name} (new, {after})"
    return f"{layer.name} ({format_value(layer.before, layer.unit)} to {after})"


def _record(finding: Finding, result: GateResult) -> Mapping[str, object]:
    return {
        "model": finding.model,
        "device": finding.device,
        "figure": finding.figure or None,
        "verdict": finding.verdict.value,
        "mode": finding.mode.value,
        **_figure("before", finding.before),
        **_figure("after", finding.after),
        "change": finding.change,
        "change.low": finding.low,
        "change.high": finding.high,
        "pairs": finding.pairs or None,
        "limit": finding.limit or None,
        "reason": finding.reason or None,
        "remedy": finding.remedy,
        "layers": [
            {"layer": layer.name, "before": layer.before, "after": layer.after, "unit": layer.unit}
            for layer in finding.layers
        ],
        "log_ratios": list(finding.ratios),
        "baseline": result.baseline,
        "started": result.started,
    }


def _figure(key: str, metric: Metric | None) -> Mapping[str, object]:
    return {
        key: None if metric is None else metric.value,
        f"{key}.unit": None if metric is None else metric.unit,
        f"{key}.provenance": None if metric is None else metric.provenance.value,
    }
