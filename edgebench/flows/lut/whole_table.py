"""Tables that are learnt from whole networks: of spaces with too many different blocks, or measured elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edgebench.core.figure import FLASH, RAM, TABLE_FIGURES
from edgebench.core.metric import Metric
from edgebench.core.table import LookupTable, TableFigure
from edgebench.flows.lut.bench import Bench
from edgebench.flows.lut.correction import Goal, left_out_errors, with_verdict
from edgebench.flows.lut.request import TableRequest, begun_table, table_key
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.models.network import Network
from edgebench.search.whole_model import learn
from edgebench.spaces.space import Architectures, SearchSpace
from edgebench.workers.base import Workers

AT_A_TIME = 8
FEWEST = 16
MOST = 200
_SEED = 20231


def sampled_networks(space: SearchSpace, most: int = MOST) -> Architectures:
    """Distinct random architectures, in the order in which a table of this space measures them."""
    drawn = np.unique(space.sample(np.random.default_rng(_SEED), MOST * 4), axis=0)
    return np.random.default_rng(_SEED).permutation(drawn)[: min(most, max(4, space.size // 4))]


def learnt_from(space: SearchSpace, table: LookupTable, wholes: Mapping[str, Mapping[str, float]]) -> LookupTable:
    """A table with what whole networks teach about each figure that all of them have.

    Args:
        space: Where the networks are from.
        table: Its figures say how they were obtained.
        wholes: By architecture, figures above 0.
    """
    rows = np.array([space.written(text) for text in wholes], dtype=np.int8)
    families = space.features(rows)
    figures, left_out = {}, {}
    for name, column in table.figures.items():
        found = np.array([item[name] for item in wholes.values()])
        learnt = learn(families, found)
        figures[name] = replace(column, base=learnt.base, weights=learnt.weights or {"base": {"all": 0.0}})
        left_out[name] = left_out_errors(
            found, learnt.left_out, tuple(wholes), freedom=learnt.freedom, least_spread=learnt.spread
        )
    return replace(table, figures=figures, wholes=dict(wholes), left_out=left_out, validation={})


def build_whole_table(
    request: TableRequest,
    known: LookupTable | None,
    *,
    on_update: Callable[[LookupTable], object],
    on_progress: Callable[[ProfileProgress], None],
    workers: Workers,
) -> LookupTable:
    """Measure whole networks, a few at a time, until each is predicted well from the others.

    Args:
        request: What to build.
        known: What was measured before, if anything.
        on_update: Called with the table after each unit of work; saves it.
        on_progress: Called before each network.
        workers: Starts the processes that measure.

    Raises:
        NotComparableError: The known table is valid for another version, machine or option.
        TargetUnavailableError: The device cannot be used here.
        UnsupportedModelError: A network does not run there.
    """
    space, goal, digest = request.space, request.goal, request.space.digest
    reference_s = known.reference_s if known and known.space_digest == digest else None
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
        key = table_key(request.device, bench.versions, request.dtype, measured=not bench.deterministic, cpu=bench.cpu)
        table = begun_table(request, key, known)
        if table.is_whole(digest) and table.learnt_whole:
            return table
        wholes = dict(table.wholes) if table.space_digest == digest else {}
        rows = sampled_networks(space, min(MOST, goal.networks * 5))
        methods: dict[str, TableFigure] = dict(table.figures)
        was_good = False
        end = None if goal.seconds is None else time.monotonic() + goal.seconds
        for start in range(0, len(rows), AT_A_TIME):
            for number, row in enumerate(rows[start : start + AT_A_TIME], start):
                text = space.text(row)
                if text in wholes:
                    continue
                on_progress(ProfileProgress(done=number / len(rows), text=_progress(table, number, goal)))
                figures, found = _figures(bench, space.network(tuple(map(int, row))))
                wholes[text], methods = figures, {**found, **methods}
            methods = {
                name: column for name, column in methods.items() if all(name in item for item in wholes.values())
            }
            table = replace(
                learnt_from(space, replace(table, figures=methods), wholes),
                when=datetime.now(UTC).isoformat(timespec="seconds"),
                reference_s=bench.reference_s,
                space_digest=digest,
                complete=False,
            )
            on_update(table)
            if len(wholes) >= min(FEWEST, len(rows)) and goal.stops(table, was_good):
                break
            was_good = goal.met_by(table)
            if end is not None and time.monotonic() > end:
                break
        finished = replace(with_verdict(space, table, goal), complete=True)
        on_update(finished)
        return finished


def _figures(bench: Bench, network: Network) -> tuple[dict[str, float], dict[str, TableFigure]]:
    """What a network comes to, and how that was obtained."""
    if bench.deterministic:
        profiled = {name: item for name, item in bench.profile(network).items() if name in TABLE_FIGURES}
        values = {name: item.value for name, item in profiled.items() if item.value > 0}
        return values, {name: _column(profiled[name]) for name in values}
    robust = bench.race_whole(network).robust
    column = TableFigure(
        provenance=bench.latency_provenance,
        method="learnt from whole networks, in turn with the largest network: 5th percentiles",
    )
    return dict(robust), dict.fromkeys(robust, column)


def _column(metric: Metric) -> TableFigure:
    """What the figures of the networks are; what is predicted from them is an estimate."""
    method = f"learnt from whole networks; {metric.method}"
    return TableFigure(provenance=metric.provenance, method=method, source=metric.source)


def _progress(table: LookupTable, number: int, goal: Goal) -> str:
    known = [item for name, item in table.left_out.items() if name not in {RAM, FLASH}]
    if not known:
        return f"whole network {number + 1}"
    return f"whole network {number + 1}: mean error so far {known[0].mean_error:.1%}, goal {goal.mean_error:.1%}"
