"""What is behind the answer: distributions, each kind of memory, target-specific figures, operators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from edgebench.core.figure import ENERGY, FLASH, LATENCY, MACS, MODEL_BYTES, PARAMETERS, RAM
from edgebench.core.memory_fit import fits, memory_fits
from edgebench.core.metric import Metric, Provenance
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run
from edgebench.core.summary import sample_count, summarise
from edgebench.core.surroundings import Surroundings, heat_range
from edgebench.reports.naming import run_names, subject_columns
from edgebench.reports.report import Cell, Column, ReportTable, figure_column, filled, plain_columns, plain_table

Profiles = Sequence[tuple[Run, Profile]]
_FEWEST_FOLDED = 3
_SHORT_KINDS = 40
_SPEED = (
    figure_column(LATENCY, "median latency"),
    *map(figure_column, ("latency_p5_s", "latency_p90_s", "latency_p99_s", "latency_min_s")),
    *map(figure_column, ("latency_at_least_s", "latency_at_most_s")),
    Column(key="n", title="n"),
    figure_column("throughput_per_s"),
    Column(key="outcome", title="outcome"),
)
_COST = tuple(map(figure_column, ("load_s", "first_inference_s", "peak_ram_bytes", RAM, FLASH, ENERGY)))
_SURROUNDINGS = ("board", "temperature", "clock", "governor", "slowed down by", "supply", "load")
_FIT = (
    Column(key="fits", title="fits"),
    Column(key=RAM, title="RAM", of="ram_limit"),
    Column(key="ram_left", title="RAM left"),
    Column(key=FLASH, title="flash", of="flash_limit"),
    Column(key="flash_left", title="flash left"),
)


def detail_tables(profiles: Profiles) -> list[ReportTable]:
    """Every table that people see when they ask for details."""
    names = run_names([run for run, _ in profiles])
    return [
        _models(profiles),
        _speed(profiles, names),
        _cost(profiles, names),
        _fit(profiles, names),
        _surroundings(profiles, names),
        *_further(profiles, names),
    ]


def layer_table(profile: Profile, run: str = "") -> ReportTable:
    """Operators in the order the target reported them, with every figure that any of them has.

    Those without figures are part of others, and those that take nothing are folded.

    Args:
        profile: Whose operators.
        run: Name of its run where there are several.
    """
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
        if layer.metrics or layer.reason
    ]
    rows = _folded(rows, keys)
    parts = len(profile.layers) - sum(bool(layer.metrics or layer.reason) for layer in profile.layers)
    places = {layer.placement for layer in profile.layers}
    lines = [f"all on the {place}" for place in places if len(places) == 1 and place]
    if parts:
        lines.append(f"{parts} operators are part of others and not shown; --format csv has all")
    titles = {"layer": "layer", "operator": "operator", "share": "share", "placement": "on", "reason": "why"}
    columns = [Column(key=key, title=title) for key, title in titles.items()]
    return ReportTable(
        title=f"Operators of {profile.model.name} on {profile.device.name}" + (f" ({run})" if run else ""),
        columns=tuple(
            column
            for column in filled([*columns, *map(figure_column, keys)], rows)
            if column.key != "placement" or len(places) > 1
        ),
        rows=tuple(rows),
        caption="; ".join(lines),
    )


def _folded(rows: list[Mapping[str, Cell]], keys: Sequence[str]) -> list[Mapping[str, Cell]]:
    """Several operators in a row that take 0.0 % are one line."""
    found: list[Mapping[str, Cell]] = []
    for small, group in groupby(rows, key=lambda row: row["share"] == "0.0%"):
        members = list(group)
        if not small or len(members) < _FEWEST_FOLDED:
            found += members
            continue
        sums: dict[str, Cell] = {}
        for key in keys:
            cells = [row[key] for row in members if isinstance(row.get(key), Metric)]
            metrics = [cell for cell in cells if isinstance(cell, Metric)]
            if metrics and key != "live_bytes":
                sums[key] = replace(metrics[0], value=sum(metric.value for metric in metrics), low=None, high=None)
            elif metrics:
                sums[key] = max(metrics, key=lambda metric: metric.value)
        kinds = ", ".join(dict.fromkeys(str(row["operator"]) for row in members))
        shown = kinds if len(kinds) <= _SHORT_KINDS else kinds[: _SHORT_KINDS - 3].rpartition(",")[0] + ", ..."
        found.append({"layer": f"{len(members)} together", "operator": shown, "share": "0.0%", **sums})
    return found


def memory_cells(profile: Profile) -> dict[str, Cell]:
    """What a model needs of each memory, what the device has and what is left, and the verdict; empty if unknown."""
    cells: dict[str, Cell] = {}
    for name, fit in memory_fits(profile).items():
        kind = "ram" if name == RAM else "flash"
        cells[name] = fit.needed
        cells[f"{kind}_limit"] = replace(fit.needed, value=fit.limit, provenance=Provenance.EXACT)
        cells[f"{kind}_left"] = replace(fit.needed, value=fit.left)
    if cells:
        cells["fits"] = "yes" if fits(profile) else "NO"
    return cells


def energy_source(profile: Profile) -> str:
    """Where the energy of a profile comes from, or why there is none."""
    energy = summarise(profile).get(ENERGY)
    if energy is None:
        return "none: no meter and no declared power"
    found = profile.energy_scope if energy.provenance is Provenance.MEASURED else energy.source
    return f"{energy.provenance}, {found}"


def _models(profiles: Profiles) -> ReportTable:
    rows: dict[str, Mapping[str, Cell]] = {}
    for _, profile in profiles:
        model = profile.model
        if not model.digest or model.digest in rows:
            continue
        rows[model.digest] = {
            "model": model.name,
            "format": None if model.format is None else model.format.value,
            MODEL_BYTES: summarise(profile)[MODEL_BYTES],
            PARAMETERS: model.parameters,
            MACS: f"at least {model.macs:,}" if model.macs and model.macs_partial else model.macs,
            "source": model.source,
        }
    titles = {key: figure_column(key).title for key in (MODEL_BYTES, PARAMETERS, MACS)}
    return replace(plain_table("Models", list(rows.values()), titles), detail=True)


def _speed(profiles: Profiles, names: Mapping[str, str]) -> ReportTable:
    """How fast each model is on each device, and what happened to those that gave no numbers."""
    rows = [
        {
            **_figures(run, profile),
            "n": sample_count(profile) or None,
            "outcome": None if profile.outcome is Outcome.OK else profile.outcome.value,
        }
        for run, profile in profiles
    ]
    sampled = any(row["n"] for row in rows)
    caption = "the median with its 95 % interval over fresh processes" if sampled else ""
    return _table("Latency", _SPEED, rows, names, caption)


def _cost(profiles: Profiles, names: Mapping[str, str]) -> ReportTable:
    """What each model needs besides time."""
    rows = [_figures(run, profile) for run, profile in profiles]
    shown = [row for row in rows if any(row.get(column.key) is not None for column in _COST)]
    sources: dict[str, list[str]] = defaultdict(list)
    for device, source in {p.device.name: energy_source(p) for _, p in profiles if p.outcome is Outcome.OK}.items():
        sources[source].append(device)
    caption = "energy: " + "; ".join(f"{', '.join(names)}: {source}" for source, names in sources.items())
    return _table("Start, memory and energy", _COST, shown, names, caption if sources else "")


def _fit(profiles: Profiles, names: Mapping[str, str]) -> ReportTable:
    """Memory against what each device has."""
    rows: list[dict[str, Cell]] = []
    for run, profile in profiles:
        cells = memory_cells(profile)
        if cells:
            rows.append({**_subject(run, profile), **cells})
    return _table("Does it fit?", _FIT, rows, names)


def _surroundings(profiles: Profiles, names: Mapping[str, str]) -> ReportTable:
    """Where each model ran and what the machine was like then, over all its processes."""
    rows: list[dict[str, Cell]] = []
    for run, profile in profiles:
        moments = [one for process in profile.processes for one in (process.before, process.after) if one is not None]
        cells = machine_cells(moments, profile.machine)
        if cells:
            rows.append({**_subject(run, profile), **cells})
    return _table("Machine while it was measured", plain_columns(_SURROUNDINGS), rows, names)


def machine_cells(moments: Sequence[Surroundings], machine: Mapping[str, str]) -> dict[str, Cell]:
    """Heat, clocks, supply and load over some moments; without what could not be read.

    Args:
        moments: Before and after each process.
        machine: The board, if it was not the machine of the run.
    """
    heat = heat_range(moments)
    clocks = [moment.frequency_hz for moment in moments if moment.frequency_hz is not None]
    loads = [moment.load_average for moment in moments if moment.load_average is not None]
    cells: dict[str, Cell] = {
        "board": machine.get("board") or machine.get("cpu"),
        "temperature": heat and f"{heat[0]:.0f} to {heat[1]:.0f} °C",
        "clock": f"{min(clocks) / 1e9:.2f} to {max(clocks) / 1e9:.2f} GHz" if clocks else None,
        "governor": ", ".join(sorted({moment.governor for moment in moments} - {""})) or None,
        "slowed down by": ", ".join(dict.fromkeys(cause for one in moments for cause in one.throttled)) or None,
        "supply": ", ".join(sorted({moment.power for moment in moments} - {""})) or None,
    }
    found: dict[str, Cell] = {key: value for key, value in cells.items() if value}
    if found and loads:
        found["load"] = f"{min(loads):.2f} to {max(loads):.2f}"
    return found


def _further(profiles: Profiles, names: Mapping[str, str]) -> Iterator[ReportTable]:
    """What only some targets report, such as cycles or the use of each memory: one table per set of figures."""
    shown = {column.key for column in (*_SPEED, *_COST)} | {MODEL_BYTES}
    groups: dict[tuple[str, ...], list[dict[str, Cell]]] = defaultdict(list)
    for run, profile in profiles:
        keys = tuple(key for key in profile.metrics if key not in shown)
        if keys:
            groups[keys].append(_figures(run, profile))
    for keys, rows in groups.items():
        yield _table("Further figures", tuple(map(figure_column, keys)), rows, names)


def _figures(run: Run, profile: Profile) -> dict[str, Cell]:
    return {**summarise(profile), **_subject(run, profile)}


def _subject(run: Run, profile: Profile) -> dict[str, Cell]:
    return {"run": run.name, "model": profile.model.name, "device": profile.device.name}


def _table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Cell]],
    names: Mapping[str, str],
    caption: str = "",
) -> ReportTable:
    """A table with one row per profile; empty columns are left out."""
    columns = (*subject_columns(names), *filled(columns, rows))
    named = tuple({**row, "run": names[str(row["run"])]} for row in rows)
    return ReportTable(title=title, columns=columns, rows=named, caption=caption, detail=True)
