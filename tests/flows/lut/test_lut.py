"""Building, resuming and validating tables, on a device without hardware and on real compilers and kernels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgebench.core.budget import Limit
from edgebench.core.device import PowerModel
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.errors import NotComparableError, TargetUnavailableError, UnsupportedModelError
from edgebench.flows.lut import bench as benches
from edgebench.flows.lut.bench import Bench
from edgebench.flows.lut.build import build_table
from edgebench.flows.lut.correction import Goal, corrected, corrected_until_good, whole_networks
from edgebench.flows.lut.request import TableRequest
from edgebench.flows.lut.validate import validate_table
from edgebench.flows.spaces import open_space
from edgebench.models.network import Network
from edgebench.reports.tables import table_report, tables_report
from edgebench.search.costs import cost_model, with_declared_energy
from edgebench.search.front import feasible_front
from edgebench.spaces.space import Architectures, SearchSpace
from edgebench.store.devices import find_device
from edgebench.workers.measuring.jobs import CountOperators, ExecutedOperators
from edgebench.workers.measuring.race_jobs import Race, Raced, RaceResult
from tests.canned_workers import CannedWorkers
from tests.small_space import open_twelve

FAKE = find_device("fake")
SIMULATORS = [
    pytest.param("ethos-u55-128", marks=pytest.mark.skipif(find_spec("ethosu") is None, reason="needs Vela")),
    pytest.param(
        "nucleo-l4r5zi", marks=pytest.mark.skipif(find_spec("unicorn") is None, reason="needs edgebench[mcu]")
    ),
]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> SearchSpace:
    return open_twelve(tmp_path_factory.mktemp("spaces"))


@pytest.fixture(autouse=True)
def short_races(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benches, "RACE_PROCESSES", 1)
    monkeypatch.setattr("edgebench.flows.lut.build.RACE_S", 0.05)
    monkeypatch.setattr(benches, "WHOLE_S", 0.05)


def built(space: SearchSpace, device: str = "fake", known: LookupTable | None = None, **changes: object) -> LookupTable:
    request = TableRequest(
        space=space, device=replace(find_device(device), **changes), dtype="float32" if device == "fake" else "int8"
    )
    return build_table(request, known, on_update=lambda _: None)


@pytest.mark.child
@pytest.mark.parametrize("device", SIMULATORS)
def test_tables_of_simulators_predict_unseen_networks(device: str, space: SearchSpace) -> None:
    table = built(space, device)
    assert set(table.entries) == {block.key for block in space.all_blocks}
    assert {"latency_s", "ram_bytes", "flash_bytes"} <= set(table.figures)
    request = TableRequest(space=space, device=find_device(device), dtype="int8")
    checked = validate_table(request, table, networks=4, seed=1)
    assert checked.validation["latency_s"].within_5_percent == 1.0
    assert checked.validation["latency_s"].low <= 1 <= checked.validation["latency_s"].high
    assert checked.validation["flash_bytes"].within_10_percent == 1.0
    assert checked.validation["ram_bytes"].mean_error < 0.1
    assert checked.entries == table.entries
    assert len(table_report(checked, space).tables) == 2
    assert tables_report([checked]).records[0]["blocks"] == len(table.entries)


@pytest.mark.child
@pytest.mark.slow
def test_a_table_of_a_runtime_adds_up(space: SearchSpace) -> None:
    """On the fake device latency is a file's size, so that differences of files must add up to whole files."""
    request = TableRequest(space=space, device=FAKE, dtype="float32")
    table = built(space)
    checked = validate_table(request, table, networks=6, seed=0)
    error = checked.validation["latency_s"]
    assert error.mean_error < 0.25  # Names and headers are in the file too.
    assert error.rank_correlation is not None
    assert error.rank_correlation > 0.7
    assert error.networks == 6 == len(error.architectures)
    assert all(figure.provenance == "simulated" for figure in table.figures.values())


