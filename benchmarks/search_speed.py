"""How fast whole spaces are examined, and what the sampler costs per trial.

    python benchmarks/search_speed.py [--results results]

Three figures:

- architectures of `mobile` per second, predicted on three devices, from tables of blocks and from tables that are
  learnt from whole networks; the same of `nas-bench-201`;
- the exact feasible front of `mobile-fixed`, 43,046,721 networks on three devices;
- seconds that the sampler adds to a trial of a study with 1,000 trials.

Tables that are not under --results are filled with random numbers: speed does not depend on the figures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import optuna

from edgebench.core.budget import Limit
from edgebench.core.figure import ACCURACY
from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure, TableKey
from edgebench.flows.search.sampler import make_sampler
from edgebench.flows.spaces import open_space
from edgebench.search.candidates import SizeFeatures, find_candidates
from edgebench.search.costs import cost_model
from edgebench.search.front import feasible_front
from edgebench.spaces.space import SearchSpace
from edgebench.store.tables import TableStore

optuna.logging.set_verbosity(optuna.logging.ERROR)
DEVICES = {"host": "float32", "ethos-u55-128": "int8", "nucleo-l4r5zi": "int8"}
TRIALS = 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, default=Path("results"))
    results = parser.parse_args().results
    predictions(results)
    whole_predictions()
    front(results)
    sampler(results)


def tables(space: SearchSpace, results: Path) -> dict[str, LookupTable]:
    """Saved tables, or made-up ones."""
    found = {}
    for device, dtype in DEVICES.items():
        table = TableStore(results).load(device, space.name, dtype)
        if table is None:
            print(f"  no table of {space.name} for {device}: random numbers instead")
            table = random_table(space, device, dtype)
        found[device] = table
    return found


def random_table(space: SearchSpace, device: str, dtype: str) -> LookupTable:
    random = np.random.default_rng(0)
    names = ("latency_s",) if device == "host" else ("latency_s", "ram_bytes", "flash_bytes")
    figure = TableFigure(provenance=Provenance.ESTIMATED, method="random")
    return LookupTable(
        space=space.name,
        key=TableKey(device=device, target="none", dtype=dtype),
        figures=dict.fromkeys(names, figure),
        entries={block.key: {name: random.random() for name in names} for block in space.all_blocks},
    )


def predictions(results: Path) -> None:
    space = open_space("mobile")
    model = cost_model(space, tables(space, results))
    rows = space.sample(np.random.default_rng(0), 2_000_000)
    rates = sorted(len(rows) / seconds(lambda: model.predict(rows)) for _ in range(7))
    print(
        f"{len(model.names)} figures of an architecture on 3 devices: {rates[3] / 1e6:.1f} million per second", end=" "
    )
    print(f"(median of 7; {rates[0] / 1e6:.1f} to {rates[-1] / 1e6:.1f})")


def whole_predictions() -> None:
    for name in ("mobile", "nas-bench-201"):
        space = open_space(name)
        model = cost_model(space, {device: whole_table(space, device, dtype) for device, dtype in DEVICES.items()})
        rows = space.sample(np.random.default_rng(0), 2_000_000)
        model.predict(rows[:1])
        rates = sorted(len(rows) / seconds(lambda model=model, rows=rows: model.predict(rows)) for _ in range(7))
        print(f"{name}, learnt from whole networks: {rates[3] / 1e6:.1f} million per second", end=" ")
        print(f"(median of 7; {rates[0] / 1e6:.1f} to {rates[-1] / 1e6:.1f})")


def whole_table(space: SearchSpace, device: str, dtype: str) -> LookupTable:
    """Random weights for every feature."""
    random = np.random.default_rng(0)
    families = space.features(space.sample(random, 2))
    names = ("latency_s",) if device == "host" else ("latency_s", "ram_bytes", "flash_bytes")
    weights = {family.name: {label: random.random() for label in family.labels} for family in families}
    figure = TableFigure(provenance=Provenance.ESTIMATED, method="random", base=1.0, weights=weights)
    return LookupTable(
        space=space.name,
        key=TableKey(device=device, target="none", dtype=dtype),
        figures=dict.fromkeys(names, figure),
        entries={},
    )


def front(results: Path) -> None:
    space = open_space("mobile-fixed")
    model = cost_model(space, tables(space, results))
    rows = space.sample(np.random.default_rng(0), 100_000)
    medians = dict(zip(model.names, np.median(model.predict(rows), axis=0), strict=True))
    limits = [
        Limit(figure=name.partition("@")[0], device=name.partition("@")[2], value=float(value))
        for name, value in medians.items()
        if not name.endswith("@network")
    ]
    start = time.perf_counter()
    found = feasible_front(
        space, model, limits, [1.0] * len(limits), ["macs@network", *(f"latency_s@{name}" for name in DEVICES)]
    )
    took = time.perf_counter() - start
    print(
        f"exact front of {found.combinations:,} networks under {len(limits)} limits at the medians: {took:.1f} s, "
        f"{found.feasible:,} meet them, {len(found.rows):,} of those no other beats"
    )


def sampler(results: Path) -> None:
    space = open_space("mobile")
    model = cost_model(space, tables(space, results))
    limits = [Limit(figure="latency_s", device="host", value=float(np.median(latency(space, model))))]
    candidates = find_candidates(space, model, limits, [1.0], 0)
    ours = make_sampler(
        space, candidates, SizeFeatures(space, model, 0), costs=(), maximise_accuracy=True, min_accuracy=None, seed=0
    )
    worth = [np.random.default_rng(1).normal(size=len(item.values)) for item in space.dimensions]
    taken = {}
    for name, chosen in (("edgebench", ours), ("random", optuna.samplers.RandomSampler(seed=0))):
        study = optuna.create_study(direction="maximize", sampler=chosen)
        times = [seconds(partial(one_trial, study, space, worth)) for _ in range(TRIALS)]
        taken[name] = times
        print(
            f"{name}: {np.mean(times) * 1e3:.1f} ms per trial over {TRIALS}, "
            f"{np.mean(times[-100:]) * 1e3:.1f} ms over the last 100"
        )
    added = np.mean(taken["edgebench"]) - np.mean(taken["random"])
    last = np.mean(taken["edgebench"][-100:]) - np.mean(taken["random"][-100:])
    print(f"the sampler adds {added * 1e3:.1f} ms per trial, {last * 1e3:.1f} ms at {TRIALS} trials")


def latency(space: SearchSpace, model: object) -> np.ndarray:
    rows = space.sample(np.random.default_rng(0), 20_000)
    return model.predict(rows)[:, model.names.index("latency_s@host")]


def one_trial(study: optuna.Study, space: SearchSpace, worth: list[np.ndarray]) -> None:
    trial = study.ask()
    row = [item.values.index(trial.suggest_categorical(item.name, item.values)) for item in space.dimensions]
    accuracy = 0.9 + 0.01 * float(sum(part[index] for part, index in zip(worth, row, strict=True)))
    trial.set_user_attr(ACCURACY, accuracy)
    study.tell(trial, accuracy)


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
