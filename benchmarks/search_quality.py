"""How few accuracies the search needs, on a benchmark whose every answer is known.

    python benchmarks/search_quality.py nas-bench-macro_cifar10.json [--seeds 20]

The file is NAS-Bench-Macro's table (github.com/xiusu/NAS-Bench-Macro, data/); the limit is the 30 % quantile
of the latencies that the host's lookup table predicts (`edgebench lut build nas-bench-macro -d host`). Regret
is how far the best network found that meets the limit is below the best one possible. A look-up is a network
whose accuracy a sampler is told, whether it meets the limit or not: each would cost a training. A network requested
twice counts once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import optuna

from edgebench.core.budget import Limit
from edgebench.core.figure import ACCURACY
from edgebench.flows.search.sampler import make_sampler
from edgebench.flows.spaces import open_space
from edgebench.search.candidates import SizeFeatures, find_candidates
from edgebench.search.costs import cost_model
from edgebench.store.tables import TableStore

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")
MARKS = (50, 100, 200)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("accuracies", type=Path)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", default="edgebench,random,nsga2,tpe,gp")
    parser.add_argument("--trials", type=int, default=4 * MARKS[-1], help="maximum number for each study")
    arguments = parser.parse_args()
    space = open_space("nas-bench-macro")
    table = TableStore(arguments.results).load("host", space.name, "float32")
    if table is None:
        raise SystemExit("build the table first: edgebench lut build nas-bench-macro -d host")
    model = cost_model(space, {"host": table})
    rows = np.concatenate(list(space.enumerate()))
    column = model.names.index("latency_s@host")
    latency = model.predict(rows)[:, column]
    limit = float(np.quantile(latency, 0.3))
    published = json.loads(arguments.accuracies.read_text())
    accuracy = {space.text(row): float(published[space.text(row)]["mean_acc"]) for row in rows}
    best = max(accuracy[space.text(row)] for row, seconds in zip(rows, latency, strict=True) if seconds <= limit)
    lowest = min(accuracy.values())
    print(f"limit {limit * 1e3:.3f} ms, {(latency <= limit).sum()} networks meet it, the best has {best:.2f} %")
    limits = (Limit(figure="latency_s", device="host", value=limit),)
    candidates = find_candidates(space, model, limits, (1.0,), 0)
    sizes = SizeFeatures(space, model, 0)

    def sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
        if name == "edgebench":
            return make_sampler(
                space, candidates, sizes, costs=(), maximise_accuracy=True, min_accuracy=None, seed=seed
            )
        return {
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        }[name]()

    for name in arguments.only.split(","):
        wanted = MARKS[:2] if name == "edgebench" else MARKS
        regrets, infeasible, repeated, seconds, trials = [], 0, 0, 0.0, 0
        for seed in range(arguments.seeds):
            study = optuna.create_study(direction="maximize", sampler=sampler(name, seed))
            known: dict[str, float] = {}
            values: list[float] = []
            start, count = time.perf_counter(), 0
            while len(known) < wanted[-1] and count < arguments.trials:
                trial = study.ask()
                count += 1
                row = tuple(
                    item.values.index(trial.suggest_categorical(item.name, item.values)) for item in space.dimensions
                )
                predicted = float(model.predict(np.array([row], dtype=np.int8))[0, column])
                trial.set_constraint("latency_s@host", predicted / limit - 1)
                text = space.text(row)
                trial.set_user_attr(ACCURACY, accuracy[text])
                repeated += text in known
                infeasible += predicted > limit
                if text not in known:
                    known[text] = accuracy[text] if predicted <= limit else lowest
                    values.append(known[text])
                study.tell(trial, accuracy[text])
            seconds += time.perf_counter() - start
            trials += count
            regrets.append([best - max(values[:mark]) for mark in wanted])
            print(
                f"{name} seed {seed}: {len(known)} look-ups in {count} trials, {regrets[-1]}",
                file=sys.stderr,
                flush=True,
            )
        mean = np.mean(regrets, axis=0)
        found = "  ".join(f"{mark}: {value:.3f}" for mark, value in zip(wanted, mean, strict=True))
        print(
            f"{name:10} mean regret in points after {found}   infeasible {infeasible}, repeated {repeated} of {trials} "
            f"trials, {seconds / trials * 1e3:.1f} ms per trial",
            flush=True,
        )


if __name__ == "__main__":
    main()
