"""Stored runs: a list of them, and where each of their figures comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgebench.core.metric import Metric
from edgebench.core.profile import Profile
from edgebench.core.run import Run, RunSummary
from edgebench.core.summary import summarise
from edgebench.errors import EdgebenchError
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, filled, plain_table

_SHOWN = 200
"""Rows of a list for people; programs get all of them."""


def overview(runs: Sequence[RunSummary], damaged: Mapping[str, EdgebenchError] | None = None) -> Report:
    """One row per run: when it was, what it profiled, how it ended.

    Args:
        runs: Those that could be read.
        damaged: By name, why others could not.
    """
    rows: list[dict[str, Cell]] = [
        {
            "run": run.name,
            "label": run.label or None,
            "revision": run.revision or None,
            "started": run.started,
            "models": run.models,
            "devices": run.devices,
            "profiles": run.profiles,
            "complete": run.complete,
        }
        for run in runs
    ]
    remarks = tuple(
        Remark(kind=Kind.FAILURE, code=Code.NOT_VALID, subject=name, text=error.what, remedy=error.remedy)
        for name, error in (damaged or {}).items()
    )
    shown = plain_table("Runs", rows[-_SHOWN:])
    if len(rows) > _SHOWN:
        shown = replace(shown, caption=f"the newest {_SHOWN} of {len(rows):,}; all of them: --format csv, or json")
    return Report(tables=(shown,), remarks=remarks, records=tuple(rows))


def explain(runs: Sequence[Run]) -> Report:
    """One row per figure: which run, method, file and formula made it."""
    tables: list[ReportTable] = []
    records: list[Mapping[str, object]] = []
    for run in runs:
        for profile in run.profiles:
            figures = summarise(profile)
            subject = f"{profile.model.name} on {profile.device.name} (run {run.name})"
            tables.append(_explanations(subject, figures))
            records.extend(_explanation(run, profile, name, metric) for name, metric in figures.items())
    return Report(tables=tuple(tables), records=tuple(records))


def _explanations(title: str, figures: Mapping[str, Metric]) -> ReportTable:
    rows = [
        {"figure": name, "value": metric, "method": metric.method, "source": metric.source}
        for name, metric in figures.items()
    ]
    columns = (
        Column(key="figure", title="figure"),
        Column(key="value", title="value", interval=True),
        Column(key="method", title="method"),
        Column(key="source", title="source"),
    )
    return ReportTable(title=title, columns=filled(columns, rows), rows=tuple(rows))


def _explanation(run: Run, profile: Profile, name: str, metric: Metric) -> Mapping[str, object]:
    return {
        "run": run.name,
        "model": profile.model.name,
        "digest": profile.model.digest,
        "device": profile.device.name,
        "figure": name,
        "value": metric.value,
        "unit": metric.unit,
        "low": metric.low,
        "high": metric.high,
        "provenance": metric.provenance.value,
        "method": metric.method,
        "source": metric.source,
    }
