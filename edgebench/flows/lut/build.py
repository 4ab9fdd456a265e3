"""The verb ``lut build``: measures every distinct block of a space on a device."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edgebench.core.device import DeviceKind
from edgebench.core.figure import ENERGY, FLASH, LATENCY, RAM, TABLE_FIGURES
from edgebench.core.metric import Metric, Provenance
from edgebench.core.table import LookupTable, TableFigure
from edgebench.errors import NotComparableError
from edgebench.flows.lut.bench import Bench, over_processes
from edgebench.flows.lut.context import after, before, first
from edgebench.flows.lut.correction import corrected_until_good, whole_networks
from edgebench.flows.lut.neighbours import Neighbours, choose_neighbours
from edgebench.flows.lut.request import TableRequest, begun_table, table_key
from edgebench.flows.lut.whole_table import build_whole_table
from edgebench.flows.profile.profile import ProfileProgress
from edgebench.models.network import Network
from edgebench.spaces.blocks import Block
from edgebench.spaces.space import SearchSpace
from edgebench.workers.base import Workers
from edgebench.workers.local import LOCAL
from edgebench.workers.measuring.race_jobs import RaceResult

GROUP = 7
"""How many blocks share one race, and so one measurement of what surrounds them."""
RACE_S = 0.17
"""Time for each network in each process."""
MORE_RACES = 3
"""How often a group is measured again while its processes do not agree."""
APART = 0.01
"""Typical deviation of a block's cost between processes, as a share of a whole network here, that is too much."""
PATIENCE = 5
"""Groups in a row whose processes never agree before the machine is called disturbed throughout."""
_CONTEXTS = "blocks were measured between others than in a network: "
_START = "start"

Figures = Mapping[str, float]


def build_table(
    request: TableRequest,
    known: LookupTable | None,
    *,
    on_update: Callable[[LookupTable], object],
    on_progress: Callable[[ProfileProgress], None] = lambda _: None,
    workers: Workers = LOCAL,
) -> LookupTable:
    """Measure the blocks that a table lacks, then those that were disturbed, then whole networks until it is good.

    Args:
        request: What to build.
        known: What was measured before, if anything.
        on_update: Called with the table after each unit of work; saves it.
        on_progress: Called after each unit of work, with the remaining time.
        workers: Starts the processes that measure.

    Raises:
        NotComparableError: The known table is valid for another version, machine or option, or the machine is disturbed
            throughout; what was measured is saved.
        TargetUnavailableError: The device cannot be used here.
        UnsupportedModelError: A block does not run there.
    """
    if request.space.learnt_whole:
        return build_whole_table(request, known, on_update=on_update, on_progress=on_progress, workers=workers)
    reference = request.space.network(request.space.largest)
    digest = request.space.digest
    # Entries from another state of the space stay valid, but its largest network may have been another one.
    reference_s = known.reference_s if known and known.space_digest == digest else None
    with (
        tempfile.TemporaryDirectory(prefix="edgebench-") as folder,
        Bench(
            request.device,
            request.dtype,
            Path(folder),
            reference,
            reference_s,
            workers=workers,
            on_wait=lambda text: on_progress(ProfileProgress(done=0.0, text=text)),
        ) as bench,
    ):
        measured = not bench.deterministic
        key = table_key(request.device, bench.versions, request.dtype, measured=measured, cpu=bench.cpu)
        table = begun_table(request, key, known)
        missing = [block for block in request.space.all_blocks if block.key not in table.entries]
        again = [block for block in request.space.all_blocks if block.key in table.disturbed]
        on_progress(
            ProfileProgress(done=0.0, text=f"{len(missing)} of {len(request.space.all_blocks)} blocks to measure")
        )
        if not missing and not again and table.is_whole(digest) and not (measured and _may_improve(request, table)):
            return table
        blocks_done = table
        for blocks_done in _blocks_measured(request, bench, table, [missing, again], on_progress, workers):
            on_update(blocks_done)
        whole = blocks_done
        for whole in _as_a_whole(request, bench, blocks_done, on_progress):
            on_update(replace(whole, reference_s=bench.reference_s, space_digest=digest, validation={}))
        finished = replace(whole, reference_s=bench.reference_s, space_digest=digest, complete=True, validation={})
        on_update(finished)
        return finished


def _may_improve(request: TableRequest, table: LookupTable) -> bool:
    """Whether a finished table is not as good as asked, and more whole networks may be measured than were."""
    rows = whole_networks(request.space, request.goal.networks)
    return bool(table.left_out) and not request.goal.met_by(table) and len(table.wholes) < len(rows)


