"""The verb ``report``: runs to comparable tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edgebench.core.memory_fit import memory_fits
from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run
from edgebench.core.summary import disturbances, sample_count, summarise
from edgebench.reports.report import Cell, Column, Remark, Report, Table
from edgebench.reports.search import search_report

_SPEED = (
    Column(key="latency_s", title="median latency"),
    Column(key="latency_p5_s", title="p5"),
    Column(key="latency_p90_s", title="p90"),
    Column(key="latency_p99_s", title="p99"),
    Column(key="latency_min_s", title="min"),
    Column(key="latency_at_least_s", title="at least"),
    Column(key="latency_at_most_s", title="at most"),
    Column(key="n", title="n"),
    Column(key="throughput_per_s", title="per second"),
    Column(key="outcome", title="outcome"),
)
_COST = (
    Column(key="load_s", title="load"),
    Column(key="first_inference_s", title="first run"),
    Column(key="peak_ram_bytes", title="process RAM"),
    Column(key="ram_bytes", title="RAM"),
    Column(key="flash_bytes", title="flash"),
    Column(key="energy_j", title="energy"),
)
_FIT = (
    Column(key="ram_bytes", title="RAM"),
    Column(key="ram_limit", title="of"),
    Column(key="ram_left", title="left"),
    Column(key="flash_bytes", title="flash"),
    Column(key="flash_limit", title="of"),
    Column(key="flash_left", title="left"),
    Column(key="fits", title="fits"),
)
_MODEL_COLUMNS = (
    Column(key="model", title="model"),
    Column(key="format", title="format"),
    Column(key="model_bytes", title="file"),
    Column(key="parameters", title="parameters"),
    Column(key="macs", title="MACs"),
    Column(key="source", title="source"),
)


def report(runs: Sequence[Run]) -> Report:
    """Tables of everything the runs hold: models, figures by model and device, operators.

    Figures of one device that were taken under different conditions stand in one table only with a
    warning that names the difference.
    """
    profiles = [(run, profile) for run in runs for profile in run.profiles]
    searches = [search_report(run.search) for run in runs if run.search is not None]
    tables = [_models(profiles), _speed(profiles), _cost(profiles), _fit(profiles), *_further(profiles)]
    tables.extend(_layers(profile) for _, profile in profiles if profile.layers)
    return Report(
        tables=(*(table for found in searches for table in found.tables), *(table for table in tables if table.rows)),
        remarks=(
            *(remark for found in searches for remark in found.remarks),
            *_remarks(profiles),
            *_run_warnings(runs),
            *_differences(profiles),
        ),
        records=(
            *(record for found in searches for record in found.records),
            *(_record(run, profile) for run, profile in profiles),
        ),
    )


def overview(runs: Sequence[Run]) -> Report:
    """One row a run: when it was, what it profiled, how it ended."""
    keys = ("run", "started", "models", "devices", "profiles", "complete")
    rows: list[dict[str, Cell]] = [
        {
            "run": run.name,
            "started": run.started,
            "models": ", ".join(dict.fromkeys(profile.model.name for profile in run.profiles)),
            "devices": ", ".join(dict.fromkeys(profile.device.name for profile in run.profiles)),
            "profiles": len(run.profiles),
            "complete": "yes" if run.complete else "no",
        }
        for run in runs
    ]
    columns = tuple(Column(key=key, title=key) for key in keys)
    return Report(tables=(Table(title="Runs", columns=columns, rows=tuple(rows)),), records=tuple(rows))


def explain(runs: Sequence[Run]) -> Report:
    """One row a figure: which run, method, file and formula made it."""
    tables: list[Table] = []
    records: list[Mapping[str, object]] = []
    for run in runs:
        for profile in run.profiles:
            figures = summarise(profile)
            subject = f"{profile.model.name} on {profile.device.name} (run {run.name})"
            tables.append(_explanations(subject, figures))
            records.extend(_explanation(run, profile, name, metric) for name, metric in figures.items())
    return Report(tables=tuple(tables), records=tuple(records))


def _explanations(title: str, figures: Mapping[str, Metric]) -> Table:
    rows = [
        {"figure": name, "value": metric, "method": metric.method, "source": metric.source}
        for name, metric in figures.items()
    ]
    keys = ("figure", "value", "method", "source")
    used = [key for key in keys if any(row[key] is not None for row in rows)]
    return Table(title=title, columns=tuple(Column(key=key, title=key) for key in used), rows=tuple(rows))


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


def _models(profiles: Sequence[tuple[Run, Profile]]) -> Table:
    rows: dict[str, Mapping[str, Cell]] = {}
    for _, profile in profiles:
        model = profile.model
        if not model.digest or model.digest in rows:
            continue
        rows[model.digest] = {
            "model": model.name,
            "format": model.format,
            "model_bytes": summarise(profile)["model_bytes"],
            "parameters": model.parameters,
            "macs": model.macs,
            "source": model.source,
        }
    return Table(title="Models", columns=_MODEL_COLUMNS, rows=tuple(rows.values()))


def _speed(profiles: Sequence[tuple[Run, Profile]]) -> Table:
    """How fast each model is on each device, and what became of those that gave no numbers."""
    rows = [
        {
            **_figures(profile),
            "n": sample_count(profile) or None,
            "outcome": None if profile.outcome is Outcome.OK else profile.outcome.value,
        }
        for _, profile in profiles
    ]
    sampled = any(row["n"] for row in rows)
    caption = "the median with its 95 % interval over fresh processes" if sampled else ""
    return _table("Latency", _SPEED, rows, caption)


def _cost(profiles: Sequence[tuple[Run, Profile]]) -> Table:
    """What each model takes besides time."""
    rows = [_figures(profile) for _, profile in profiles]
    shown = [row for row in rows if any(row.get(column.key) is not None for column in _COST)]
    sources = {profile.device.name: energy_source(profile) for _, profile in profiles if profile.outcome is Outcome.OK}
    caption = "energy: " + "; ".join(f"{', '.join(names)}: {source}" for source, names in _grouped(sources).items())
    return _table("Start, memory and energy", _COST, shown, caption if sources else "")


def _fit(profiles: Sequence[tuple[Run, Profile]]) -> Table:
    """Memory against what each device has."""
    rows: list[dict[str, Cell]] = []
    for _, profile in profiles:
        fits = memory_fits(profile)
        if not fits:
            continue
        row: dict[str, Cell] = {"model": profile.model.name, "device": profile.device.name}
        for name, fit in fits.items():
            kind = name.removesuffix("_bytes")
            row[name] = fit.needed
            row[f"{kind}_limit"] = replace(fit.needed, value=fit.limit, provenance=Provenance.EXACT)
            row[f"{kind}_left"] = replace(fit.needed, value=fit.left)
        row["fits"] = "yes" if all(fit.left >= 0 for fit in fits.values()) else "NO"
        rows.append(row)
    return _table("Does it fit?", _FIT, rows)


def _further(profiles: Sequence[tuple[Run, Profile]]) -> Iterator[Table]:
    """What only some targets tell, such as cycles or the use of each memory: a table for each set of figures."""
    shown = {column.key for column in (*_SPEED, *_COST)} | {"model_bytes"}
    groups: dict[tuple[str, ...], list[dict[str, Cell]]] = defaultdict(list)
    for _, profile in profiles:
        figures = _figures(profile)
        keys = tuple(key for key in profile.metrics if key not in shown)
        if keys:
            groups[keys].append(figures)
    for keys, rows in groups.items():
        columns = [Column(key=key, title=key.removesuffix("_bytes").replace("_", " ")) for key in keys]
        yield _table("Further figures", columns, rows)


def energy_source(profile: Profile) -> str:
    """Where the energy of a profile comes from, or that there is none."""
    energy = summarise(profile).get("energy_j")
    if energy is None:
        return "none, for want of a meter or a declared power"
    found = profile.energy_scope if energy.provenance is Provenance.MEASURED else energy.source
    return f"{energy.provenance}, {found}"


def _grouped(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Devices by what they have in common."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for device, source in sources.items():
        grouped[source].append(device)
    return grouped


def _figures(profile: Profile) -> dict[str, Cell]:
    return {**summarise(profile), "model": profile.model.name, "device": profile.device.name}


def _table(title: str, columns: Sequence[Column], rows: Sequence[Mapping[str, Cell]], caption: str = "") -> Table:
    """A table with a row a profile; columns that nobody fills are left out."""
    used = [column for column in columns if any(row.get(column.key) is not None for row in rows)]
    subject = (Column(key="model", title="model"), Column(key="device", title="device"))
    return Table(title=title, columns=(*subject, *used), rows=tuple(rows), caption=caption)


def _layers(profile: Profile) -> Table:
    """Operators in the order the target gave them, with every figure any of them has."""
    keys = list(dict.fromkeys(key for layer in profile.layers for key in layer.metrics))
    rows: list[Mapping[str, Cell]] = [
        {
            "layer": layer.name,
            "operator": layer.operator,
            "share": None if layer.share is None else f"{layer.share:.1%}",
            "placement": layer.placement,
            "reason": layer.reason,
            **layer.metrics,
        }
        for layer in profile.layers
    ]
    columns = [Column(key="layer", title="layer"), Column(key="operator", title="operator")]
    columns += [
        Column(key=key, title=title)
        for key, title in (("share", "share"), ("placement", "on"), ("reason", "why"))
        if any(row[key] is not None for row in rows)
    ]
    columns += [Column(key=key, title=key.removesuffix("_s").removesuffix("_bytes").replace("_", " ")) for key in keys]
    return Table(
        title=f"Operators of {profile.model.name} on {profile.device.name}",
        columns=tuple(columns),
        rows=tuple(rows),
    )


def _remarks(profiles: Sequence[tuple[Run, Profile]]) -> Iterator[Remark]:
    for _, profile in profiles:
        subject = f"{profile.model.name} on {profile.device.name}"
        if profile.failure is not None:
            yield Remark(
                kind="failure",
                subject=subject,
                text=f"{profile.outcome}: {profile.failure.message}",
                remedy=profile.failure.remedy,
            )
        for fit in memory_fits(profile).values():
            if fit.left < 0:
                name = "RAM" if fit.figure == "ram_bytes" else "flash"
                text = f"does not fit: {fit.needed.value:,.0f} bytes of {name}, {-fit.left:,.0f} more than there are"
                yield Remark(kind="failure", subject=subject, text=text, remedy="--layers shows what takes them")
        for sentence in disturbances(profile):
            yield Remark(
                kind="warning",
                subject=subject,
                text=sentence,
                remedy="compare on p5, or measure again when the machine is quiet",
            )
        for note in (*profile.notes, *profile.model.notes):
            yield Remark(kind="note", subject=subject, text=note)


def _run_warnings(runs: Sequence[Run]) -> Iterator[Remark]:
    for run in runs:
        for warning in run.warnings:
            yield Remark(kind="warning", subject=run.name if len(runs) > 1 else "this machine", text=warning)


def _differences(profiles: Sequence[tuple[Run, Profile]]) -> Iterator[Remark]:
    """Conditions that differ between figures of one device."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for run, profile in profiles:
        for key, value in conditions(run, profile).items():
            seen[profile.device.name][key].add(value)
    for device, items in seen.items():
        differing = [f"{key} ({' | '.join(sorted(values))})" for key, values in items.items() if len(values) > 1]
        if differing:
            yield Remark(
                kind="warning",
                subject=device,
                text=f"these figures were taken under different conditions: {', '.join(differing)}",
                remedy="do not compare them; measure again in one run",
            )