@pytest.mark.child
@pytest.mark.slow
def test_an_interrupted_build_resumes_where_it_was(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[LookupTable] = []
    raced: list[int] = []
    whole = Bench.race_each

    def race(self: Bench, networks: Sequence[Network], seconds: float) -> object:
        if len(raced) == 2:
            raise KeyboardInterrupt
        raced.append(len(networks))
        return whole(self, networks, seconds)

    request = TableRequest(space=space, device=FAKE, dtype="float32")
    monkeypatch.setattr(Bench, "race_each", race)
    with pytest.raises(KeyboardInterrupt):
        build_table(request, None, on_update=saved.append)
    kept = saved[-1]
    assert 0 < len(kept.entries) < len(space.all_blocks)
    raced.clear()
    monkeypatch.setattr(Bench, "race_each", whole)
    steps = []
    finished = build_table(request, kept, on_update=steps.append)
    assert {key: finished.entries[key] for key in kept.entries} == kept.entries
    assert set(finished.entries) == {block.key for block in space.all_blocks}
    # Nothing is left to do now, and nothing is done.
    count = len(steps)
    assert build_table(request, finished, on_update=steps.append) == finished
    assert len(steps) == count
    # Cut off after the last block, it goes on with the whole networks.
    all_blocks = steps[-2]
    assert len(all_blocks.entries) == len(space.all_blocks)
    assert not all_blocks.complete
    stale = validate_table(request, finished, networks=3, seed=0).validation
    again = build_table(request, replace(all_blocks, validation=stale), on_update=steps.append)
    assert again.complete
    # What was known of other predictions says nothing of these.
    assert not again.validation


@pytest.mark.child
@pytest.mark.slow
def test_what_whole_networks_have_in_common_is_the_scale(space: SearchSpace) -> None:
    """Networks that take 5 % longer than the sum of their blocks are predicted to do so."""
    table = built(space)
    plain = corrected(space, table, {})
    rows = whole_networks(space)
    costs = cost_model(space, {"fake": plain})
    column = costs.names.index("latency_s@fake")
    expected = 1.05 * costs.predict(rows)[:, column]
    learnt = corrected(
        space, plain, {space.text(row): {"latency_s": float(time)} for row, time in zip(rows, expected, strict=True)}
    )
    assert cost_model(space, {"fake": learnt}).predict(rows)[:, column] == pytest.approx(expected, rel=0.01)
    assert learnt.left_out["latency_s"].mean_error < 0.02
    assert learnt.left_out["latency_s"].low < 1 < learnt.left_out["latency_s"].high
    assert 2 <= len(rows) < space.size


MOBILE = open_space("mobile")


def made_up() -> LookupTable:
    """A table of ``mobile`` whose blocks cost what their multiply-accumulates say."""
    figure = TableFigure(provenance=Provenance.MEASURED, method="made up")
    return LookupTable(
        space="mobile",
        key=TableKey(device="fake", target="fake", dtype="float32"),
        figures={"latency_s": figure},
        entries={block.key: {"latency_s": 1e-5 + 1e-10 * block.network().macs} for block in MOBILE.all_blocks},
        complete=True,
    )


def latencies(table: LookupTable, rows: Architectures, *, of_eight: float, noise: float) -> NDArray[np.float64]:
    """What networks take where every block with 8 input channels costs more than measured."""
    model = cost_model(MOBILE, {"fake": table})
    sums = model.predict(rows)[:, model.names.index("latency_s@fake")]
    counts = [sum(block.input_shape[-1] == 8 for _, block in MOBILE.blocks(tuple(map(int, row)))[1:]) for row in rows]
    found: NDArray[np.float64] = 1.03 * sums + of_eight * np.array(counts)
    return found * np.random.default_rng(1).normal(1, noise, len(rows))


def test_a_kind_of_block_that_costs_less_inside_is_learnt() -> None:
    """As on processors where a block behind a convolution pays for a layout that it does not pay in a chain."""
    table = made_up()
    mean_block = float(np.mean([entry["latency_s"] for entry in table.entries.values()]))
    rows = whole_networks(MOBILE, 20)
    times = latencies(table, rows, of_eight=-0.15 * mean_block, noise=0.005)
    wholes = {MOBILE.text(row): {"latency_s": float(time)} for row, time in zip(rows, times, strict=True)}
    learnt = corrected(MOBILE, table, wholes)
    unseen = MOBILE.sample(np.random.default_rng(99), 200)
    actual = latencies(table, unseen, of_eight=-0.15 * mean_block, noise=1e-9)

    def errors(predicting: LookupTable) -> NDArray[np.float64]:
        model = cost_model(MOBILE, {"fake": predicting})
        found: NDArray[np.float64] = np.abs(model.predict(unseen)[:, model.names.index("latency_s@fake")] / actual - 1)
        return found

    assert errors(table).mean() > 0.02
    assert errors(learnt).mean() < 0.01
    assert np.quantile(errors(learnt), 0.95) < 0.03
    promise = learnt.left_out["latency_s"]
    assert 0.9 <= np.mean((1 - errors(learnt) >= promise.low) & (1 + errors(learnt) <= promise.high)) <= 1


def test_the_build_stops_when_it_is_good_and_says_when_it_is_not() -> None:
    table = made_up()
    asked: list[Network] = []

    def measured(noise: float) -> Callable[[Network], Mapping[str, float]]:
        random = np.random.default_rng(3)
        remaining = iter(whole_networks(MOBILE))

        def measure(network: Network) -> Mapping[str, float]:
            asked.append(network)
            row = next(remaining)
            (time,) = latencies(table, row[None], of_eight=0.0, noise=1e-9)
            return {"latency_s": float(time * random.normal(1, noise))}

        return measure

    *_, good = corrected_until_good(MOBILE, table, measured(0.003), Goal(), lambda *_: None)
    assert len(good.wholes) == len(asked) == 8
    assert not good.notes
    asked.clear()
    *_, bad = corrected_until_good(MOBILE, table, measured(0.2), Goal(networks=12), lambda *_: None)
    assert len(bad.wholes) == len(asked) == 12
    (note,) = bad.notes
    assert note.startswith("predictions are not as good as asked: latency is ")
    assert "asked for: 2.0%, 90%" in note
    # What was measured stays, and a later build with better luck takes the note back.
    asked.clear()
    *_, again = corrected_until_good(MOBILE, bad, measured(0.003), Goal(mean_error=9.0, within_5_percent=0.0), print)
    assert not asked
    assert not again.notes


def test_processes_that_do_not_agree_are_asked_again_and_the_blocks_are_marked(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "RACE_PROCESSES", 3)
    random = np.random.default_rng(0)
    races: list[int] = []

    def answer(noise: float) -> CannedWorkers:
        def race(race: Race) -> Raced:
            races.append(len(race.models))
            times = [5e-3 + 1e-4 * number for number in range(len(race.models))]
            shaken = [time * float(random.normal(1, noise)) for time in times[:-1]] + times[-1:]
            return Raced(results=tuple(RaceResult(latency_p5_s=time, latency_s=time) for time in shaken))

        return CannedWorkers({Race: race, CountOperators: lambda _: ExecutedOperators(counts=None)})

    request = TableRequest(space=space, device=FAKE, dtype="float32", goal=Goal(networks=2))
    calm = build_table(request, None, on_update=lambda _: None, workers=answer(1e-4))
    few = len(races)
    assert not calm.disturbed
    races.clear()
    shaken = build_table(request, None, on_update=lambda _: None, workers=answer(0.2))
    assert len(races) > 2 * few
    assert shaken.disturbed
    assert shaken.complete
    assert any("while the machine was disturbed" in remark.text for remark in table_report(shaken).remarks)


def test_what_slows_the_machine_down_is_taken_out(
    space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that takes a fifth of the reference's time does so on a busy machine as well."""
    slowness = iter([1.2, 1.0, 1.1, 1.0, 1.3, 1.7, 1.4, 1.0, 2.0, 2.0, 2.0])

    def answer(race: Race) -> Raced:
        factor = next(slowness)
        times = [1e-3 * factor] * (len(race.models) - 1) + [5e-3 * factor]
        return Raced(results=tuple(RaceResult(latency_p5_s=time, latency_s=1.1 * time) for time in times))

    monkeypatch.setattr(benches, "RACE_PROCESSES", 3)
    workers = CannedWorkers({Race: answer})
    with Bench(FAKE, "float32", tmp_path, space.network(space.largest), workers=workers) as bench:
        for _ in range(2):
            (found,) = bench.race([space.network(space.smallest)], 0.1)
            assert found.latency_p5_s == pytest.approx(1e-3)
            assert found.latency_s == pytest.approx(1.1e-3)
        assert bench.reference_s == pytest.approx(5e-3)
    assert next(slowness, None) is None


@pytest.mark.child
@pytest.mark.slow
def test_a_table_for_something_else_is_refused_with_the_difference(space: SearchSpace) -> None:
    table = built(space)
    old = replace(table, key=replace(table.key, versions={"fake": "0"}))
    request = TableRequest(space=space, device=FAKE, dtype="float32")
    for step in (
        lambda: build_table(request, old, on_update=lambda _: None),
        lambda: validate_table(request, old, networks=3, seed=0),
    ):
        with pytest.raises(NotComparableError, match="version of fake: 0, not 1"):
            step()
    other = replace(request, device=replace(FAKE, options={"noise": 0.5}))
    with pytest.raises(NotComparableError, match="option noise"):
        build_table(other, table, on_update=lambda _: None)


@pytest.mark.child
def test_failures_of_the_device_are_errors(space: SearchSpace) -> None:
    with pytest.raises(TargetUnavailableError):
        built(space, options={"misbehave": "unavailable"})
    for behaviour in ("unsupported", "crash"):
        with pytest.raises(UnsupportedModelError):
            built(space, options={"misbehave": behaviour})


def test_types_that_a_device_does_not_take_are_refused(space: SearchSpace) -> None:
    for device, dtype, words in (("ethos-u55-128", "float32", "int8"), ("host", "int8", ".tflite")):
        request = TableRequest(space=space, device=find_device(device), dtype=dtype)
        with pytest.raises(UnsupportedModelError) as caught:
            build_table(request, None, on_update=lambda _: None)
        assert words in f"{caught.value} {caught.value.remedy}"


@pytest.mark.child
@pytest.mark.slow
def test_declared_power_makes_energy_of_latency(space: SearchSpace) -> None:
    table = built(space)
    power = PowerModel(active_w=0.5, supply="3.3 V", relative_error=0.1, source="a data sheet")
    assert with_declared_energy(table, FAKE) is table
    told = with_declared_energy(table, replace(FAKE, power=power))
    assert told.figures["energy_j"].provenance is Provenance.ESTIMATED
    assert told.figures["energy_j"].source == "a data sheet"
    model = cost_model(space, {"fake": told})
    figures = dict(zip(model.names, model.predict(space.sample(np.random.default_rng(0), 1))[0], strict=True))
    assert figures["energy_j@fake"] == pytest.approx(0.5 * figures["latency_s@fake"])


@pytest.mark.child
@pytest.mark.slow
def test_the_feasible_front_is_that_of_enumeration(space: SearchSpace) -> None:
    table = built(space)
    model = cost_model(space, {"fake": table})
    rows = np.concatenate(list(space.enumerate()))
    figures = model.predict(rows)
    latency, macs = (figures[:, model.names.index(name)] for name in ("latency_s@fake", "macs@network"))
    limit = float(np.median(latency))
    found = feasible_front(
        space,
        model,
        [Limit(figure="latency_s", device="fake", value=limit)],
        [1.0],
        ["macs@network", "latency_s@fake"],
    )
    holds = latency <= limit
    expected = {
        space.text(row)
        for row, seconds, work in zip(rows[holds], latency[holds], macs[holds], strict=True)
        if not (
            (latency[holds] <= seconds) & (macs[holds] >= work) & ((latency[holds] < seconds) | (macs[holds] > work))
        ).any()
    }
    assert {space.text(row) for row in found.rows} == expected
    assert found.combinations == space.combinations