def _blocks_measured(
    request: TableRequest,
    bench: Bench,
    table: LookupTable,
    rounds: Sequence[Sequence[Block]],
    on_progress: Callable[[ProfileProgress], None],
    workers: Workers,
) -> Iterator[LookupTable]:
    """The table after each unit of work: the first round's blocks are missing, the second's were disturbed."""
    start, done, digest = time.monotonic(), 0, request.space.digest
    count = sum(map(len, rounds))
    for blocks in filter(None, rounds):
        in_a_row = 0
        for entries, figures in _measured(request, bench, blocks, workers):
            done += len(entries)
            disturbed = bench.disturbed & set(entries)
            table = replace(
                table,
                entries={**table.entries, **entries},
                figures={**figures, **table.figures},
                when=datetime.now(UTC).isoformat(timespec="seconds"),
                validation={},
                # Whole networks are measured relative to the largest, which may have been another one.
                wholes={} if table.space_digest != digest else table.wholes,
                left_out={},
                disturbed=tuple(sorted({*table.disturbed} - set(entries) | disturbed)),
                notes=(*(note for note in table.notes if not note.startswith(_CONTEXTS)), *bench.notes),
                reference_s=bench.reference_s,
                space_digest=digest,
                complete=False,
            )
            yield table
            left = (time.monotonic() - start) / max(done, 1) * (count - done)
            on_progress(ProfileProgress(done=done / count, text=f"{done} of {count} blocks, {left:.0f} s left"))
            in_a_row = in_a_row + 1 if disturbed else 0
            if in_a_row == PATIENCE and any(block.key not in table.entries for block in blocks):
                raise _too_disturbed(table, request)
            if in_a_row == PATIENCE:
                break


def _too_disturbed(table: LookupTable, request: TableRequest) -> NotComparableError:
    done, count = len(table.entries), len(request.space.all_blocks)
    return NotComparableError(
        f"gave up: the machine is disturbed throughout; for {PATIENCE} groups of blocks in a row processes did not "
        f"agree about what they cost, however often they were measured; {done} of {count} blocks are kept",
        where=f"{table.space} on {table.key.device}",
        remedy="end other programs and run the command again: it resumes, and measures again what was disturbed",
    )


_Step = tuple[dict[str, Figures], Mapping[str, TableFigure]]


def _measured(request: TableRequest, bench: Bench, blocks: Sequence[Block], workers: Workers) -> Iterator[_Step]:
    starts = {block.key for block in _first_blocks(request.space)}
    if not bench.deterministic:
        yield from _raced(request, bench, blocks, starts)
        return
    jobs = request.jobs or os.cpu_count() or 1
    one = _one_alone if request.device.kind is DeviceKind.MCU else _one_in_context
    with tempfile.TemporaryDirectory(prefix="edgebench-") as folder, ThreadPoolExecutor(jobs) as pool:
        benches: list[Bench] = []
        shares = [list(blocks[number::jobs]) for number in range(jobs)]
        try:
            for number in range(jobs):
                own = Path(folder) / str(number)
                own.mkdir()
                largest = request.space.network(request.space.largest)
                benches.append(Bench(request.device, request.dtype, own, largest, workers=workers))
            # Each thread has its own child process and takes the next block when it is done.
            waiting = [iter(share) for share in shares]
            futures = {
                pool.submit(one, benches[n], block, starts): n
                for n in range(jobs)
                if (block := next(waiting[n], None)) is not None
            }
            while futures:
                done = next(as_completed(futures))
                n = futures.pop(done)
                block = next(waiting[n], None)
                if block is not None:
                    futures[pool.submit(one, benches[n], block, starts)] = n
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for opened in benches:
                opened.__exit__(None, None, None)


def _first_blocks(space: SearchSpace) -> list[Block]:
    term = space.terms[0]
    return [space.all_blocks[number] for number in sorted(set(term.blocks.ravel().tolist())) if number >= 0]


def _one_alone(bench: Bench, block: Block, starts: set[str]) -> _Step:
    """For microcontrollers, where a layer costs the same wherever it is."""
    del starts
    found = bench.profile(block.network())
    figures = {name: found[name].value for name in (LATENCY, RAM) if name in found}
    methods = {name: _figure(found[name]) for name in figures}
    if FLASH in found and "code_bytes" in found:
        figures[FLASH] = found[FLASH].value - _kernel_code(found)
        methods[FLASH] = _figure(found[FLASH])
    return {block.key: figures}, methods


def _one_in_context(bench: Bench, block: Block, starts: set[str]) -> _Step:
    """For compilers, which see the whole graph: a block costs the difference that it makes to a network."""
    without: Mapping[str, Metric] = {}
    if block.key in starts:
        found = bench.profile(first(block))
    else:
        found, without = bench.profile(after(block)), bench.profile(before(block))
    figures = {}
    for name, metric in found.items():
        if name == RAM:
            figures[name] = metric.value
        elif name in TABLE_FIGURES:
            figures[name] = metric.value - (without[name].value if name in without else 0.0)
    methods = {name: _figure(found[name]) for name in figures}
    in_context = {
        name: replace(figure, method=f"network with the block minus network without it; {figure.method}")
        for name, figure in methods.items()
        if name != RAM
    }
    return {block.key: figures}, {**methods, **in_context}


