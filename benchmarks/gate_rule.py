"""How often the rule of ``edgebench gate`` errs, beside what people use now, on the same raw data.

    python benchmarks/gate_rule.py record pairs.npz [--pairs 100] [--sizes 20us 110us 2ms] [--threads 1 2] [--neighbour]
    python benchmarks/gate_rule.py judge pairs.npz... [--tries 2000] [--limit 0.02]

``record`` runs pairs of fresh processes as the gate does: a network against itself, against one with a 21st of 20 equal
layers, and against one with a 21st and a 22nd. What these really cost is measured by all pairs together and printed,
so that nothing is assumed of it. Everything is saved, with each pair, and what is saved before an interrupt is kept.

``judge`` evaluates rules on recorded pairs, once in the order of measurement (each comparison takes the next pairs that
none has used) and many times with pairs drawn at random.

Goal: no false regression at the default limit, at most 5 % inconclusive, +5 % found in 90 %, +10 % always.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import LATENCY
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import ProcessRun, Sample
from edgebench.flows.gate.pairs import Side, pair_levels, pair_ratios, run_pair
from edgebench.flows.profile.preparation import Preparation, Ready
from edgebench.gate.limits import P90
from edgebench.gate.rule import Answer, Levels, Rule, Trial, decide
from edgebench.store.devices import find_device
from edgebench.workers.local import LOCAL

LAYERS = 20
KINDS = {"A/A": 0, "+1 layer": 1, "+2 layers": 2}
SIZES = {"20us": (4, 4), "110us": (16, 8), "2ms": (32, 26)}
"""Channels, and rows and columns: what they come to is printed, and depends on the machine."""
PLAN = MeasurementPlan(repetitions=1, time_limit_s=60)
Floats = NDArray[np.float32]


def write_network(path: Path, layers: int, channels: int, size: int) -> None:
    """Equal convolutions in a row."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    shape = [1, channels, size, size]
    values = (random.standard_normal((channels, channels, 3, 3)) / np.sqrt(9 * channels)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", [f"t{number}", "w"], [f"t{number + 1}"], name=f"conv{number}", pads=[1, 1, 1, 1])
        for number in range(layers)
    ]
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("t0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"t{layers}", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))


@contextmanager
def busy_neighbour(wanted: bool) -> Iterator[None]:
    """Another process that computes without a pause."""
    if not wanted:
        yield
        return
    process = multiprocessing.Process(target=_compute, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _compute() -> None:
    matrix = np.ones((300, 300))
    while True:
        matrix = np.tanh(matrix @ matrix / 300)


def record(file: Path, pairs: int, sizes: Sequence[str], threads: Sequence[int], neighbour: bool) -> None:
    """Run pairs of all kinds in turn, and save them as they come."""
    with tempfile.TemporaryDirectory() as folder, busy_neighbour(neighbour):
        for size in sizes:
            for count in threads:
                ready = _prepared(Path(folder), size, count)
                setting = f"{size}, {count} thread{'s' if count > 1 else ''}{', neighbour' if neighbour else ''}"
                for number in range(pairs):
                    for kind, more in KINDS.items():
                        _save(file, setting, kind, *_one_pair(ready[0], ready[more], number))
                    say({"setting": setting, "pairs": number + 1, "of": pairs})


def _prepared(folder: Path, size: str, threads: int) -> list[Ready]:
    """The networks with no, one and two layers more."""
    host = find_device("host")
    device = replace(host, options={**host.options, "threads": threads})
    preparation = Preparation(str(folder), PLAN, InputSource(), LOCAL)
    found = []
    for more in KINDS.values():
        path = folder / f"{size}-{more}.onnx"
        write_network(path, LAYERS + more, *SIZES[size])
        ready = preparation.prepare(str(path), device)
        if not isinstance(ready, Ready):
            raise SystemExit(f"cannot be measured here: {ready.failure}")
        found.append(ready)
    return found


def _one_pair(before: Ready, after: Ready, number: int) -> tuple[Floats, float]:
    """Latencies as [model, burst, run], and how long the pair took."""
    sides = [Side(ready, PLAN, InputSource(), LOCAL) for ready in (before, after)]
    pair = run_pair(sides[0], sides[1], number)
    bursts = [[burst.latencies_s for burst in side.processes[0].bursts] for side in sides]
    return np.array(bursts, dtype=np.float32), pair.seconds


def _save(file: Path, setting: str, kind: str, latencies: Floats, seconds: float) -> None:
    """One more pair; every pair is a file of the archive's folder, so that an interrupt loses nothing."""
    folder = file.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{len(list(folder.glob('*.npz'))):06d}.npz"
    np.savez_compressed(
        folder / name, setting=np.array(setting), kind=np.array(kind), latencies=latencies, seconds=np.array(seconds)
    )


@dataclass(frozen=True)
class Recorded:
    """One pair.

    Attributes:
        before: Latencies of the baseline.
        after: Latencies of the candidate.
        ratio: Logarithm of the ratio of their fifth percentiles.
        tail: Of their tails.
        levels: The logarithms of the fifth percentiles.
        bursts: Median over bursts of the log-ratio of the bursts' fifth percentiles, which the rule used to judge.
        seconds: How long the pair took.
        same: Whether a model ran against itself.
    """

    before: Floats
    after: Floats
    ratio: float
    tail: float
    levels: Levels
    bursts: float
    seconds: float
    same: bool

    def swapped(self) -> Recorded:
        """The same with the other model as the baseline."""
        before, after = self.levels
        return replace(
            self,
            before=self.after,
            after=self.before,
            ratio=-self.ratio,
            tail=-self.tail,
            bursts=-self.bursts,
            levels=(after, before),
        )


def load(files: Sequence[Path]) -> dict[str, dict[str, list[Recorded]]]:
    """Pairs by setting and kind."""
    found: dict[str, dict[str, list[Recorded]]] = {}
    for file in files:
        for path in sorted(file.with_suffix("").glob("*.npz")):
            with np.load(path) as held:
                latencies = held["latencies"]
                runs = [
                    ProcessRun(bursts=tuple(Sample(latencies_s=tuple(map(float, burst))) for burst in side))
                    for side in latencies
                ]
                ratios, levels = pair_ratios(*runs), pair_levels(*runs)
                low = np.percentile(latencies, 5, axis=2)
                pair = Recorded(
                    before=latencies[0].ravel(),
                    after=latencies[1].ravel(),
                    ratio=ratios["latency_s"],
                    tail=ratios[P90],
                    levels=levels[LATENCY],
                    bursts=float(np.median(np.log(low[1] / low[0]))),
                    seconds=float(held["seconds"]),
                    same=str(held["kind"]) == "A/A",
                )
                found.setdefault(str(held["setting"]), {}).setdefault(str(held["kind"]), []).append(pair)
    return found


Sequential = Callable[[Sequence[Recorded]], Answer]
Single = Callable[[Floats, Floats], bool]
"""Whether a candidate is reported as slower than one stored run."""


def unconfirmed(pairs: Sequence[Recorded], rule: Rule) -> Answer:
    """The rule without a second set."""
    for count in rule.looks:
        values, levels = [pair.ratio for pair in pairs[:count]], [pair.levels for pair in pairs[:count]]
        if len(pairs) >= count and (found := rule.judge(values, levels)) is not Answer.MORE:
            return found
    return Answer.INCONCLUSIVE


def with_levels(pairs: Sequence[Recorded], rule: Rule) -> Trial:
    """The rule as it is."""
    return decide([pair.ratio for pair in pairs], rule, [pair.levels for pair in pairs])


def rules(limit: float) -> dict[str, Sequential]:
    """Rules on pairs of processes."""
    rule = Rule(limit=limit)
    return {
        "edgebench": lambda pairs: with_levels(pairs, rule).answer,
        "edgebench, not confirmed": lambda pairs: unconfirmed(pairs, rule),
        "edgebench, no process set aside": lambda pairs: decide([pair.ratio for pair in pairs], rule).answer,
        "edgebench, ratios of bursts, none set aside": lambda pairs: decide([p.bursts for p in pairs], rule).answer,
        "edgebench, alpha 0.02": lambda pairs: with_levels(pairs, replace(rule, alpha=0.02)).answer,
    }


def drawn(pairs: Sequence[Recorded], random: np.random.Generator) -> list[Recorded]:
    """As many pairs as a rule can need, at random; of a model against itself, either may be the baseline."""
    chosen = [pairs[int(index)] for index in random.integers(0, len(pairs), 2 * Rule().looks[-1])]
    return [pair.swapped() if pair.same and random.random() < 0.5 else pair for pair in chosen]


def rivals() -> dict[str, Single]:
    """What people use now; the stored run is from another time, as theirs are."""
    return {
        "one run against stored, mean +5 %": lambda old, new: bool(new.mean() > 1.05 * old.mean()),
        "pytest-benchmark median:5%": lambda old, new: bool(np.median(new) > 1.05 * np.median(old)),
        "asv, factor 1.1": lambda old, new: _asv(old, new, 1.1),
        "asv, factor 1.05": lambda old, new: _asv(old, new, 1.05),
        "Mann-Whitney, p < 0.002": lambda old, new: (
            bool(np.median(new) > np.median(old)) and mann_whitney(old, new) < 0.002
        ),
    }


def _asv(old: Floats, new: Floats, factor: float) -> bool:
    """asv's rule: the medians are apart by a factor, and the samples by a Mann-Whitney test with p < 0.002."""
    if np.median(new) <= factor * np.median(old):
        return False
    fewer = min(len(old), len(new))
    decidable = 1 / comb(len(old) + len(new), fewer) < 0.002
    return not decidable or mann_whitney(old, new) < 0.002


def mann_whitney(old: Floats, new: Floats) -> float:
    """Two-sided p-value by the normal approximation, with ties."""
    both = np.concatenate([old, new])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    first, second = len(old), len(new)
    total = first + second
    statistic = ranks[:first].sum() - first * (first + 1) / 2
    ties = float((counts.astype(float) ** 3 - counts).sum())
    variance = first * second / 12 * ((total + 1) - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return 2 * NormalDist().cdf(-abs(statistic - first * second / 2) / variance**0.5)


def judge(files: Sequence[Path], tries: int, limit: float) -> None:
    """Print for every setting and kind what each rule says."""
    random = np.random.default_rng(0)
    for setting, kinds in load(files).items():
        for kind, pairs in kinds.items():
            ratios = np.array([pair.ratio for pair in pairs])
            median_s = float(np.median(np.concatenate([pair.before for pair in pairs])))
            mean, error = float(np.expm1(ratios.mean())), float(ratios.std(ddof=1) / len(ratios) ** 0.5)
            say(
                {
                    "setting": setting,
                    "kind": kind,
                    "pairs": len(pairs),
                    "latency_us": round(median_s * 1e6, 1),
                    "true change": f"{mean:+.2%} +- {2 * error:.2%}",
                    "sd of a pair": f"{ratios.std(ddof=1):.2%}",
                    "sd of a pair's tail": f"{np.std([pair.tail for pair in pairs], ddof=1):.2%}",
                    "seconds a pair": round(float(np.mean([pair.seconds for pair in pairs])), 2),
                }
            )
            for name, rule in rules(limit).items():
                answers = [rule(drawn(pairs, random)) for _ in range(tries)]
                say({"rule": name, "drawn": _shares(answers), "in order": _shares(list(_in_order(pairs, rule)))})
            _decisions(pairs, limit, random, tries)
            for name, rival in rivals().items():
                others = [int(other) for other in random.integers(1, len(pairs), len(pairs))] if len(pairs) > 1 else [0]
                alarms = [
                    rival(pairs[(index + shift) % len(pairs)].before, pair.after)
                    for index, (pair, shift) in enumerate(zip(pairs, others, strict=True))
                ]
                say({"rule": name, "reported as slower": f"{sum(alarms)} of {len(alarms)}"})


def _decisions(pairs: Sequence[Recorded], limit: float, random: np.random.Generator, tries: int) -> None:
    """How long a decision takes, and what the tail does at its own limit."""
    seconds = float(np.mean([pair.seconds for pair in pairs]))
    trials = [with_levels(drawn(pairs, random), Rule(limit=limit)) for _ in range(tries)]
    used = np.array([len(trial.first) + len(trial.second) for trial in trials])
    tail = [decide([pair.tail for pair in drawn(pairs, random)], Rule(limit=0.2)).answer for _ in range(tries)]
    say(
        {
            "seconds to a decision": {
                "median": round(float(np.median(used)) * seconds, 1),
                "p95": round(float(np.percentile(used, 95)) * seconds, 1),
            },
            "tail at 20 %": _shares(tail),
        }
    )


def _in_order(pairs: Sequence[Recorded], rule: Sequential) -> Iterator[Answer]:
    """Real comparisons: each takes the next pairs, as many as it needs."""
    start = 0
    while start < len(pairs):
        for count in range(1, min(2 * Rule().looks[-1], len(pairs) - start) + 1):
            answer = rule(pairs[start : start + count])
            if answer is not Answer.MORE and (answer is not Answer.INCONCLUSIVE or count >= Rule().looks[-1]):
                yield answer
                break
        start += count


def _shares(answers: Sequence[Answer]) -> dict[str, Any]:
    counted = {answer.value: answers.count(answer) for answer in Answer if answers.count(answer)}
    return {**counted, "of": len(answers)}


def say(fact: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Record or judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("file", type=Path)
    recording.add_argument("--pairs", type=int, default=100)
    recording.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    recording.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    recording.add_argument("--neighbour", action="store_true")
    judging = commands.add_parser("judge")
    judging.add_argument("files", nargs="+", type=Path)
    judging.add_argument("--tries", type=int, default=2000)
    judging.add_argument("--limit", type=float, default=0.02)
    given = parser.parse_args()
    start = time.perf_counter()
    if given.command == "record":
        record(given.file, given.pairs, given.sizes, given.threads, given.neighbour)
    else:
        judge(given.files, given.tries, given.limit)
    say({"seconds": round(time.perf_counter() - start, 1)})


if __name__ == "__main__":
    main()
