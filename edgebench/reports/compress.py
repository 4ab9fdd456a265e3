"""A compression as tables: every strategy against every limit, one recommendation, and what each pass gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgebench.core.compression import (
    CompressionRecord,
    DeployedFile,
    StrategyCheck,
    StrategyResult,
    StrategyState,
)
from edgebench.core.figure import ENERGY, FLASH, LATENCY, RAM, column_name, column_title, figure_of
from edgebench.core.metric import Metric, Provenance
from edgebench.core.run import Run
from edgebench.reports.codes import Code, Kind
from edgebench.reports.numbers import format_value
from edgebench.reports.report import (
    Cell,
    Column,
    Remark,
    Report,
    ReportTable,
    figure_column,
    filled,
    plain_columns,
    plain_table,
)

_COSTS = (LATENCY, ENERGY, RAM, FLASH)


def compression_report(record: CompressionRecord) -> Report:
    """Everything there is to say about a compression."""
    tables = [_strategies(record), _rejected(record), _files(record), _passes(record), _tried(record)]
    return Report(
        tables=tuple(table for table in tables if table.rows),
        remarks=tuple(_remarks(record)),
        records=tuple(_records(record)),
    )


def compressions_report(runs: Sequence[Run]) -> Report:
    """One row per study, as its newest run has it."""
    newest = {run.compression.study: (run, run.compression) for run in runs if run.compression is not None}
    rows: list[dict[str, Cell]] = [
        {
            "study": name,
            "model": record.model,
            "devices": ", ".join(record.devices),
            "strategies": len(record.strategies),
            "solutions": sum(result.solution for result in record.strategies),
            "recommended": record.recommendation.strategy if record.recommendation else None,
            "complete": "yes" if run.complete else "no",
            "started": run.started,
        }
        for name, (run, record) in newest.items()
    ]
    return Report(tables=(plain_table("Compressions", rows),) if rows else (), records=tuple(rows))


def _strategies(record: CompressionRecord) -> ReportTable:
    """One row per strategy: whether it meets the limits, how accurate it is, and what it costs."""
    limited = [limit.column for limit in record.budget.limits]
    latencies = [column_name(LATENCY, device) for device in record.devices]
    names = list(dict.fromkeys([*latencies, *limited]))
    rows: list[dict[str, Cell]] = []
    for result in record.strategies:
        row: dict[str, Cell] = {
            "strategy": result.name,
            "pipeline": result.pipeline or "as it is",
            "meets": verdict_of(result),
            "accuracy": _lowest_accuracy(result),
            "drop": None if result.worst_drop is None else str(result.worst_drop),
            "file": _largest(result.files, "file_bytes"),
            "update": _largest(result.files, "update_bytes"),
        }
        row |= {name: _figure(result, name) for name in names}
        rows.append(row)
    columns = (
        *plain_columns(("strategy", "pipeline", "meets")),
        *plain_columns(("accuracy", "drop"), {"accuracy": "lowest accuracy"}),
        *(Column(key=name, title=column_title(name)) for name in names),
        *plain_columns(("file", "update"), {"file": "largest file", "update": "its update"}),
    )
    limits = "; ".join(_limit_text(record)) or "no limits"
    return ReportTable(
        title=f"Strategies for {record.model}",
        columns=filled(columns, rows),
        rows=tuple(rows),
        caption=f"{limits}. Accuracy in the deployed runtime on test samples, lowest over devices, 95 % intervals; "
        "an update is the file compressed with LZMA",
    )


def _limit_text(record: CompressionRecord) -> list[str]:
    texts = []
    if record.budget.min_accuracy is not None:
        texts.append(f"accuracy at least {record.budget.min_accuracy:.1%}")
    if record.budget.max_accuracy_drop is not None:
        texts.append(f"drop of accuracy at most {record.budget.max_accuracy_drop:.1%}")
    if record.budget.limits:
        count = len(record.budget.limits)
        texts.append(f"{count} limit{'s' if count > 1 else ''} of cost")
    return texts


def verdict_of(result: StrategyResult) -> str:
    """Whether a strategy meets the limits, in a word."""
    if result.state is not StrategyState.MEASURED:
        return result.state.value
    if result.solution:
        return "yes"
    return "undecided" if result.undecided else "no"


def _lowest_accuracy(result: StrategyResult) -> str | None:
    lowest = min((item.accuracy for item in result.accuracies), key=lambda share: share.value, default=None)
    return None if lowest is None else str(lowest)


def _largest(files: Sequence[DeployedFile], name: str) -> Metric | None:
    sizes = [int(getattr(file, name)) for file in files]
    if not sizes:
        return None
    method = "size of the file" if name == "file_bytes" else "size of the file compressed with LZMA"
    return Metric(value=max(sizes), unit="bytes", provenance=Provenance.EXACT, method=method)


def _figure(result: StrategyResult, column: str) -> Metric | None:
    figure, _, device = column.partition("@")
    return result.figures.get(device, {}).get(figure)


def _rejected(record: CompressionRecord) -> ReportTable:
    """Every limit that a strategy breaks, and by how much."""
    rows: list[dict[str, Cell]] = [
        {
            "strategy": result.name,
            "limit": column_title(check.limit.column),
            "allowed": _allowed(check),
            "found": check.found,
            "exceeded by": None if check.excess is None else f"{check.excess:.0%}",
        }
        for result in record.strategies
        for check in result.checks
        if not check.holds and check.found is not None
    ]
    return plain_table(
        "Limits that are broken",
        rows,
        caption="a limit is met if the upper end of the interval or error band of what was found meets it",
    )


def _allowed(check: StrategyCheck) -> Metric:
    unit = figure_of(check.limit.figure).unit
    return Metric(value=check.limit.value, unit=unit, provenance=Provenance.EXACT, method="given")


def _files(record: CompressionRecord) -> ReportTable:
    """One row per strategy and device."""
    rows: list[dict[str, Cell]] = []
    for result in record.strategies:
        accuracies = {item.device: item for item in result.accuracies}
        for file in result.files:
            item = accuracies.get(file.device)
            rows.append(
                {
                    "strategy": result.name,
                    "device": file.device,
                    "form": file.form,
                    "accuracy": None if item is None else str(item.accuracy),
                    "drop": None if item is None or item.drop is None else str(item.drop),
                    "classified by": None if item is None else item.runtime,
                    **{name: result.figures.get(file.device, {}).get(name) for name in _COSTS},
                    "file": _largest((file,), "file_bytes"),
                    "update": _largest((file,), "update_bytes"),
                }
            )
    columns = (
        *plain_columns(("strategy", "device", "form", "accuracy", "drop", "classified by")),
        *(figure_column(name) for name in _COSTS),
        *plain_columns(("file", "update")),
    )
    return ReportTable(title="Each device", columns=filled(columns, rows), rows=tuple(rows), detail=True)


def _passes(record: CompressionRecord) -> ReportTable:
    """What each pass of each strategy gave."""
    rows: list[dict[str, Cell]] = [
        {
            "strategy": result.name,
            "pass": step.text,
            "validation accuracy": None if step.accuracy is None else f"{step.accuracy:.2%}",
            "parameters": step.parameters,
            "MACs": step.macs,
            "what it did": step.done,
        }
        for result in record.strategies
        for step in result.steps
    ]
    return ReportTable(
        title="What each pass gave",
        columns=plain_columns(rows[0] if rows else ()),
        rows=tuple(rows),
        caption="accuracy in float, but for qat; what int8 loses is in the accuracy of the deployed file",
        detail=True,
    )


def _tried(record: CompressionRecord) -> ReportTable:
    """Every pipeline that a search tried."""
    rows: list[dict[str, Cell]] = [
        {
            "trial": item.number,
            "pipeline": item.pipeline or "as it is",
            "meets": "yes" if item.meets else "no",
            "validation accuracy": None if item.accuracy is None else f"{item.accuracy:.2%}",
            **{column_title(name): _value(name, value) for name, value in item.figures.items()},
            "why not": item.reason or None,
        }
        for item in record.tried
    ]
    keys = dict.fromkeys(key for row in rows for key in row)
    return ReportTable(
        title="Pipelines that the search tried",
        columns=filled(plain_columns(keys), rows),
        rows=tuple(rows),
        caption="accuracy of deployed files on validation samples; what costs too much is not trained",
        detail=True,
    )


def _value(column: str, value: float) -> str:
    return format_value(value, figure_of(column.partition("@")[0]).unit)


def _remarks(record: CompressionRecord) -> Iterator[Remark]:
    if record.task:
        yield Remark(kind=Kind.NOTE, code=Code.TASK, subject=record.study, text=f"task: {record.task}")
    else:
        text = "without a task only costs are found: passes that train do not apply, accuracy is unknown"
        yield Remark(kind=Kind.WARNING, code=Code.TASK, subject=record.study, text=text, remedy="add --task")
    if record.unread:
        text = (
            f"the model cannot be read as a network of layers: {record.unread}; passes that train or change layers, "
            "and --search, which is made of them, do not apply"
        )
        yield Remark(kind=Kind.WARNING, code=Code.NOT_A_NETWORK, subject=record.model, text=text)
    if record.reference is not None:
        text = f"the original in float32: {record.reference} test accuracy; drops are against it, on the same samples"
        yield Remark(kind=Kind.NOTE, code=Code.REFERENCE, subject=record.model, text=text)
    for result in record.strategies:
        yield from _strategy_remarks(result)
    if record.recommendation is not None:
        yield _recommendation(record)


def _strategy_remarks(result: StrategyResult) -> Iterator[Remark]:
    codes = {
        StrategyState.NOT_APPLICABLE: (Kind.NOTE, Code.STRATEGY_NOT_APPLICABLE),
        StrategyState.FAILED: (Kind.WARNING, Code.STRATEGY_FAILED),
    }
    if result.state in codes:
        kind, code = codes[result.state]
        yield Remark(kind=kind, code=code, subject=result.name, text=f"{result.state}: {result.reason}")
    elif result.faults:
        text = f"{'undecided' if result.undecided else 'rejected'}: {'; '.join(result.faults)}"
        yield Remark(kind=Kind.NOTE, code=Code.STRATEGY_REJECTED, subject=result.name, text=text)
    if any(step.text == "fuse" for step in result.steps):
        yield Remark(kind=Kind.NOTE, code=Code.FUSION, subject=result.name, text=_fusion(result))
    for step in result.steps:
        for skipped in step.skipped:
            yield Remark(
                kind=Kind.NOTE,
                code=Code.LAYER_SKIPPED,
                subject=f"{result.name}, {step.text}",
                text=skipped,
                detail=True,
            )


def _fusion(result: StrategyResult) -> str:
    parts = []
    for file in result.files:
        before, after = result.unfused.get(file.device), result.figures.get(file.device, {}).get(LATENCY)
        if before is None or after is None:
            parts.append(f"{file.device}: not applicable, its runtime or compiler always does so")
        else:
            ratio = before.value / after.value
            times = f"{format_value(after.value, 's')} with, {format_value(before.value, 's')} without"
            parts.append(f"{file.device}: {times} ({ratio:.2f} times)")
    return f"fusion and graph optimisation: {'; '.join(parts)}"


def _recommendation(record: CompressionRecord) -> Remark:
    found = record.recommendation
    if found is None or not found.strategy:
        reason = "" if found is None else f"{found.reason}: {'; '.join(found.binding)}"
        return Remark(kind=Kind.FAILURE, code=Code.NEAREST_STRATEGY, subject=record.study, text=reason)
    if found.meets:
        text = f"recommended: {found.reason}"
        return Remark(kind=Kind.NOTE, code=Code.RECOMMENDED, subject=found.strategy, text=text)
    text = f"{found.reason}; what binds: {'; '.join(found.binding)}"
    return Remark(
        kind=Kind.FAILURE,
        code=Code.NEAREST_STRATEGY,
        subject=found.strategy,
        text=text,
        remedy="relax what binds, or write a stronger pipeline with --strategy",
    )


def _records(record: CompressionRecord) -> Iterator[Mapping[str, object]]:
    """One flat row per strategy."""
    chosen = record.recommendation.strategy if record.recommendation else None
    for result in record.strategies:
        row: dict[str, object] = {
            "study": record.study,
            "strategy": result.name,
            "pipeline": result.pipeline,
            "state": result.state.value,
            "meets": result.solution,
            "recommended": result.name == chosen,
            "reason": result.reason,
            "faults": "; ".join(result.faults),
            "artefacts": "; ".join(result.artefacts),
        }
        for check in result.checks:
            row[f"{check.limit.column}.limit"] = check.limit.value
            row[f"{check.limit.column}.excess"] = check.excess
        for device, figures in result.figures.items():
            row |= {column_name(name, device): figures[name].value for name in _COSTS if name in figures}
        for item in result.accuracies:
            row[f"test_accuracy@{item.device}"] = item.accuracy.value
            row[f"accuracy_drop@{item.device}"] = None if item.drop is None else item.drop.value
        for file in result.files:
            row[f"file_bytes@{file.device}"], row[f"update_bytes@{file.device}"] = file.file_bytes, file.update_bytes
        yield row
