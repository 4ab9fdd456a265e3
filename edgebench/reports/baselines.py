"""Baselines: a list of them, and what one holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgebench.core.baseline import Baseline, BaselineEntry, BaselineFigure
from edgebench.core.metric import Metric, Provenance
from edgebench.reports.report import Cell, Column, Report, ReportTable, figure_column, filled, plain_table


def baselines_report(baselines: Sequence[Baseline]) -> Report:
    """One row for each baseline: what it holds, and when and why it was last written."""
    rows: list[dict[str, Cell]] = [
        {
            "baseline": baseline.name,
            "models": ", ".join(dict.fromkeys(entry.model for entry in baseline.entries)),
            "devices": ", ".join(dict.fromkeys(entry.device for entry in baseline.entries)),
            "limits": ", ".join(baseline.limits) or None,
            "written": baseline.changes[-1].date if baseline.changes else None,
            "reason": baseline.changes[-1].reason if baseline.changes else None,
        }
        for baseline in baselines
    ]
    return Report(tables=(plain_table("Baselines", rows),), records=tuple(rows))


def baseline_report(baseline: Baseline) -> Report:
    """The figures of a baseline, and its history."""
    names = list(dict.fromkeys(name for entry in baseline.entries for name in entry.figures))
    rows: list[Mapping[str, Cell]] = [
        {
            "model": entry.model,
            "device": entry.device,
            **{name: _metric(figure) for name, figure in entry.figures.items()},
        }
        for entry in baseline.entries
    ]
    columns = [Column(key="model", title="model"), Column(key="device", title="device"), *map(figure_column, names)]
    limits = f"limits: {', '.join(baseline.limits)}" if baseline.limits else "the usual limits"
    history: list[dict[str, Cell]] = [
        {
            "date": change.date,
            "revision": None if change.revision is None else str(change.revision),
            "reason": change.reason,
        }
        for change in reversed(baseline.changes)
    ]
    return Report(
        tables=(
            ReportTable(
                title=f"Baseline {baseline.name}", columns=filled(columns, rows), rows=tuple(rows), caption=limits
            ),
            plain_table("Changes", history),
        ),
        records=tuple(_record(baseline, entry) for entry in baseline.entries),
    )


def _record(baseline: Baseline, entry: BaselineEntry) -> Mapping[str, object]:
    record: dict[str, object] = {
        "baseline": baseline.name,
        "model": entry.model,
        "source": entry.source,
        "digest": entry.model_digest,
        "device": entry.device,
        "target": entry.target,
    }
    for name, figure in entry.figures.items():
        record[name] = figure.value
        record[f"{name}.low"] = figure.low
        record[f"{name}.high"] = figure.high
        record[f"{name}.provenance"] = figure.provenance.value
    return record


def _metric(figure: BaselineFigure) -> Metric:
    return Metric(
        value=figure.value,
        unit=figure.unit,
        provenance=figure.provenance,
        method="from the baseline",
        low=figure.low,
        high=figure.high,
        source="the baseline" if figure.provenance is Provenance.ESTIMATED else None,
    )
