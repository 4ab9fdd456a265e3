"""The verb ``lut validate``: how well a table predicts networks that it has never seen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.begun import BegunValidation, NetworkFigures
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


def validate_table(
    request: TableRequest,
    table: LookupTable,
    *,
    networks: int,
    seed: int,
    begun: BegunValidation | None = None,
    on_update: Callable[[BegunValidation], object] = lambda _: None,
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> LookupTable:
    """Profile random networks in fresh processes and compare with the table's predictions.

    Args:
        request: Space and device.
        table: What is validated; it stays as it is until all networks are measured.
        networks: How many.
        seed: Of their draw.
        begun: What the same validation measured before it was interrupted; not used if it was another one.
        on_update: Called after each network; saves what was measured.
        on_progress: Called before each network.
        workers: Starts the processes that measure.

    Returns:
        The table with its validation.

    Raises:
        NotComparableError: The table is valid for another version, machine or option.
    """
    space = request.space
    chosen = _unseen(space, table, networks, seed)
    texts = tuple(space.text(row) for row in chosen)
    # Latencies are relative to one reference in all networks, those from before the interrupt too.
    reference_s = table.reference_s or (begun.reference_s if begun else None)
    with (
        tempfile.TemporaryDirectory(prefix="edgebench-") as folder,
        Bench(
            request.device,
            request.dtype,
            Path(folder),
            space.network(space.largest),
            reference_s,
            workers=workers,
            on_wait=lambda text: on_progress(ProfileProgress(done=0.0, text=text)),
        ) as bench,
    ):
        here = table_key(request.device, bench.versions, request.dtype, measured=not bench.deterministic, cpu=bench.cpu)
        require_fit(table, space, here)
        now = BegunValidation(
            key=here, space_digest=space.digest, seed=seed, wanted=networks, reference_s=table.reference_s
        )
        known = begun if begun is not None and _is_same(begun, now) else now
        for number, (row, text) in enumerate(zip(chosen, texts, strict=True)):
            if text in known.found:
                continue
            on_progress(ProfileProgress(done=number / len(chosen), text=f"{number} of {len(chosen)} networks"))
            figures = _profiled(bench, space.network(tuple(map(int, row))))
            known = replace(known, reference_s=bench.reference_s, found={**known.found, text: figures})
            on_update(known)
    found = [known.found[text] for text in texts]
    model = cost_model(space, {request.device.name: table})
    predicted = model.predict(chosen)
    validation = {
        figure: _validation(
            figure, found, predicted[:, model.names.index(column_name(figure, request.device.name))], texts, seed
        )
        for figure in table.figures
        if all(figure in item.robust for item in found)
    }
    return replace(table, validation=validation)


def _is_same(begun: BegunValidation, now: BegunValidation) -> bool:
    """Whether what was measured before the interrupt counts: nothing that it depends on is another thing now."""
    # The first network sets what latencies are relative to where the table does not.
    own = now.reference_s or begun.reference_s
    return replace(begun, found={}) == replace(now, reference_s=own)


def _unseen(space: SearchSpace, table: LookupTable, networks: int, seed: int) -> Architectures:
    """Distinct random architectures, without those that the table was corrected by."""
    drawn = np.unique(space.sample(np.random.default_rng(seed), networks * 4), axis=0)
    seen = {row.tobytes() for row in whole_networks(space, max(len(table.wholes), FITTED_BEFORE))}
    seen |= {np.array(space.parse(text), dtype=np.int8).tobytes() for text in table.wholes}
    unseen = drawn[[row.tobytes() not in seen for row in drawn]]
    return np.random.default_rng(seed).permutation(unseen)[:networks]


def _profiled(bench: Bench, network: Network) -> NetworkFigures:
    if bench.deterministic:
        figures = bench.profile(network)
        return NetworkFigures(
            robust={name: metric.value for name, metric in figures.items()},
            lowest={name: metric.least for name, metric in figures.items()},
            highest={name: metric.most for name, metric in figures.items()},
        )
    result = bench.race_whole(network)
    return NetworkFigures(
        robust=result.robust, lowest=result.robust, highest=result.robust, median={LATENCY: result.latency_s}
    )


def _validation(
    figure: str, found: list[NetworkFigures], predicted: NDArray[np.float64], architectures: tuple[str, ...], seed: int
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
