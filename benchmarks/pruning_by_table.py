"""Channels pruned by what layers take on a device, against the same share everywhere, at equal accuracy.

    python benchmarks/pruning_by_table.py -d nucleo-l4r5zi [-d host] [--network plain|mobile] [--seeds 3]

Trains a network on mnist5k, prunes it at several ratios in both ways, trains each on, and measures it in int8. Time at
equal accuracy: for each network that was pruned by the table, the time that uniform pruning needs for the same
accuracy, between the two nearest of its networks. One ratio below 1 for each device means that the table pays off.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from compression import mobile_like, plain

from edgebench.compress.base import Setting
from edgebench.compress.channels import find_channels
from edgebench.compress.layer_times import LayerTimes
from edgebench.compress.pipeline import parse_pipeline
from edgebench.compress.prune import narrowed
from edgebench.compress.widths import MULTIPLE, CostOfWidths, sampled_widths
from edgebench.core.device import Device
from edgebench.core.figure import LATENCY
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.plan import MeasurementPlan
from edgebench.core.summary import summarise
from edgebench.flows.compress.layer_costs import costs_by_layer
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.models.artefact import Artefact
from edgebench.models.deployment import deploy
from edgebench.store.devices import find_device
from edgebench.targets.registry import create_target
from edgebench.tasks.recipe import Recipe
from edgebench.tasks.registry import load_task
from edgebench.tasks.task import Task
from edgebench.tasks.training import evaluate, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A pruned network: what it takes, and how accurate it is."""

    seconds: float
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-d", "--device", action="append", required=True)
    parser.add_argument("--network", choices=["plain", "mobile"], default="plain")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.2, 0.35, 0.5, 0.65])
    arguments = parser.parse_args()
    task, network = load_task("mnist5k"), plain(32) if arguments.network == "plain" else mobile_like()
    for name in arguments.device:
        device = find_device(name)
        ratios = []
        for seed in range(arguments.seeds):
            trained = train(network, task, Recipe(epochs=12), seed=seed, threads=1)
            artefact = Artefact(network=network, weights=trained.weights)
            times = layer_times(artefact, device, task, seed)
            found: dict[str, list[Found]] = {"everywhere": [], "table": []}
            for ratio in arguments.ratios:
                for way, text in (("everywhere", f"prune({ratio})"), ("table", f"prune({ratio}, by={name})")):
                    setting = Setting(
                        task=task,
                        teacher=(network, trained.weights),
                        epochs=arguments.epochs,
                        seed=seed,
                        costs={name: times},
                    )
                    made = artefact
                    for item in parse_pipeline(f"{text} + distil"):
                        made = item.apply(made, setting)
                    seconds, _ = measured(made, device, task)
                    accuracy = evaluate(made.network, made.weights, task.test)
                    found[way].append(Found(seconds=seconds, accuracy=accuracy))
                    print(f"{name} seed {seed} {text}: {seconds * 1e3:.4g} ms, {accuracy:.2%}", flush=True)
            ratios += at_equal_accuracy(found["everywhere"], found["table"])
        if ratios:
            logs = np.log(ratios)
            mean, spread = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(len(ratios))
            low, high = math.exp(mean - 2 * spread), math.exp(mean + 2 * spread)
            print(
                f"{name}: by the table {math.exp(mean):.3f} ({low:.3f} to {high:.3f}) of uniform pruning's time at "
                f"equal accuracy, over {len(ratios)} networks"
            )


def measured(artefact: Artefact, device: Device, task: Task) -> tuple[float, dict[str, float]]:
    """Seconds of a network in int8, and of its layers."""
    with tempfile.TemporaryDirectory() as folder:
        images = task.train.sample(32).images
        files = deploy(artefact, replace(artefact.form, dtype="int8"), images, Path(folder), "n")
        path = files.onnx if ModelFormat.ONNX in create_target(device).formats else files.tflite
        plan = MeasurementPlan(repetitions=3, layers=True, time_limit_s=60)
        request = ProfileRequest(models=[str(path)], devices=[device], plan=plan, inputs=InputSource(seed=0))
        (result,) = profile(request, on_update=lambda _: None)
    names = [layer.name for layer in artefact.network.layers]
    return summarise(result)[LATENCY].value, costs_by_layer(result.layers, names)


def layer_times(artefact: Artefact, device: Device, task: Task, seed: int) -> LayerTimes:
    """What layers take with fewer channels, as ``edgebench compress`` finds it, and how well it predicts."""
    channels = find_channels(artefact.network)
    widths = sampled_widths(channels.groups, MULTIPLE, seed)
    found = [measured(narrowed(artefact, chosen), device, task) for chosen in widths]
    names = [name for name in found[0][1] if all(name in costs for _, costs in found)]
    seconds = {name: tuple(costs[name] for _, costs in found) for name in names}
    times = LayerTimes(widths=tuple(widths), seconds=seconds)
    cost = CostOfWidths(channels, times)
    errors = [cost.total(chosen) / sum(costs.values()) - 1 for chosen, (_, costs) in zip(widths, found, strict=True)]
    print(f"{device.name} seed {seed}: fit within {max(map(abs, errors)):.1%} of {len(widths)} networks", flush=True)
    return times


def at_equal_accuracy(everywhere: Sequence[Found], table: Sequence[Found]) -> list[float]:
    """For each network of the table, its time over that of uniform pruning at its accuracy, if that is in reach."""
    # Accuracy rises with time but for chance, which running maxima take out.
    known = sorted(everywhere, key=lambda item: item.seconds)
    best = np.maximum.accumulate([item.accuracy for item in known])
    ratios = []
    for item in table:
        if best[0] <= item.accuracy <= best[-1]:
            wanted = float(np.exp(np.interp(item.accuracy, best, np.log([other.seconds for other in known]))))
            ratios.append(item.seconds / wanted)
    return ratios


if __name__ == "__main__":
    main()
