"""Runs as comparable tables: the answer first, then the details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgebench.core.figure import ENERGY, FLASH, LATENCY, RAM, figure_of
from edgebench.core.memory_fit import memory_fits
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run
from edgebench.core.summary import sample_count, summarise
from edgebench.reports.checks import profile_checks
from edgebench.reports.compress import compression_report
from edgebench.reports.naming import run_names, subject_columns
from edgebench.reports.profile_details import detail_tables, layer_table, memory_cells
from edgebench.reports.profile_remarks import profile_remarks
from edgebench.reports.report import Cell, Column, Report, ReportTable, figure_column, filled, flat_record
from edgebench.reports.search import search_report

_PROCESS_RAM = "peak_ram_bytes"
_ANSWER = (
    # The verdict first.
    Column(key="fits", title="fits"),
    Column(key="outcome", title="outcome"),
    figure_column(LATENCY),
    figure_column("latency_at_least_s"),
    figure_column("latency_at_most_s"),
    Column(key=RAM, title=figure_of(RAM).title, of="ram_limit"),
    figure_column(_PROCESS_RAM),
    Column(key=FLASH, title=figure_of(FLASH).title, of="flash_limit"),
    # Its interval is among the details: the answer fits a hundred columns.
    Column(key=ENERGY, title=figure_of(ENERGY).title),
)


def report(runs: Sequence[Run]) -> Report:
    """Everything in the runs: the answer for each model and device, searches, details, operators.

    Figures of one device that were taken under different conditions share a table only with a
    warning that names the difference.
    """
    profiles = [(run, profile) for run in runs for profile in run.profiles]
    searches = [search_report(run.search) for run in runs if run.search is not None]
    searches += [compression_report(run.compression) for run in runs if run.compression is not None]
    tables = [_answer(profiles), *detail_tables(profiles)]
    names = run_names(runs)
    tables.extend(
        layer_table(profile, names[run.name] if len(names) > 1 else "") for run, profile in profiles if profile.layers
    )
    return Report(
        tables=(*(table for found in searches for table in found.tables), *(table for table in tables if table.rows)),
        remarks=(*(remark for found in searches for remark in found.remarks), *profile_remarks(runs)),
        records=(
            *(record for found in searches for record in found.records),
            *(record for run, profile in profiles for record in (_record(run, profile), *_layer_records(run, profile))),
        ),
        checks=tuple(profile_checks(profile for _, profile in profiles)),
    )


def _answer(profiles: Sequence[tuple[Run, Profile]]) -> ReportTable:
    """Does it run, how fast, what does it take, does it fit."""
    names = run_names([run for run, _ in profiles])
    rows: list[dict[str, Cell]] = [
        {
            "run": names[run.name],
            "model": profile.model.name,
            "device": profile.device.name,
            **summarise(profile),
            **memory_cells(profile),
            "outcome": None if profile.outcome is Outcome.OK else profile.outcome.value,
        }
        for run, profile in profiles
    ]
    columns = filled(_ANSWER, rows)
    if any(column.key == RAM for column in columns):
        # What a process takes on this machine does not say what a device needs.
        columns = tuple(column for column in columns if column.key != _PROCESS_RAM)
    intervals = any(sample_count(profile) for _, profile in profiles)
    caption = "latency: the median with its 95 % interval over fresh processes" if intervals else ""
    return ReportTable(title="Result", columns=(*subject_columns(names), *columns), rows=tuple(rows), caption=caption)


def _layer_records(run: Run, profile: Profile) -> list[Mapping[str, object]]:
    """One flat row per operator; ``layer`` tells it from a profile's row."""
    return [
        {
            "run": run.name,
            "label": run.label or None,
            "model": profile.model.name,
            "device": profile.device.name,
            "layer": layer.name,
            "operator": layer.operator,
            "share": layer.share,
            "placement": layer.placement,
            "reason": layer.reason,
            **flat_record(layer.metrics),
        }
        for layer in profile.layers
    ]


def _record(run: Run, profile: Profile) -> Mapping[str, object]:
    """One flat row of plain values for CSV, JSON and Parquet."""
    record: dict[str, object] = {
        "run": run.name,
        "label": run.label or None,
        "revision": None if run.revision is None else str(run.revision),
        "started": run.started,
        "model": profile.model.name,
        "source": profile.model.source,
        "digest": profile.model.digest,
        "parameters": profile.model.parameters,
        "macs": profile.model.macs,
        "macs_partial": profile.model.macs_partial,
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
