"""A search as tables: the best networks, finalists against limits, or why no network meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgebench.core.budget import Limit
from edgebench.core.figure import LATENCY, column_name, column_title, figure_of
from edgebench.core.metric import Metric, Provenance
from edgebench.core.run import Run
from edgebench.core.search import Finalist, Infeasibility, LimitFact, SearchRecord, TrialResult
from edgebench.reports.codes import Code, Kind
from edgebench.reports.predictions import Intervals, predicted
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, figure_column, plain_table


def search_report(record: SearchRecord) -> Report:
    """Everything there is to say about a search."""
    tables: list[ReportTable] = []
    if record.infeasibility is not None:
        tables += infeasible_tables(record.infeasibility)
    if record.front:
        tables.append(_front(record))
    if record.finalists:
        tables += [_checks(record), _accuracies(record)]
    return Report(
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(record)),
        records=tuple(_records(record)),
    )


def studies_report(runs: Sequence[Run]) -> Report:
    """One row per study, as its newest run has it."""
    newest = {run.search.study: (run, run.search) for run in runs if run.search is not None}
    rows: list[dict[str, Cell]] = [
        {
            "study": name,
            "space": record.space,
            "devices": ", ".join(record.tables),
            "trials": record.trials,
            "solutions": sum(finalist.solution for finalist in record.finalists),
            "complete": "yes" if run.complete else "no",
            "started": run.started,
        }
        for name, (run, record) in newest.items()
    ]
    return Report(tables=(plain_table("Studies", rows),) if rows else (), records=tuple(rows))


def _front(record: SearchRecord) -> ReportTable:
    single = len(record.objectives) == 1
    columns = [
        Column(key="trial", title="trial"),
        Column(key="architecture", title="architecture"),
        Column(key="accuracy", title="score" if _is_score(record) else "accuracy"),
    ]
    # Figures without a limit or an objective are in the records, but not on the screen.
    wanted = [limit.column for limit in record.budget.limits] + list(record.objectives)
    wanted += [column_name(LATENCY, device) for device in record.tables]
    names = [name for name in dict.fromkeys(wanted) if name in record.front[0].figures]
    columns += [figure_column(name, column_title(name)) for name in names]
    rows = tuple(_trial_row(trial, names, record.intervals) for trial in record.front)
    return ReportTable(
        title=f"Best network found in {record.space}" if single else f"Pareto front of {record.space}",
        columns=tuple(columns),
        rows=rows,
        caption=f"{record.accuracy}; costs as tables predict them",
    )


def _trial_row(trial: TrialResult, names: Sequence[str], intervals: Intervals) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "trial": trial.number,
        "architecture": trial.architecture,
        "accuracy": None if trial.accuracy is None else _accuracy(trial.accuracy),
    }
    for name in names:
        row[name] = predicted(name, trial.figures[name], intervals)
    return row


def _checks(record: SearchRecord) -> ReportTable:
    """Every finalist against every limit, predicted against found."""
    rows: list[dict[str, Cell]] = []
    for finalist in record.finalists:
        for check in finalist.checks:
            error = None
            if check.found is not None and check.found.value:
                error = f"{check.predicted / check.found.value - 1:+.1%}"
            rows.append(
                {
                    "network": finalist.architecture,
                    "met": ("predicted" if check.only_predicted else "yes") if check.holds else "NO",
                    "limit": column_title(check.limit.column),
                    "allowed": _exactly(check.limit),
                    "predicted": predicted(check.limit.column, check.predicted, record.intervals),
                    "found": check.found,
                    "error": error,
                }
            )
        for name, found in finalist.latencies.items():
            rows.append({"network": finalist.architecture, "limit": column_title(name), "found": found})
    return plain_table(
        "Finalists against the limits",
        rows,
        {"error": "predicted / found"},
        "a limit is met if the upper end of the interval or error band of what was found meets it",
    )


def _accuracies(record: SearchRecord) -> ReportTable:
    rows: list[dict[str, Cell]] = [
        {
            "network": finalist.architecture,
            "solution": _verdict(finalist),
            "device": item.device,
            "accuracy": str(item.accuracy),
            "drop": None if item.drop is None else str(item.drop),
            "classified by": item.runtime,
        }
        for finalist in record.finalists
        for item in finalist.accuracies
    ]
    drops = "; the drop is against the reference on the same samples" if any(row["drop"] for row in rows) else ""
    return plain_table(
        "Accuracy of the deployed models, on test samples that the search never saw",
        rows,
        caption=f"with 95 % intervals{drops}",
    )


def _verdict(finalist: Finalist) -> str:
    if finalist.solution:
        return "predicted" if finalist.unmeasured else "yes"
    return "undecided" if finalist.undecided else "no"


def _is_score(record: SearchRecord) -> bool:
    """Whether what trials are ranked by is no accuracy."""
    return record.accuracy.startswith("proxy")


def infeasible_tables(found: Infeasibility) -> Iterator[ReportTable]:
    """Which limit binds, what relaxing each would take, and which networks come nearest."""
    rows: list[dict[str, Cell]] = [
        {
            "limit": column_title(fact.limit.column),
            "allowed": _exactly(fact.limit),
            "least": predicted(fact.limit.column, fact.least, {}),
            "needed": None if fact.needed is None else predicted(fact.limit.column, fact.needed, {}),
            "cause": _cause(fact),
        }
        for fact in found.limits
    ]
    yield plain_table(
        "No network meets these limits",
        rows,
        {"least": "lowest of any network", "needed": "enough if only this changes"},
        "with the margin for prediction errors",
    )
    nearest: list[dict[str, Cell]] = [
        {
            "architecture": item.architecture,
            **{
                column_title(fact.limit.column): _excess(excess)
                for fact, excess in zip(found.limits, item.excess, strict=True)
            },
        }
        for item in found.nearest
    ]
    yield plain_table("The nearest networks, and by how much they exceed each limit", nearest)


def _excess(share: float) -> str:
    return f"{share:+.0%}" if share < 9 else f"{share + 1:,.0f} times"


def _cause(fact: LimitFact) -> str:
    if fact.least > fact.limit.value:
        return "no network meets it"
    return "binds with the others" if fact.needed is not None else "not only this one"


def _remarks(record: SearchRecord) -> Iterator[Remark]:
    share = "all" if record.complete else f"{record.looked_at:,} of"
    yield Remark(
        kind=Kind.NOTE,
        code=Code.ARCHITECTURES_LOOKED_AT,
        subject=record.space,
        text=f"looked at {share} {record.space_size:,} architectures; {record.feasible:,} meet the limits as predicted",
    )
    for device, text in record.tables.items():
        yield Remark(kind=Kind.NOTE, code=Code.TABLE_USED, subject=device, text=f"table: {text}")
        if text.endswith("not validated") and any(
            limit.device == device and limit.column not in record.intervals for limit in record.budget.limits
        ):
            yield Remark(
                kind=Kind.WARNING,
                code=Code.TABLE_NOT_VALIDATED,
                subject=device,
                text="its table is not validated: predictions have no margin",
                remedy=f"edgebench lut validate {record.space} -d {device}",
            )
    if record.task:
        yield Remark(kind=Kind.NOTE, code=Code.TASK, subject=record.study, text=f"task: {record.task}")
    if record.infeasibility is None:
        yield Remark(
            kind=Kind.NOTE,
            code=Code.TRIALS,
            subject=record.study,
            text=f"{record.trials} trials{_of_wanted(record)}, {record.pruned} cut short, {record.failed} failed; "
            f"sampler {record.sampler}, seed {record.seed}, {record.seconds:.0f} s; study in {record.storage}",
        )
    elif all(fact.needed is None for fact in record.infeasibility.limits):
        yield Remark(
            kind=Kind.NOTE,
            code=Code.RELAX_SEVERAL,
            subject=record.space,
            text="relaxing one limit is not enough: two or more must be relaxed",
        )
    if record.reference is not None:
        yield Remark(kind=Kind.NOTE, code=Code.REFERENCE, subject="reference", text=_reference(record))
    yield from _verdicts(record)


def _of_wanted(record: SearchRecord) -> str:
    ended = record.trials + record.pruned
    return f" of {record.wanted}" if record.wanted > ended else ""


def _reference(record: SearchRecord) -> str:
    reference = record.reference
    if reference is None:
        return ""
    parts = [reference.architecture]
    if reference.search_accuracy is not None:
        parts.append(f"{_accuracy(reference.search_accuracy)} after the training that trials get")
    if reference.test_accuracy is not None:
        parts.append(f"{reference.test_accuracy} test accuracy after full training")
    return ", ".join(parts)


def _verdicts(record: SearchRecord) -> Iterator[Remark]:
    for finalist in record.finalists:
        if finalist.solution:
            yield Remark(
                kind=Kind.NOTE,
                code=Code.SOLUTION,
                subject=finalist.architecture,
                text=f"{_solved(finalist)}; {_where(finalist)}",
            )
        else:
            yield Remark(
                kind=Kind.WARNING,
                code=Code.NOT_A_SOLUTION,
                subject=finalist.architecture,
                text=f"{'undecided' if finalist.undecided else 'not a solution'}: {'; '.join(finalist.faults)}",
            )
    ended = record.trials + record.pruned + record.failed
    if record.infeasibility is None and not record.front and (ended or not record.wanted):
        yield Remark(
            kind=Kind.FAILURE,
            code=Code.NO_TRIAL_ACCURATE,
            subject=record.study,
            text="no trial reaches the required accuracy",
            remedy="allow more --trials or --epochs, or require less accuracy",
        )
    if record.finalists and not any(finalist.solution for finalist in record.finalists):
        yield Remark(
            kind=Kind.FAILURE,
            code=Code.NO_SOLUTION,
            subject=record.study,
            text="no finalist meets every limit when checked",
            remedy=_what_helps(record),
        )


def _what_helps(record: SearchRecord) -> str:
    if any(finalist.undecided for finalist in record.finalists):
        return "give the task more test samples, or relax the limit of accuracy"
    return "validate the tables (edgebench lut validate), or relax the limit that is not met"


def _solved(finalist: Finalist) -> str:
    if finalist.unmeasured:
        devices = ", ".join(finalist.unmeasured)
        return f"a solution as predicted: not measured on {devices}, which is known by an imported table only"
    return "a solution: meets every limit when checked"


def _where(finalist: Finalist) -> str:
    return finalist.files[0].rpartition("/")[0] if finalist.files else ""


def _records(record: SearchRecord) -> Iterator[Mapping[str, object]]:
    """One flat row per trial of the front and per finalist."""
    for trial in record.front:
        yield {
            "study": record.study,
            "kind": "front",
            "architecture": trial.architecture,
            "trial": trial.number,
            "score" if _is_score(record) else "accuracy": trial.accuracy,
            **trial.figures,
        }
    for finalist in record.finalists:
        row: dict[str, object] = {
            "study": record.study,
            "kind": "finalist",
            "architecture": finalist.architecture,
            "trial": finalist.trial,
            "solution": finalist.solution,
            "faults": "; ".join(finalist.faults),
            "files": "; ".join(finalist.files),
        }
        for check in finalist.checks:
            row[check.limit.column] = None if check.found is None else check.found.value
            row[f"{check.limit.column}.predicted"] = check.predicted
            row[f"{check.limit.column}.limit"] = check.limit.value
        row |= {name: metric.value for name, metric in finalist.latencies.items()}
        for item in finalist.accuracies:
            row[f"test_accuracy@{item.device}"] = item.accuracy.value
            row[f"accuracy_drop@{item.device}"] = None if item.drop is None else item.drop.value
        yield row
    if record.infeasibility is not None:
        for fact in record.infeasibility.limits:
            yield {
                "study": record.study,
                "kind": "limit",
                "limit": fact.limit.column,
                "allowed": fact.limit.value,
                "least": fact.least,
                "needed": fact.needed,
            }


def _exactly(limit: Limit) -> Metric:
    return Metric(value=limit.value, unit=figure_of(limit.figure).unit, provenance=Provenance.EXACT, method="given")


def _accuracy(value: float) -> str:
    """A share in percent; a proxy's score unchanged."""
    return f"{value:.2%}" if 0 <= value <= 1 else f"{value:.3f}"
