"""Does `edgebench compress --search` find what is at least as small and fast as the best pipeline written by hand?

    python benchmarks/compression_search.py [--seeds 20] [--trials 16] [-d nucleo-l4r5zi]

For each seed: a network is trained on digits, all strategies that are included are tried, then the search. Both answer
with their most accurate file under the same limit, a share of what int8 alone takes. Costs are those of an emulated
board, which do not depend on what else the machine does. Prints a row per seed, and in how many the search's answer is
no slower, no larger, and within the interval of the accuracy of the best one by hand.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from edgebench.core.budget import Budget, Limit
from edgebench.core.compression import StrategyResult
from edgebench.core.figure import FLASH, LATENCY
from edgebench.core.plan import MeasurementPlan
from edgebench.flows.compress.compress import compress
from edgebench.flows.compress.request import CompressRequest
from edgebench.flows.compress.verdict import recommend
from edgebench.models.network import Network, NetworkBuilder
from edgebench.models.onnx.writer import to_onnx
from edgebench.store.devices import find_device
from edgebench.store.strategies import Strategy, known_strategies
from edgebench.tasks.recipe import Recipe
from edgebench.tasks.registry import load_task
from edgebench.tasks.training import train
from edgebench.workers.training.jobs import TaskText

INT8 = Strategy(name="int8", pipeline="int8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--share", type=float, default=0.5, help="of the time of int8 alone that is allowed")
    parser.add_argument("-d", "--device", default="nucleo-l4r5zi")
    arguments = parser.parse_args()
    good = total = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            by_hand, found = answers(arguments, seed, Path(folder))
        total += 1
        good += as_good(found, by_hand)
        print(f"seed {seed}: by hand {described(by_hand, arguments)}; search {described(found, arguments)}", flush=True)
    print(f"the search is as good in {good} of {total} seeds")


def small() -> Network:
    builder = NetworkBuilder("small", (8, 8, 1))
    builder.conv(24, 3)
    builder.depthwise(3)
    builder.conv(48)
    builder.depthwise(3, 2)
    builder.conv(48)
    builder.global_average_pool()
    builder.dense(10)
    return builder.build()


def answers(
    arguments: argparse.Namespace, seed: int, folder: Path
) -> tuple[StrategyResult | None, StrategyResult | None]:
    """The best by hand and the best of the search, None where nothing meets the limit."""
    task, network = load_task("digits", seed=seed), small()
    trained = train(network, task, Recipe(epochs=12), seed=seed, threads=1)
    to_onnx(network, trained.weights, folder / "original.onnx")
    device = find_device(arguments.device)
    by_name = known_strategies()
    hand = tuple(strategy for name, strategy in by_name.items() if name.endswith(("int8", "qat", "distil")))

    def outcome(strategies: tuple[Strategy, ...], budget: Budget, trials: int) -> list[StrategyResult]:
        request = CompressRequest(
            model=str(folder / "original.onnx"),
            devices=(device,),
            budget=budget,
            strategies=strategies,
            task=TaskText(text="digits", seed=seed),
            epochs=arguments.epochs,
            seed=seed,
            study="hand" if not trials else "search",
            results=folder / "results",
            trials=trials,
        )
        record = compress(request, MeasurementPlan(repetitions=1, time_limit_s=60), on_update=lambda *_: None)
        return list(record.strategies)

    (plain,) = outcome((INT8,), Budget(), 0)
    limit = plain.figures[device.name][LATENCY].most * arguments.share
    budget = Budget(limits=(Limit(figure=LATENCY, device=device.name, value=limit),))
    return chosen(outcome(hand, budget, 0), budget), chosen(outcome((), budget, arguments.trials), budget)


def chosen(results: list[StrategyResult], budget: Budget) -> StrategyResult | None:
    verdict = recommend(results, budget)
    return next((item for item in results if item.name == verdict.strategy and verdict.meets), None)


def as_good(found: StrategyResult | None, by_hand: StrategyResult | None) -> bool:
    if by_hand is None or found is None:
        return by_hand is None
    least = min(item.accuracy.low for item in by_hand.accuracies)
    (device,) = found.figures
    ours, theirs = found.figures[device], by_hand.figures[device]
    no_worse = all(ours[name].value <= theirs[name].value * 1.001 for name in (LATENCY, FLASH))
    return no_worse and (found.worst_accuracy or 0.0) >= least


def described(item: StrategyResult | None, arguments: argparse.Namespace) -> str:
    if item is None:
        return "nothing"
    figures = item.figures[arguments.device]
    return (
        f"{item.pipeline or item.name}: {item.worst_accuracy:.2%}, {figures[LATENCY].value * 1e3:.3g} ms, "
        f"{figures[FLASH].value / 1024:.4g} KiB"
    )


if __name__ == "__main__":
    main()
