"""The verb ``spaces``: what there is to search."""

from __future__ import annotations

import numpy as np

from edgebench.errors import EdgebenchError
from edgebench.reports.report import Cell, Column, Remark, Report, Table
from edgebench.spaces.blocks import Block
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import Architecture, SearchSpace
from edgebench.store.spaces import find_space, space_names


def open_space(reference: str) -> SearchSpace:
    """A space by name or path.

    Raises:
        InputError: It does not exist, or its file is not valid.
    """
    return create_space(find_space(reference))


def spaces_report() -> Report:
    """One row a space; a file that is not valid is named with its fault."""
    rows: list[dict[str, Cell]] = []
    remarks = []
    for name in space_names():
        try:
            space = open_space(name)
        except EdgebenchError as error:
            remarks.append(Remark(kind="failure", subject=name, text=str(error)))
            continue
        rows.append(
            {
                "space": name,
                "family": space.description.family,
                "architectures": space.size,
                "blocks": len(space.all_blocks),
                "description": space.description.description,
            }
        )
    keys = ("space", "family", "architectures", "blocks", "description")
    columns = tuple(Column(key=key, title=key) for key in keys)
    table = Table(title="Search spaces", columns=columns, rows=tuple(rows))
    return Report(tables=(table,), remarks=tuple(remarks), records=tuple(rows))


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
    described = [
        Column(key=key, title=key)
        for key in ("dimension", "values", "only where")
        if any(row[key] is not None for row in dimensions)
    ]
    ends = _networks(space, [("smallest", space.smallest), ("largest", space.largest)])
    title = f"{space.name}: {space.size:,} architectures of {len(space.all_blocks)} different blocks"
    return Report(
        tables=(Table(title=title, columns=tuple(described), rows=tuple(dimensions)), ends),
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
    tables = [_plain_table(f"{space.name} {space.text(architecture)}", choices), _plain_table("Blocks", blocks)]
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


def _plain_table(title: str, rows: list[dict[str, Cell]]) -> Table:
    return Table(title=title, columns=tuple(Column(key=key, title=key) for key in rows[0]), rows=tuple(rows))


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


def _networks(space: SearchSpace, chosen: list[tuple[str, Architecture]]) -> Table:
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
    titles = {"network": "network", "architecture": "architecture", "macs": "MACs"}
    keys = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    columns = tuple(Column(key=key, title=titles.get(key, key)) for key in keys)
    return Table(title="Networks", columns=columns, rows=tuple(rows))
