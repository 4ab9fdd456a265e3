"""What is in a lookup table, and how far it can be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgebench.core.figure import TABLE_FIGURES, figure_of
from edgebench.core.metric import Metric, Provenance
from edgebench.core.table import LookupTable, Validation
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Column, Remark, Report, ReportTable, figure_column, plain_table
from edgebench.reports.table_details import basis_table, group_table
from edgebench.spaces.space import SearchSpace


def tables_report(tables: Sequence[LookupTable]) -> Report:
    """One row per table."""
    rows: list[dict[str, Cell]] = [
        {
            "space": table.space,
            "device": table.key.device,
            "dtype": table.key.dtype,
            "blocks": len(table.entries) or None,
            "networks": len(table.wholes) or None,
            "figures": ", ".join(figure_of(name).title for name in table.figures),
            "validated": ", ".join(
                f"{figure_of(name).title} {item.mean_error:.1%}" for name, item in table.validation.items()
            )
            or "no",
            "when": table.when,
        }
        for table in tables
    ]
    titles = {"dtype": "type", "validated": "mean error"}
    none = Remark(kind=Kind.NOTE, code=Code.NO_TABLES, subject="tables", text="there are none yet", remedy=_BUILD)
    return Report(
        tables=(plain_table("Lookup tables", rows, titles),) if rows else (),
        remarks=() if rows else (none,),
        records=tuple(rows),
    )


_BUILD = "edgebench lut build SPACE -d DEVICE"


def table_report(table: LookupTable, space: SearchSpace | None = None) -> Report:
    """Every entry, what the table is valid for, and its validation."""
    if table.learnt_whole:
        return _learnt_report(table, space)
    rows = [_row(table, block) for block in table.entries]
    shown = [name for name in TABLE_FIGURES if name in table.figures]
    columns = [
        Column(key="block", title="block"),
        *map(figure_column, shown),
        *([Column(key="disturbed", title="disturbed")] if table.disturbed else []),
    ]
    held = ", ".join(f"{name} {value}" for name, value in table.key.versions.items())
    caption = f"{table.key.dtype}; {held}"
    entries = ReportTable(
        title=f"{table.space} on {table.key.device}: {len(rows)} blocks",
        columns=tuple(columns),
        rows=tuple(rows),
        caption=caption,
    )
    records = tuple(_record(table, block) for block in table.entries)
    return Report(
        tables=tuple(
            part
            for part in (entries, left_out_table(table), validation_table(table), *_details(table, space))
            if part.rows
        ),
        remarks=tuple(_remarks(table, space)),
        records=records,
    )


def built_report(table: LookupTable, space: SearchSpace) -> Report:
    """What a table came to, without its entries: how they spread by kind, and how well they predict."""
    whole = table_report(table, space)
    if table.learnt_whole:
        return replace(whole, tables=tuple(part for part in whole.tables if "learnt from" not in part.title))
    kinds: dict[str, list[str]] = defaultdict(list)
    for block in table.entries:
        kinds[block.partition(" ")[0]].append(block)
    rows: list[dict[str, Cell]] = []
    for kind, blocks in kinds.items():
        row: dict[str, Cell] = {"kind": kind, "blocks": len(blocks)}
        for name in (name for name in TABLE_FIGURES if name in table.figures):
            values = sorted(table.cost(block, name) for block in blocks)
            for end, value in (("least", values[0]), ("most", values[-1])):
                row[f"{name} {end}"] = _cost(table, name, value)
        rows.append(row)
    titles = {f"{name} {end}": f"{figure_of(name).title}, {end}" for name in table.figures for end in ("least", "most")}
    held = ", ".join(f"{name} {value}" for name, value in table.key.versions.items())
    title = f"{table.space} on {table.key.device}: {len(table.entries)} blocks"
    summary = plain_table(title, rows, titles, f"{table.key.dtype}; {held}")
    return replace(whole, tables=(summary, *whole.tables[1:]))


def _details(table: LookupTable, space: SearchSpace | None) -> Sequence[ReportTable]:
    """Of tables that whole networks correct; those of simulators have nothing more to tell."""
    return (group_table(table, space), basis_table(table)) if table.left_out else ()


def _learnt_report(table: LookupTable, space: SearchSpace | None) -> Report:
    """A table without blocks: the whole networks that it was learnt from."""
    shown = [name for name in TABLE_FIGURES if name in table.figures]
    rows: list[dict[str, Cell]] = [
        {
            "architecture": text,
            **{
                name: Metric(
                    value=figures[name],
                    unit=figure_of(name).unit,
                    provenance=table.figures[name].provenance,
                    method=table.figures[name].method,
                    source=table.figures[name].source,
                )
                for name in shown
            },
        }
        for text, figures in table.wholes.items()
    ]
    held = ", ".join(f"{name} {value}" for name, value in table.key.versions.items())
    networks = ReportTable(
        title=f"{table.space} on {table.key.device}: learnt from {len(rows)} whole networks",
        columns=(Column(key="architecture", title="architecture"), *map(figure_column, shown)),
        rows=tuple(rows),
        caption="; ".join(filter(None, (table.key.dtype, held, table.key.machine))),
    )
    records = tuple(
        {
            "architecture": text,
            "device": table.key.device,
            "dtype": table.key.dtype,
            **{name: figures[name] for name in shown},
            **{f"{name}.provenance": table.figures[name].provenance.value for name in shown},
        }
        for text, figures in table.wholes.items()
    )
    return Report(
        tables=tuple(
            part for part in (networks, left_out_table(table), validation_table(table), basis_table(table)) if part.rows
        ),
        remarks=tuple(_remarks(table, space)),
        records=records,
    )


def validation_table(table: LookupTable) -> ReportTable:
    """How well a table predicts whole networks that it has never seen."""
    title = f"Whole networks of {table.space} on {table.key.device}, predicted and then profiled"
    caption = "the interval is that of the actual figure, relative to the prediction; of a measured latency it is p5"
    return _errors(title, table.validation, caption)


def left_out_table(table: LookupTable) -> ReportTable:
    """How well each of the whole networks that a table was corrected by is predicted from the others."""
    title = f"Whole networks of {table.space} on {table.key.device}, each predicted from the others"
    return _errors(title, table.left_out, "what the table promises until edgebench lut validate")


def _errors(title: str, known: Mapping[str, Validation], caption: str) -> ReportTable:
    rows: list[dict[str, Cell]] = [
        {
            "figure": figure_of(name).title,
            "networks": item.networks,
            "mean": f"{item.mean_error:.2%}",
            "within5": f"{item.within_5_percent:.0%}",
            "within10": f"{item.within_10_percent:.0%}",
            "rank": None if item.rank_correlation is None else f"{item.rank_correlation:.3f}",
            "interval": f"{item.low - 1:+.1%} to {item.high - 1:+.1%}",
            "median": None
            if item.median_low is None or item.median_high is None
            else f"{item.median_low - 1:+.1%} to {item.median_high - 1:+.1%}",
        }
        for name, item in known.items()
    ]
    titles = {
        "mean": "mean error",
        "within5": "within 5 %",
        "within10": "within 10 %",
        "rank": "rank correlation",
        "interval": "95 % interval",
        "median": "from p5 to the median",
    }
    return plain_table(title, rows, titles, caption)


def _row(table: LookupTable, block: str) -> dict[str, Cell]:
    row: dict[str, Cell] = {"block": block}
    if block in table.disturbed:
        row["disturbed"] = "yes"
    for name in table.entries[block]:
        row[name] = _cost(table, name, table.cost(block, name))
    return row


def _cost(table: LookupTable, name: str, value: float) -> Metric:
    figure = table.figures[name]
    source = figure.source or (figure.method if figure.provenance is Provenance.ESTIMATED else None)
    unit = figure_of(name).unit
    return Metric(value=value, unit=unit, provenance=figure.provenance, method=figure.method, source=source)


def _record(table: LookupTable, block: str) -> dict[str, object]:
    figures = {name: table.cost(block, name) for name in table.entries[block]}
    return {
        "block": block,
        "device": table.key.device,
        "dtype": table.key.dtype,
        **figures,
        **{f"{name}.provenance": table.figures[name].provenance.value for name in figures},
        **({"disturbed": True} if block in table.disturbed else {}),
    }


def _remarks(table: LookupTable, space: SearchSpace | None) -> list[Remark]:
    subject = f"{table.space} on {table.key.device}"
    remarks = [Remark(kind=Kind.NOTE, code=Code.TABLE_NOTE, subject=subject, text=text) for text in table.notes]
    for name, figure in table.figures.items():
        base = f"; every network adds {figure.base:,.0f} {figure_of(name).unit}" if figure.base else ""
        scale = f"; times {figure.scale:.4g}, learnt from whole networks" if figure.scale != 1 else ""
        if figure.corrections:
            scale += f", with {len(figure.corrections)} corrections by kind and input of the block"
        text = f"{figure_of(name).title}: {figure.method}{scale}{base}"
        remarks.append(Remark(kind=Kind.NOTE, code=Code.TABLE_METHOD, subject=subject, text=text))
    if table.disturbed:
        text = (
            f"{len(table.disturbed)} blocks were measured while the machine was disturbed, such as {table.disturbed[0]}"
        )
        remarks.append(
            Remark(
                kind=Kind.WARNING,
                code=Code.DISTURBED,
                subject=subject,
                text=text,
                remedy=f"on a quieter machine, again: edgebench lut build {table.space} -d {table.key.device}",
            )
        )
    if not table.validation:
        known = "predictions carry the interval of the table's own whole networks, each predicted from the others"
        remarks.append(
            Remark(
                kind=Kind.NOTE if table.left_out else Kind.WARNING,
                code=Code.TABLE_NOT_VALIDATED,
                subject=subject,
                text=f"not validated: {known if table.left_out else 'predictions carry no interval'}",
                remedy=f"edgebench lut validate {table.space} -d {table.key.device}",
            )
        )
    return [*remarks, *_of_space(table, space, subject)]


def _of_space(table: LookupTable, space: SearchSpace | None, subject: str) -> list[Remark]:
    """What a table lacks of its space."""
    remarks: list[Remark] = []
    if space is not None:
        if not table.is_whole(space.digest):
            remarks.append(
                Remark(
                    kind=Kind.WARNING,
                    code=Code.TABLE_NOT_COMPLETE,
                    subject=subject,
                    text="incomplete: its build has not finished, or the space has changed since",
                    remedy=f"edgebench lut build {table.space} -d {table.key.device}",
                )
            )
        blocks = () if table.learnt_whole or space.learnt_whole else space.all_blocks
        missing = sum(block.key not in table.entries for block in blocks)
        if missing:
            remarks.append(
                Remark(
                    kind=Kind.WARNING,
                    code=Code.BLOCKS_MISSING,
                    subject=subject,
                    text=f"{missing} of {len(blocks)} blocks are missing",
                    remedy=f"edgebench lut build {table.space} -d {table.key.device}",
                )
            )
    return remarks
