"""A space and tables of devices, as a model of what its networks cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgebench.core.device import Device, PowerModel
from edgebench.core.figure import ENERGY, LATENCY, MACS, NETWORK, PARAMETERS, split_column
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey, Validation
from edgebench.errors import InputError
from edgebench.search.cost_model import CostModel
from edgebench.search.predictor import Joined, Predictor
from edgebench.search.whole_model import WholeModel
from edgebench.spaces.blocks import Block
from edgebench.spaces.space import SearchSpace


def cost_model(space: SearchSpace, tables: Mapping[str, LookupTable]) -> Predictor:
    """Predicts the networks of a space: the tables' figures, and ``macs`` and ``parameters`` of the network.

    Args:
        space: Where architectures come from.
        tables: By device.

    Raises:
        InputError: A table lacks a block of the space.
    """
    whole = {device: table for device, table in tables.items() if table.learnt_whole}
    if space.learnt_whole:
        blocks = [device for device in tables if device not in whole]
        if blocks:
            raise InputError(
                f"the table of {blocks[0]} is one of blocks, and {space.name} is learnt from whole networks",
                remedy=f"edgebench lut build {space.name} -d {blocks[0]} --fresh",
            )
        return WholeModel(space, whole, sizes=space.counts_sizes)
    values = [len(dimension.values) for dimension in space.dimensions]
    by_block = CostModel(
        values,
        space.terms,
        [block.key for block in space.all_blocks],
        {device: table for device, table in tables.items() if device not in whole} | {NETWORK: _sizes(space)},
    )
    return Joined([by_block, WholeModel(space, whole, sizes=False)], values) if whole else by_block


def require_columns(columns: Sequence[str], model: Predictor, space: str) -> None:
    """Check that tables have the figures that limits and objectives need.

    Args:
        columns: Such as ``latency_s@host``.
        model: Of the tables.
        space: Its name.

    Raises:
        InputError: A table lacks a figure.
    """
    names = [split_column(name) for name in model.names]
    for column in columns:
        if column not in model.names:
            figure, device = split_column(column)
            known = ", ".join(other.short for other, place in names if place == device)
            raise InputError(
                f"the table of {device} has no {figure.title}",
                remedy=f"it has {known}" if known else f"edgebench lut build {space} -d {device}",
            )


def with_declared_energy(table: LookupTable, device: Device) -> LookupTable:
    """A table with energy, if the device declares its power and the table has only latencies.

    Energy is power x latency. Its interval is that of the latency, widened by the error of the power.
    """
    power = device.power
    if power is None or LATENCY not in table.figures or ENERGY in table.figures:
        return table
    latency = table.figures[LATENCY]
    figure = TableFigure(
        provenance=Provenance.ESTIMATED,
        method=f"declared power {power.active_w:g} W ({power.supply}) x {latency.provenance} latency",
        base=latency.base * power.active_w,
        scale=latency.scale,
        corrections={group: value * power.active_w for group, value in latency.corrections.items()},
        weights={
            family: {label: value * power.active_w for label, value in own.items()}
            for family, own in latency.weights.items()
        },
        source=power.source,
    )
    return replace(
        table,
        figures={**table.figures, ENERGY: figure},
        entries={key: {**figures, ENERGY: figures[LATENCY] * power.active_w} for key, figures in table.entries.items()},
        validation=_with_energy(table.validation, power),
        left_out=_with_energy(table.left_out, power),
    )


def _with_energy(known: Mapping[str, Validation], power: PowerModel) -> Mapping[str, Validation]:
    """Errors of energy are those of the latency; its interval is widened by the error of the power."""
    if LATENCY not in known:
        return known
    latency = known[LATENCY]
    energy = replace(
        latency,
        low=latency.low * (1 - power.relative_error),
        high=latency.high * (1 + power.relative_error),
        found=tuple(value * power.active_w for value in latency.found),
        predicted=tuple(value * power.active_w for value in latency.predicted),
    )
    return {**known, ENERGY: energy}


def _sizes(space: SearchSpace) -> LookupTable:
    """Parameters and multiply-accumulates of every block, which need no device."""
    figure = TableFigure(provenance=Provenance.EXACT, method="counted over the block's layers")
    return LookupTable(
        space=space.name,
        key=TableKey(device=NETWORK, target="", dtype=""),
        figures={MACS: figure, PARAMETERS: figure},
        entries={block.key: _counts(block) for block in space.all_blocks},
    )


def _counts(block: Block) -> Mapping[str, float]:
    network = block.network()
    return {MACS: float(network.macs), PARAMETERS: float(network.parameters)}
