"""Builds on a machine that is disturbed, resumed when it is not, and with a meter; workers are made up."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebench.core.device import PowerModel
from edgebench.core.dtype import DataType
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, prediction_intervals
from edgebench.errors import NotComparableError
from edgebench.flows.lut import bench as benches
from edgebench.flows.lut import build as builds
from edgebench.flows.lut.build import build_table
from edgebench.flows.lut.correction import Goal
from edgebench.flows.lut.request import TableRequest
from edgebench.flows.lut.validate import validate_table
from edgebench.search.costs import with_declared_energy
from edgebench.spaces.space import SearchSpace
from edgebench.store.devices import find_device
from edgebench.workers.measuring.jobs import CountOperators, ExecutedOperators
from edgebench.workers.measuring.race_jobs import Race, Raced, RaceResult
from tests.canned_workers import CannedWorkers
from tests.small_space import open_twelve

FAKE = find_device("fake")
WATTS = 0.5


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> SearchSpace:
    return open_twelve(tmp_path_factory.mktemp("spaces"))


@pytest.fixture(autouse=True)
def one_block_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "GROUP", 1)
    monkeypatch.setattr(benches, "RACE_PROCESSES", 3)


def machine(noise: Callable[[], float], *, meter: bool = False) -> tuple[CannedWorkers, list[int]]:
    """A processor that takes a time for each byte of a file, shaken by noise; and how many networks each race had."""
    random = np.random.default_rng(0)
    races: list[int] = []

    def race(asked: Race) -> Raced:
        races.append(len(asked.models))
        quiet = [Path(model).stat().st_size * 1e-8 for model in asked.models]
        # The reference is last and defines what a second is.
        times = [time * float(random.normal(1, noise())) for time in quiet[:-1]] + quiet[-1:]
        return Raced(
            results=tuple(
                RaceResult(latency_p5_s=time, latency_s=1.4 * time, energy_j=time * WATTS if meter else None)
                for time in times
            )
        )

    return CannedWorkers({Race: race, CountOperators: lambda _: ExecutedOperators(counts=None)}), races


def request(space: SearchSpace, **goal: object) -> TableRequest:
    return TableRequest(space=space, device=FAKE, dtype=DataType.FLOAT32, goal=replace(Goal(networks=3), **goal))  # type: ignore[arg-type]


def test_a_machine_that_is_disturbed_throughout_ends_the_build_and_keeps_what_there_is(space: SearchSpace) -> None:
    saved: list[LookupTable] = []
    workers, _ = machine(lambda: 0.3)
    with pytest.raises(NotComparableError, match="gave up: the machine is disturbed throughout") as caught:
        build_table(request(space), None, on_update=saved.append, workers=workers)
    kept = saved[-1]
    assert len(kept.entries) == builds.PATIENCE == len(kept.disturbed)
    assert not kept.complete
    assert f"{builds.PATIENCE} of {len(space.all_blocks)} blocks are kept" in str(caught.value)
    assert "run the command again" in str(caught.value)


def test_a_resumed_build_measures_what_was_disturbed_again(space: SearchSpace) -> None:
    saved: list[LookupTable] = []
    with pytest.raises(NotComparableError):
        build_table(request(space), None, on_update=saved.append, workers=machine(lambda: 0.3)[0])
    resumed = build_table(request(space), saved[-1], on_update=saved.append, workers=machine(lambda: 1e-4)[0])
    assert resumed.complete
    assert resumed.disturbed == ()
    calm = build_table(request(space), None, on_update=lambda _: None, workers=machine(lambda: 1e-4)[0])
    for key, entry in calm.entries.items():
        assert resumed.entries[key]["latency_s"] == pytest.approx(entry["latency_s"], rel=0.2, abs=2e-6)


def test_once_nothing_is_missing_a_disturbed_machine_does_not_prevent_the_end(space: SearchSpace) -> None:
    calm = build_table(request(space), None, on_update=lambda _: None, workers=machine(lambda: 1e-4)[0])
    marked = replace(calm, disturbed=tuple(sorted(calm.entries)))
    again = build_table(request(space), marked, on_update=lambda _: None, workers=machine(lambda: 0.3)[0])
    assert again.complete
    assert again.disturbed == tuple(sorted(calm.entries))


def test_a_finished_table_is_not_measured_again_unless_more_networks_may_help(space: SearchSpace) -> None:
    workers, races = machine(lambda: 1e-4)
    goal = {"mean_error": 1e-9, "within_5_percent": 1.0}
    few = build_table(request(space, networks=2, **goal), None, on_update=lambda _: None, workers=workers)
    assert len(few.wholes) == 2
    assert any(note.startswith("predictions are not as good as asked") for note in few.notes)
    races.clear()
    same = build_table(request(space, networks=2, **goal), few, on_update=lambda _: None, workers=workers)
    assert not races
    assert same == few
    more = build_table(request(space, networks=3, **goal), few, on_update=lambda _: None, workers=workers)
    assert len(more.wholes) == 3
    assert len(races) == 3, "one whole network in three processes, and no block"
    assert more.entries == few.entries


def test_the_time_for_whole_networks_is_limited(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebench.flows.lut.correction.AT_A_TIME", 1)
    goal = request(space, mean_error=1e-9, seconds=0.0)
    table = build_table(goal, None, on_update=lambda _: None, workers=machine(lambda: 1e-4)[0])
    assert len(table.wholes) == 1
    assert table.complete


def test_a_meter_goes_through_the_same_build_and_validation(space: SearchSpace) -> None:
    workers, _ = machine(lambda: 1e-4, meter=True)
    table = build_table(request(space), None, on_update=lambda _: None, workers=workers)
    assert table.figures["energy_j"].method.startswith("energy meter")
    assert set(table.left_out) == {"latency_s", "energy_j"}
    checked = validate_table(request(space), table, networks=6, seed=3, workers=workers)
    error = checked.validation["energy_j"]
    assert error.found == pytest.approx([WATTS * time for time in checked.validation["latency_s"].found])
    assert error.mean_error == pytest.approx(checked.validation["latency_s"].mean_error, rel=0.05)
    assert {"latency_s@fake", "energy_j@fake"} <= set(prediction_intervals({"fake": checked}))
    power = PowerModel(active_w=9.0, supply="a supply", source="a data sheet", relative_error=0.1)
    declared = with_declared_energy(checked, replace(FAKE, power=power))
    assert declared.figures["energy_j"] == checked.figures["energy_j"], "what was measured stays"


def test_declared_power_gives_estimates_with_the_margins_of_both(space: SearchSpace) -> None:
    table = build_table(request(space), None, on_update=lambda _: None, workers=machine(lambda: 0.005)[0])
    power = PowerModel(active_w=2.0, supply="a supply", source="a data sheet", relative_error=0.1)
    declared = with_declared_energy(table, replace(FAKE, power=power))
    assert declared.figures["energy_j"].provenance is Provenance.ESTIMATED
    assert declared.figures["energy_j"].source == "a data sheet"
    low, high = prediction_intervals({"fake": declared})["energy_j@fake"]
    latency = declared.left_out["latency_s"]
    assert low == pytest.approx(latency.low * 0.9)
    assert high == pytest.approx(latency.high * 1.1)


def test_what_is_predicted_is_what_is_compared_and_the_median_is_a_step_of_its_own(space: SearchSpace) -> None:
    """Medians 40 % above the 5th percentile do not widen the interval of a table that predicts the latter."""
    workers, _ = machine(lambda: 1e-4)
    table = build_table(request(space), None, on_update=lambda _: None, workers=workers)
    found = validate_table(request(space), table, networks=6, seed=3, workers=workers).validation["latency_s"]
    assert found.high < 1.2
    assert found.median_low == pytest.approx(1.4)
    assert found.median_high == pytest.approx(1.4)
