"""What stands before a block while it is measured, chosen by the operators that a runtime executes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edgebench.flows.lut.bench import Bench
from edgebench.flows.lut.correction import whole_networks
from edgebench.flows.lut.neighbours import _Contexts, _missed, candidates, choose_neighbours
from edgebench.flows.spaces import open_space
from edgebench.models.network import Network
from edgebench.store.devices import find_device
from edgebench.workers.measuring.model_jobs import CountOperators, ExecutedOperators
from tests.canned_workers import CannedWorkers

MOBILE = open_space("mobile")


class CountingBench(Bench):
    """Counts what a made-up runtime executes, without files."""

    def __init__(self, folder: Path, *, blocked: int) -> None:
        super().__init__(find_device("host"), "float32", folder, MOBILE.network(MOBILE.smallest))
        self._blocked = blocked

    def operators(self, networks: Sequence[Network]) -> tuple[Mapping[str, int], ...]:
        return tuple(self._counted(network) for network in networks)

    def _counted(self, network: Network) -> Mapping[str, int]:
        """Keeps so many channels together, but for a first convolution with fewer; each change costs an operator."""
        counts: Counter[str] = Counter()
        inside = False
        for number, layer in enumerate(network.layers):
            kind = type(layer).__name__
            counts[kind] += 1
            if kind in {"Conv2D", "DepthwiseConv2D"}:
                kept = number > 0 or network.shapes[layer.name][-1] % self._blocked == 0
            else:
                kept = inside and kind == "Add"
            counts["Reorder"] += kept != inside
            inside = kept
        return +counts


def test_where_the_runtime_does_not_tell_the_cheapest_is_taken(tmp_path: Path) -> None:
    workers = CannedWorkers({CountOperators: lambda _: ExecutedOperators(counts=None)})
    with Bench(find_device("host"), "float32", tmp_path, MOBILE.network(MOBILE.smallest), workers=workers) as bench:
        chosen = choose_neighbours(MOBILE, bench)
    assert chosen.missed is None
    assert {shape: blocks[0] for shape, blocks in candidates(MOBILE).items()} == chosen.before


@pytest.mark.parametrize("blocked", [4, 16])
def test_contexts_execute_what_networks_execute(tmp_path: Path, blocked: int) -> None:
    chosen = choose_neighbours(MOBILE, CountingBench(tmp_path, blocked=blocked))
    assert chosen.missed is not None
    assert chosen.missed < 0.02


def test_behind_a_convolution_alone_a_block_of_few_channels_pays_for_an_order_of_its_own(tmp_path: Path) -> None:
    bench = CountingBench(tmp_path, blocked=16)
    rows = [tuple(map(int, row)) for row in whole_networks(MOBILE, 4)]
    chains = [[block for _, block in MOBILE.blocks(row)] for row in rows]
    contexts = _Contexts(bench)
    wholes = bench.operators([MOBILE.network(row) for row in rows])
    starts = [contexts.start(chain[0]) for chain in chains]
    alone = _missed(wholes, starts, chains, contexts, {})
    assert alone > _missed(wholes, starts, chains, contexts, choose_neighbours(MOBILE, bench).before)


@pytest.mark.child
def test_onnx_runtime_tells_its_operators(tmp_path: Path) -> None:
    host = find_device("host")
    with Bench(host, "float32", tmp_path, MOBILE.network(MOBILE.smallest)) as bench:
        (counts,) = bench.operators([MOBILE.network(MOBILE.smallest)]) or ({},)
        chosen = choose_neighbours(MOBILE, bench)
    assert sum(counts.values()) > 5
    assert any("Conv" in name for name in counts)
    assert chosen.missed is not None
    assert chosen.missed < 0.2
