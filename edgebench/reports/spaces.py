"""Search spaces as tables: all of them, one of them, one of its networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgebench.errors import EdgebenchError
from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import Cell, Remark, Report, ReportTable, plain_table
from edgebench.spaces.blocks import Block
from edgebench.spaces.space import Architecture, SearchSpace


def spaces_report(spaces: Mapping[str, SearchSpace | EdgebenchError]) -> Report:
    """One row per space; an invalid file is named with its error.

    Args:
        spaces: By name, the space or why it cannot be opened.
    """
    rows: list[dict[str, Cell]] = [
        {
            "space": name,
            "family": space.description.family,
            "architectures": space.size,
            "blocks": None if space.runs_code or space.learnt_whole else len(space.all_blocks),
            "description": space.description.description,
        }
        for name, space in spaces.items()
        if isinstance(space, SearchSpace)
    ]
    remarks = tuple(
        Remark(kind=Kind.FAILURE, code=Code.NOT_VALID, subject=name, text=str(fault))
        for name, fault in spaces.items()
        if isinstance(fault, EdgebenchError)
    )
    return Report(tables=(plain_table("Search spaces", rows),), remarks=remarks, records=tuple(rows))


def space_report(space: SearchSpace) -> Report:
    """Dimensions of a space, and its smallest and largest network."""
    dimensions: list[dict[str, Cell]] = [
        {
            "dimension": dimension.name,
            "values": ", ".join(map(str, dimension.values)),
            "only where": None if dimension.needs is None else _condition(space, *dimension.needs),
        }
        for dimension in space.dimensions
    ]
    ends = _networks(space, [("smallest", space.smallest), ("largest", space.largest)])
    made = "learnt from whole networks" if space.learnt_whole else f"{len(space.all_blocks)} distinct blocks"
    title = f"{space.name}: {space.size:,} architectures of {made}"
    if space.learnt_whole:
        title = f"{space.name}: {space.size:,} different networks of {space.combinations:,} choices"
    origin = Remark(
        kind=Kind.NOTE,
        code=Code.SPACE_FILE,
        subject=space.name,
        text=f"{space.description.description}; family {space.description.family}; {space.description.origin}",
        remedy=f"edgebench spaces new my-space --from {space.name} makes one of your own from it",
    )
    return Report(
        remarks=(origin,) if space.description.origin else (),
        tables=(plain_table(title, dimensions), ends),
        records=tuple({"space": space.name, "architectures": space.size, **row} for row in dimensions),
    )


def architecture_report(space: SearchSpace, text: str) -> Report:
    """What one architecture is: its choices, and its blocks from the input to the output.

    Raises:
        InputError: It is not one of this space.
    """
    architecture = space.parse(text)
    values = space.values(architecture)
    choices: list[dict[str, Cell]] = [
        {"dimension": dimension.name, "value": str(values[dimension.name])}
        for dimension in space.dimensions
        if dimension.needs is None or _has_effect(space, architecture, *dimension.needs)
    ]
    blocks: list[dict[str, Cell]] = [_block_row(slot, block) for slot, block in space.blocks(architecture)]
    tables = [plain_table(f"{space.name} {space.text(architecture)}", choices), plain_table("Blocks", blocks)]
    return Report(tables=(*tables, _networks(space, [("", architecture)])), records=(*choices, *blocks))


def _block_row(slot: str, block: Block) -> dict[str, Cell]:
    network = block.network()
    return {
        "slot": slot,
        "block": block.key,
        "output": "x".join(map(str, network.shapes[network.output])),
        "parameters": network.parameters,
        "MACs": network.macs,
    }


def _has_effect(space: SearchSpace, architecture: Architecture, parent: str, least: int) -> bool:
    return architecture[list(space.choices()).index(parent)] >= least


def sample_report(space: SearchSpace, count: int, seed: int) -> Report:
    """Random architectures with the size of their networks."""
    drawn = space.sample(np.random.default_rng(seed), count)
    table = _networks(space, [("", tuple(map(int, row))) for row in drawn])
    return Report(tables=(table,), records=table.rows)


def _condition(space: SearchSpace, parent: str, least: int) -> str:
    values = space.choices()[parent][least:]
    return f"{parent} is {' or '.join(map(str, values))}"


def _networks(space: SearchSpace, chosen: list[tuple[str, Architecture]]) -> ReportTable:
    rows: list[dict[str, Cell]] = []
    for label, architecture in chosen:
        network = space.network(architecture)
        rows.append(
            {
                "network": label or None,
                "architecture": space.text(space.canonical_one(architecture)),
                "parameters": network.parameters,
                "macs": network.macs,
                "layers": len(network.layers),
            }
        )
    return plain_table("Networks", rows, {"macs": "MACs"})
