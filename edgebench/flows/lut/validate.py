"""The verb ``lut validate``: how well a table predicts networks that it has never seen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import LATENCY, column_name
from edgebench.core.prediction_error import prediction_error, ratio_interval
from edgebench.core.table import LookupTable, Validation
from edgebench.flows.lut.bench import Bench
from edgebench.flows.lut.correction import whole_networks
from edgebench.flows.lut.opening import require_fit
from edgebench.flows.lut.request import TableRequest, table_key
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.models.network import Network
from edgebench.search.costs import cost_model
from edgebench.spaces.space import Architectures, SearchSpace
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL

FITTED_BEFORE = 12
"""Whole networks that tables had a scale from, before they kept them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Figures of one network, by name: what repeats best, the ends of its error band, and the median of times."""

    robust: Mapping[str, float]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    median: Mapping[str, float] = field(default_factory=dict)


def validate_table(
    request: TableRequest,
    table: LookupTable,
    *,
    networks: int,
    seed: int,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> LookupTable:
    """Profile random networks in fresh processes and compare with the table's predictions.

    Returns:
        The table with its validation.

    Raises:
        NotComparableError: The table is valid for another version, machine or option.
    """
    space = request.space
    chosen = _unseen(space, table, networks, seed)
    found: list[_Found] = []
    with (
        tempfile.TemporaryDirectory(prefix="edgebench-") as folder,
        Bench(
            request.device,
            request.dtype,
            Path(folder),
            space.network(space.largest),
            table.reference_s,
            workers=workers,
            on_wait=lambda owner: on_progress(ProfileProgress(done=0.0, text=f"waits for {owner}")),
        ) as bench,
    ):
        here = table_key(request.device, bench.versions, request.dtype, measured=not bench.deterministic, cpu=bench.cpu)
        require_fit(table, space, here)
        for number, row in enumerate(chosen):
            on_progress(ProfileProgress(done=number / len(chosen), text=f"{number} of {len(chosen)} networks"))
            found.append(_profiled(bench, space.network(tuple(map(int, row)))))
    model = cost_model(space, {request.device.name: table})
    predicted = model.predict(chosen)
    texts = tuple(space.text(row) for row in chosen)
    validation = {
        figure: _validation(
            figure, found, predicted[:, model.names.index(column_name(figure, request.device.name))], texts, seed
        )
        for figure in table.figures
        if all(figure in item.robust for item in found)
    }
    return replace(table, validation=validation)


def _unseen(space: SearchSpace, table: LookupTable, networks: int, seed: int) -> Architectures:
    """Distinct random architectures, without those that the table was corrected by."""
    drawn = np.unique(space.sample(np.random.default_rng(seed), networks * 4), axis=0)
    seen = {row.tobytes() for row in whole_networks(space, max(len(table.wholes), FITTED_BEFORE))}
    seen |= {np.array(space.parse(text), dtype=np.int8).tobytes() for text in table.wholes}
    unseen = drawn[[row.tobytes() not in seen for row in drawn]]
    return np.random.default_rng(seed).permutation(unseen)[:networks]


def _profiled(bench: Bench, network: Network) -> _Found:
    if bench.deterministic:
        figures = bench.profile(network)
        return _Found(
            robust={name: metric.value for name, metric in figures.items()},
            lowest={name: metric.least for name, metric in figures.items()},
            highest={name: metric.most for name, metric in figures.items()},
        )
    result = bench.race_whole(network)
    return _Found(robust=result.robust, lowest=result.robust, highest=result.robust, median={LATENCY: result.latency_s})


def _validation(
    figure: str, found: list[_Found], predicted: NDArray[np.float64], architectures: tuple[str, ...], seed: int
) -> Validation:
    robust = np.array([item.robust[figure] for item in found])
    error = prediction_error(robust, predicted)
    low, high = ratio_interval(
        np.array([item.lowest[figure] for item in found]),
        np.array([item.highest[figure] for item in found]),
        predicted,
    )
    steps = np.array([item.median[figure] / item.robust[figure] for item in found if figure in item.median])
    return Validation(
        networks=len(found),
        seed=seed,
        mean_error=error.mean,
        within_5_percent=error.within_5_percent,
        within_10_percent=error.within_10_percent,
        rank_correlation=error.rank_correlation,
        low=low,
        high=high,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        architectures=architectures,
        found=tuple(map(float, robust)),
        predicted=tuple(map(float, predicted)),
        median_low=float(np.quantile(steps, 0.025)) if len(steps) else None,
        median_high=float(np.quantile(steps, 0.975)) if len(steps) else None,
    )
