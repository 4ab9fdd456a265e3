"""Built-in networks as a table."""

from __future__ import annotations

from edgebench.core.figure import MACS, PARAMETERS
from edgebench.models.zoo import zoo_entries
from edgebench.reports.report import Cell, Report, plain_table


def zoo_report() -> Report:
    """A table of the built-in networks with exact counts."""
    rows: list[dict[str, Cell]] = []
    for entry in zoo_entries():
        network = entry.build()
        rows.append(
            {
                "network": f"zoo:{entry.name}",
                "task": entry.task,
                "input": " x ".join(map(str, network.input_shape)),
                MACS: network.macs,
                PARAMETERS: network.parameters,
                "source": entry.source,
            }
        )
    caption = "also mobilenet-v2-WIDTH-SIZE for any width and size; weights are random, for latency and memory only"
    table = plain_table("Built-in networks", rows, {MACS: "MACs"}, caption)
    return Report(tables=(table,), records=tuple(rows))
