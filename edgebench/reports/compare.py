"""Runs, files or revisions side by side: ratios, how well they are known, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgebench.gate.comparison import Ratio
from edgebench.gate.limits import figure_title
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, filled

_TITLES = {
    "model": "model",
    "device": "device",
    "figure": "figure",
    "second": "",
    "before": "",
    "after": "value",
    "change": "change",
    "significant": "significant",
    "note": "",
}
_NOT_IN_TURN = (
    "these runs did not take turns: an interval covers the spread of fresh processes, not what else changed on the "
    "machine between the runs; compare the model files to be sure"
)


def compare_report(ratios: Sequence[Ratio]) -> Report:
    """A table for each pair that is compared, and a remark for whatever cannot be."""
    pairs = list(dict.fromkeys((ratio.first, ratio.second) for ratio in ratios))
    tables = [_table([ratio for ratio in ratios if (ratio.first, ratio.second) == pair]) for pair in pairs]
    return Report(
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(ratios)),
        records=tuple(_record(ratio) for ratio in ratios),
    )


def change_text(ratio: Ratio) -> str | None:
    """``+5.1% [+4.6%, +5.5%]``; None where there is no ratio."""
    if ratio.change is None:
        return None
    text = f"{ratio.change:+.2%}"
    return text if ratio.low is None or ratio.high is None else f"{text} [{ratio.low:+.2%}, {ratio.high:+.2%}]"


def _table(ratios: Sequence[Ratio]) -> ReportTable:
    rows: list[Mapping[str, Cell]] = [
        {
            "model": ratio.model,
            "device": ratio.device,
            "figure": figure_title(ratio.figure),
            "before": ratio.before,
            "after": ratio.after,
            "change": change_text(ratio),
            "significant": {True: "yes", False: "no", None: "unknown"}[ratio.significant],
            "note": "NOT COMPARABLE" if ratio.forced else None,
        }
        for ratio in ratios
        if ratio.figure
    ]
    titles = {**_TITLES, "before": ratios[0].first, "after": ratios[0].second}
    columns = [Column(key=key, title=title) for key, title in titles.items()]
    intervals = any(ratio.low is not None for ratio in ratios)
    return ReportTable(
        title=f"{ratios[0].second} against {ratios[0].first}",
        columns=filled(columns, rows),
        rows=tuple(rows),
        caption="changes in brackets: the 95 % interval" if intervals else "",
    )


def _remarks(ratios: Sequence[Ratio]) -> Iterator[Remark]:
    seen = set()
    for ratio in ratios:
        subject = f"{ratio.model} on {ratio.device}"
        if ratio.reason and (subject, ratio.reason) not in seen:
            seen.add((subject, ratio.reason))
            text = f"{ratio.second} and {ratio.first} cannot be compared because of {ratio.reason}"
            if ratio.forced:
                yield Remark(kind=Kind.WARNING, code=Code.NOT_COMPARABLE, subject=subject, text=text)
            else:
                remedy = "--force shows the ratio all the same, marked"
                yield Remark(kind=Kind.FAILURE, code=Code.NOT_COMPARABLE, subject=subject, text=text, remedy=remedy)
    if any(ratio.low is not None and not ratio.paired for ratio in ratios):
        yield Remark(kind=Kind.NOTE, code=Code.CONDITIONS_DIFFER, subject="compare", text=_NOT_IN_TURN)


def _record(ratio: Ratio) -> Mapping[str, object]:
    return {
        "model": ratio.model,
        "device": ratio.device,
        "figure": ratio.figure or None,
        "first": ratio.first,
        "second": ratio.second,
        "before": None if ratio.before is None else ratio.before.value,
        "before.provenance": None if ratio.before is None else ratio.before.provenance.value,
        "after": None if ratio.after is None else ratio.after.value,
        "after.provenance": None if ratio.after is None else ratio.after.provenance.value,
        "unit": None if ratio.after is None else ratio.after.unit,
        "change": ratio.change,
        "change.low": ratio.low,
        "change.high": ratio.high,
        "significant": ratio.significant,
        "paired": ratio.paired,
        "reason": ratio.reason or None,
        "forced": ratio.forced,
    }
