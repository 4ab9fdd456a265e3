"""Built-in networks as a table."""

from __future__ import annotations

from edgebench.core.figure import MACS, PARAMETERS
from edgebench.models.zoo import zoo_entries, zoo_entry
from edgebench.reports.report import Cell, Report, plain_table


def network_report(name: str) -> Report:
    """The layers of a built-in network.

    Raises:
        InputError: There is no such network.
    """
    entry = zoo_entry(name)
    network = entry.build()
    rows: list[dict[str, Cell]] = [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "output": "x".join(map(str, network.shapes[layer.name])),
            MACS: layer.macs(network.input_shapes(layer)),
        }
        for layer in network.layers
    ]
    caption = f"{entry.task}; {network.macs:,} MACs, {network.parameters:,} parameters; {entry.source}"
    table = plain_table(f"zoo:{entry.name}", rows, {MACS: "MACs"}, caption)
    return Report(tables=(table,), records=tuple(rows))


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