def _raced(request: TableRequest, bench: Bench, blocks: Sequence[Block], starts: set[str]) -> Iterator[_Step]:
    """For runtimes on a real processor: networks with and without the block, in turn, in the same processes."""
    chosen = choose_neighbours(request.space, bench)
    bench.notes.clear()
    if chosen.missed:
        bench.notes.append(
            f"{_CONTEXTS}{chosen.missed:.1%} of the operators that the runtime executes differ, mostly {chosen.worst}; "
            "whole networks correct for it"
        )
    shapes: dict[object, list[Block]] = {}
    for block in blocks:
        shapes.setdefault(_START if block.key in starts else block.input_shape, []).append(block)
    for shape, members in shapes.items():
        for position in range(0, len(members), GROUP):
            yield _group(bench, members[position : position + GROUP], chosen.before, from_start=shape == _START)


def _group(bench: Bench, group: Sequence[Block], before_it: Neighbours, *, from_start: bool) -> _Step:
    """One race, and further ones while its processes do not agree about what the blocks cost."""
    if from_start:
        networks: list[Network] = [first(block) for block in group]
    else:
        neighbour = before_it.get(group[0].input_shape)
        networks = [after(block, neighbour) for block in group] + [before(group[0], neighbour)]
    processes = list(bench.race_each(networks, RACE_S))
    for _ in range(MORE_RACES):
        if not _apart(processes, len(group)):
            break
        processes += bench.race_each(networks, RACE_S)
    keys = {block.key for block in group}
    bench.disturbed.difference_update(keys)
    if _apart(processes, len(group)):
        bench.disturbed.update(keys)
    return _differences(group, over_processes(processes), bench.latency_provenance)


def _apart(processes: Sequence[Sequence[RaceResult]], count: int) -> bool:
    """Whether half of the processes or more are apart in what the blocks of a group cost."""
    costs = np.array(
        [
            [
                result.latency_p5_s - (results[count].latency_p5_s if len(results) > count else 0.0)
                for result in results[:count]
            ]
            for results in processes
        ]
    )
    whole = float(np.median([result.latency_p5_s for results in processes for result in results]))
    deviations = np.abs(costs - np.median(costs, axis=0))
    return bool(np.median(np.median(deviations, axis=0)) > APART * whole)


def _differences(group: Sequence[Block], results: Sequence[RaceResult], provenance: Provenance) -> _Step:
    """The costs of blocks from networks with them; one more network, if any, is what all have in common."""
    method = "network with the block minus network without it, in turn with the largest network: 5th percentiles"
    reference = results[len(group)] if len(results) > len(group) else None
    figures = {LATENCY: TableFigure(provenance=provenance, method=method)}
    entries: dict[str, Figures] = {}
    for block, result in zip(group, results, strict=False):
        entry = {LATENCY: result.latency_p5_s - (reference.latency_p5_s if reference else 0.0)}
        if result.energy_j is not None:
            entry[ENERGY] = result.energy_j - ((reference.energy_j or 0.0) if reference else 0.0)
            figures[ENERGY] = TableFigure(provenance=Provenance.MEASURED, method="energy meter; " + method)
        entries[block.key] = entry
    return entries, figures


def _figure(metric: Metric) -> TableFigure:
    return TableFigure(provenance=metric.provenance, method=metric.method, source=metric.source)


def _kernel_code(found: Mapping[str, Metric]) -> float:
    """Code that layers share, which a network has once."""
    own = found["layer_code_bytes"].value if "layer_code_bytes" in found else 0.0
    return found["code_bytes"].value - own


def _as_a_whole(
    request: TableRequest, bench: Bench, table: LookupTable, on_progress: Callable[[ProfileProgress], None]
) -> Iterator[LookupTable]:
    """What only whole networks show: what they contain besides their blocks, and how far sums are from them."""
    if bench.deterministic:
        yield _with_base(request, bench, table)
        return

    def report(share: float, text: str) -> None:
        on_progress(ProfileProgress(done=share, text=text))

    def measure(network: Network) -> Mapping[str, float]:
        return bench.race_whole(network).robust

    yield from corrected_until_good(request.space, table, measure, request.goal, report)


def _with_base(request: TableRequest, bench: Bench, table: LookupTable) -> LookupTable:
    """The code of a microcontroller's kernels, read from the largest network."""
    if request.device.kind is not DeviceKind.MCU or FLASH not in table.figures:
        return table
    found = bench.profile(request.space.network(request.space.largest))
    figure = replace(table.figures[FLASH], base=_kernel_code(found))
    return replace(table, figures={**table.figures, FLASH: figure})
