"""What a lookup table rests on, and where its predictions are off."""

from __future__ import annotations

from edgebench.core.figure import figure_of
from edgebench.core.table import LookupTable
from edgebench.reports.report import Cell, ReportTable, plain_table
from edgebench.search.group_errors import group_errors
from edgebench.spaces.space import SearchSpace

SHOWN = 12
"""Groups of blocks that a report shows of each figure, the worst first."""


def group_table(table: LookupTable, space: SearchSpace | None) -> ReportTable:
    """Errors of the networks that have blocks of a group: of the validation, otherwise of the table's own networks.

    Args:
        table: The table.
        space: Its space; without it, or where nothing was compared, there are no rows.
    """
    rows: list[dict[str, Cell]] = []
    known = {**table.left_out, **table.validation} if space is not None else {}
    for name, item in known.items():
        # Tables that edgebench includes do not keep which networks were compared.
        if space is None or not item.architectures or len(item.architectures) != len(item.found):
            continue
        rows += [
            {
                "figure": figure_of(name).title,
                "group": error.group,
                "networks": error.networks,
                "bias": f"{error.bias:+.1%}",
                "mean": f"{error.mean_error:.1%}",
                "others": None if error.others is None else f"{error.others:.1%}",
            }
            for error in group_errors(space, item)[:SHOWN]
        ]
    titles = {
        "group": "networks with blocks",
        "bias": "predicted above found",
        "mean": "mean error",
        "others": "of those without",
    }
    return plain_table(
        f"Errors of {table.space} on {table.key.device} by kind and input of the blocks",
        rows,
        titles,
        f"at most {SHOWN} kinds for each figure, the worst first",
    )


def basis_table(table: LookupTable) -> ReportTable:
    """What was measured for a table, where, and what corrects it."""
    facts: dict[str, str] = {}
    if table.entries:
        marked = f", {len(table.disturbed)} of them while the machine was disturbed" if table.disturbed else ""
        facts["blocks"] = f"{len(table.entries)}{marked}"
    if table.wholes:
        facts["whole networks"] = f"{len(table.wholes)}, from which the corrections are learnt"
    for name, figure in table.figures.items():
        parts = [f"{figure.provenance}; {figure.method}"]
        if figure.scale != 1:
            parts.append(f"times {figure.scale:.4g}")
        if figure.corrections:
            low, high = min(figure.corrections.values()), max(figure.corrections.values())
            scale = 1e6 if figure_of(name).unit in {"s", "J"} else 1.0
            unit = {"s": "us", "J": "uJ"}.get(figure_of(name).unit, figure_of(name).unit)
            parts.append(
                f"{len(figure.corrections)} corrections of {low * scale:+.2f} to {high * scale:+.2f} {unit} a block"
            )
        if figure.source:
            parts.append(figure.source)
        facts[figure_of(name).title] = "; ".join(parts)
    for name, item in table.validation.items():
        facts[f"validation of {figure_of(name).title}"] = f"{item.networks} unseen networks, {item.when}"
    facts["processor"] = table.key.machine
    facts["versions"] = ", ".join(f"{name} {value}" for name, value in table.key.versions.items())
    facts["options"] = ", ".join(f"{name} {value}" for name, value in table.key.options.items())
    facts["written"] = " ".join(
        filter(None, (table.when, f"by edgebench {table.edgebench}" if table.edgebench else ""))
    )
    rows: list[dict[str, Cell]] = [{"what": name, "value": text} for name, text in facts.items() if text]
    return plain_table(
        f"What the table of {table.space} on {table.key.device} rests on", rows, {"what": "what", "value": "value"}
    )
