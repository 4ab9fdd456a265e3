"""What is in model files, and which devices run them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelInfo, TensorSpec
from edgebench.core.support import DeviceSupport, ModelSupport, Verdict
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, filled

_MOST_OPERATORS = 12
_MOST_NAMED = 3
_SIZES = {"ram_bytes": "RAM, at least", "flash_bytes": "flash, at least"}


def check_report(models: Sequence[ModelSupport]) -> Report:
    """One model in detail; for several, a line for each and what stops them."""
    tables = tuple(_one(models[0])) if len(models) == 1 else (_overview(models), *_stops(models))
    return Report(tables=tables, remarks=tuple(_remarks(models)), records=tuple(_records(models)))


def _one(support: ModelSupport) -> Iterator[ReportTable]:
    if support.model is None:
        return
    rows = tuple({"what": what, "value": value} for what, value in _contents(support.model))
    yield ReportTable(
        title=_name(support), columns=(Column(key="what", title=""), Column(key="value", title="")), rows=rows
    )
    devices: list[Mapping[str, Cell]] = [
        {
            "device": found.device.name,
            "runs": found.verdict.value,
            "form": found.form or None,
            **{name: _size(found, name) for name in _SIZES},
        }
        for found in support.devices
    ]
    columns = (
        Column(key="device", title="device"),
        Column(key="runs", title="runs"),
        Column(key="form", title="as"),
        *(Column(key=name, title=title) for name, title in _SIZES.items()),
    )
    yield ReportTable(title="Does it run?", columns=filled(columns, devices), rows=tuple(devices))
    left: list[Mapping[str, Cell]] = [
        {"device": found.device.name, "operator": one.operator, "number": one.count, "reason": one.reason}
        for found in support.devices
        for one in found.support.left
    ]
    if left:
        columns = (
            Column(key="device", title="device"),
            Column(key="operator", title="operator"),
            Column(key="number", title="number"),
            Column(key="reason", title="reason"),
        )
        yield ReportTable(title="What is in the way", columns=filled(columns, left), rows=tuple(left))


def _contents(model: ModelInfo) -> Iterator[tuple[str, str]]:
    yield "format", f"{model.format}, {model.size_bytes:,} bytes"
    yield "inputs", "; ".join(map(_spec, model.inputs))
    yield "outputs", "; ".join(map(_spec, model.outputs))
    if model.parameters is not None:
        yield "parameters", f"{model.parameters:,}"
    if model.macs is not None:
        yield "MACs", f"at least {model.macs:,}" if model.macs_partial else f"{model.macs:,}"
    counts = Counter(model.operators).most_common()
    shown = [f"{count} {name}" for name, count in counts[:_MOST_OPERATORS]]
    others = len(counts) - len(shown)
    yield "operators", ", ".join([*shown, *([f"{others} more kinds"] if others else [])])


def _spec(spec: TensorSpec) -> str:
    names = spec.dimensions if len(spec.dimensions) == len(spec.shape) else ("",) * len(spec.shape)
    sizes = [name or "?" if size is None else str(size) for size, name in zip(spec.shape, names, strict=True)]
    return f"{spec.name} [{','.join(sizes)}] {spec.dtype}"


def _size(found: DeviceSupport, name: str) -> Metric | None:
    value = found.support.at_least.get(name)
    if value is None or found.verdict is Verdict.NO:
        return None
    method = "what is known without building the program: tensors in RAM, constants in flash"
    return Metric(value=float(value), unit="bytes", provenance=Provenance.EXACT, method=method)


def _overview(models: Sequence[ModelSupport]) -> ReportTable:
    names = list(dict.fromkeys(found.device.name for support in models for found in support.devices))
    rows = [_line(support) for support in models]
    columns = (
        Column(key="model", title="model"),
        Column(key="format", title="format"),
        Column(key="size", title="bytes"),
        *(Column(key=f"runs@{name}", title=name) for name in names),
    )
    readable = [support for support in models if support.model is not None]
    whole = {
        name: sum(
            found.verdict is Verdict.WHOLE
            for support in readable
            for found in support.devices
            if found.device.name == name
        )
        for name in names
    }
    caption = "whole: " + ", ".join(f"{name} {count} of {len(models)}" for name, count in whole.items())
    return ReportTable(title="Does it run?", columns=columns, rows=tuple(rows), caption=caption if names else "")


def _line(support: ModelSupport) -> Mapping[str, Cell]:
    found: dict[str, Cell] = {f"runs@{found.device.name}": found.verdict.value for found in support.devices}
    if support.model is None:
        return {"model": _name(support), "format": "cannot be read"}
    return {"model": _name(support), "format": support.model.format, "size": support.model.size_bytes, **found}


def _stops(models: Sequence[ModelSupport]) -> Iterator[ReportTable]:
    """Blocking operators, the most frequent first."""
    files: dict[tuple[str, str], set[str]] = defaultdict(set)
    reasons: dict[tuple[str, str], str | None] = {}
    for support in models:
        for found in support.devices:
            for one in found.support.left:
                key = (found.device.name, one.operator)
                files[key].add(support.source)
                reasons.setdefault(key, one.reason)
    rows: list[Mapping[str, Cell]] = [
        {"operator": operator, "device": device, "files": len(named), "reason": reasons[device, operator]}
        for (device, operator), named in sorted(files.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    if rows:
        columns = (
            Column(key="operator", title="operator"),
            Column(key="device", title="device"),
            Column(key="files", title="files"),
            Column(key="reason", title="reason of the first"),
        )
        yield ReportTable(title="What is in the way", columns=filled(columns, rows), rows=tuple(rows))


def _remarks(models: Sequence[ModelSupport]) -> Iterator[Remark]:
    for support in models:
        if support.failure is not None:
            yield Remark(
                kind=Kind.FAILURE,
                code=Code.CHECK_FAILED,
                subject=_name(support),
                text=support.failure,
                remedy=support.remedy,
            )
    grouped: dict[tuple[Kind, Code, str, str | None], list[str]] = defaultdict(list)
    for support in models:
        for found in support.devices:
            subject = found.device.name if len(models) == 1 else f"{_name(support)} on {found.device.name}"
            for key in _said(found):
                if subject not in grouped[key]:
                    grouped[key].append(subject)
    for (kind, code, text, remedy), subjects in grouped.items():
        yield Remark(kind=kind, code=code, subject=_few(subjects), text=text, remedy=remedy)
    for support in models:
        for caveat in support.model.caveats if support.model else ():
            subject = _name(support)
            yield Remark(kind=Kind.NOTE, code=Code.MODEL_CAVEAT, subject=subject, text=caveat)


def _said(found: DeviceSupport) -> Iterator[tuple[Kind, Code, str, str | None]]:
    support = found.support
    if found.verdict is Verdict.UNAVAILABLE:
        yield Kind.WARNING, Code.DEVICE_NOT_READY, support.reason or "it is not ready", support.remedy
    elif found.verdict is Verdict.NO:
        yield Kind.FAILURE, Code.OPERATORS_LEFT, support.reason or "it does not run", support.remedy
    elif found.verdict is Verdict.PARTLY:
        count = sum(one.count for one in support.left)
        text = f"{count} operators are left to the CPU, so there would be no latency"
        yield Kind.WARNING, Code.OPERATORS_LEFT, text, support.remedy
    for note in support.notes:
        yield Kind.NOTE, Code.DEVICE_NOTE, note, None


def _few(subjects: Sequence[str]) -> str:
    shown = ", ".join(subjects[:_MOST_NAMED])
    return shown if len(subjects) <= _MOST_NAMED else f"{shown} and {len(subjects) - _MOST_NAMED} more"


def _name(support: ModelSupport) -> str:
    return Path(support.source).name or support.source


def _records(models: Sequence[ModelSupport]) -> Iterator[Mapping[str, object]]:
    for support in models:
        base: dict[str, object] = {"model": support.source, "failure": support.failure, "remedy": support.remedy}
        if support.model is not None:
            base |= {
                "format": support.model.format,
                "size_bytes": support.model.size_bytes,
                "parameters": support.model.parameters,
                "macs": support.model.macs,
                "macs_partial": support.model.macs_partial,
                "operators": dict(support.model.operators),
                "inputs": [_spec(spec) for spec in support.model.inputs],
                "outputs": [_spec(spec) for spec in support.model.outputs],
            }
        if not support.devices:
            yield base
        for found in support.devices:
            yield {
                **base,
                "device": found.device.name,
                "runs": found.verdict.value,
                "form": found.form,
                "left": [_left(one.operator, one.count, one.reason) for one in found.support.left],
                "failure": found.support.reason,
                "remedy": found.support.remedy,
                **{f"{name}.at_least": value for name, value in found.support.at_least.items()},
            }


def _left(operator: str, count: int, reason: str | None) -> Mapping[str, object]:
    return {"operator": operator, "count": count, "reason": reason}


def exit_code(models: Iterable[ModelSupport]) -> int:
    """0 if every model runs on every device, at least partly; 3 if only something is missing here; 2 otherwise."""
    verdicts = [found.verdict for support in models for found in support.devices]
    if any(support.failure is not None for support in models) or Verdict.NO in verdicts:
        return 2
    return 3 if Verdict.UNAVAILABLE in verdicts else 0