def conditions(run: Run, profile: Profile) -> dict[str, str]:
    """What must be equal before two figures of a device may be compared."""
    options = {f"option {key}": str(value) for key, value in profile.device.options.items()}
    machine = {key: run.machine[key] for key in ("cpu", "governor") if key in run.machine}
    return {**machine, **dict(profile.versions), **options, "target": profile.device.target}


def _record(run: Run, profile: Profile) -> Mapping[str, object]:
    """One flat row of plain values for CSV, JSON and Parquet."""
    record: dict[str, object] = {
        "run": run.name,
        "started": run.started,
        "model": profile.model.name,
        "source": profile.model.source,
        "digest": profile.model.digest,
        "parameters": profile.model.parameters,
        "macs": profile.model.macs,
        "device": profile.device.name,
        "target": profile.device.target,
        "outcome": profile.outcome.value,
        "failure": profile.failure.message if profile.failure else None,
        "n": sample_count(profile) or None,
    }
    for name, metric in summarise(profile).items():
        record[name] = metric.value
        record[f"{name}.low"] = metric.low
        record[f"{name}.high"] = metric.high
        record[f"{name}.provenance"] = metric.provenance.value
    for name, fit in memory_fits(profile).items():
        record[f"{name}.limit"] = fit.limit
        record[f"{name}.left"] = fit.left
    return record
