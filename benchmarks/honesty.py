"""Whether solutions meet their limits when they are measured again.

    python benchmarks/honesty.py [--searches 20] [--results results]

Each search has other limits: for every device and figure a random quantile, 15 to 85 %, of what the space costs
there, so that solutions are near their limits. Nothing is trained (the number of parameters stands in for accuracy).
Every solution is then profiled once more, in fresh processes, and its figures are compared with the limits:
deterministic ones directly, a measured latency by its median.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from edgebench.core.budget import Budget, Limit
from edgebench.core.model import InputSource
from edgebench.core.plan import MeasurementPlan
from edgebench.core.search import Finalist
from edgebench.core.summary import summarise
from edgebench.flows.lut.opening import open_tables
from edgebench.flows.profile.profile import ProfileRequest, profile
from edgebench.flows.search.request import SearchRequest
from edgebench.flows.search.search import search
from edgebench.flows.spaces import open_space
from edgebench.search.costs import cost_model
from edgebench.store.devices import find_device

DEVICES = ("host", "ethos-u55-128", "nucleo-l4r5zi")
PLAN = MeasurementPlan(repetitions=5, time_limit_s=30)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--space", default="mobile")
    parser.add_argument("--results", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    space = open_space(arguments.space)
    devices = tuple(find_device(name) for name in DEVICES)
    tables = open_tables(arguments.results, space, devices, {})
    model = cost_model(space, tables)
    sample = model.predict(space.sample(np.random.default_rng(0), 50_000))
    finalists = solutions = checked = broken = nothing = 0
    worst = -np.inf
    for number in range(arguments.searches):
        random = np.random.default_rng(number)
        limits = tuple(
            Limit(figure=figure, device=device, value=float(np.quantile(sample[:, column], random.uniform(0.15, 0.85))))
            for column, (figure, _, device) in enumerate(name.partition("@") for name in model.names)
            if device != "network" and figure != "energy_j"
        )
        with tempfile.TemporaryDirectory() as folder:
            request = SearchRequest(
                space=space,
                devices=devices,
                tables=tables,
                budget=Budget(limits=limits),
                accuracy="proxy:parameters",
                finalists=2,
                trials=30,
                seed=number,
                study=f"honesty-{number}",
                results=Path(folder),
            )
            record = search(request, PLAN, on_update=lambda *_: None)
            nothing += record.infeasibility is not None
            finalists += len(record.finalists)
            for finalist in record.finalists:
                if not finalist.solution:
                    continue
                solutions += 1
                for limit, found in again(finalist, request):
                    checked += 1
                    excess = found / limit.value - 1
                    worst = max(worst, excess)
                    if excess > 0:
                        broken += 1
                        print(f"search {number}: {limit.column} of {finalist.architecture} exceeds by {excess:.2%}")
        print(f"search {number}: {len(record.finalists)} finalists, {solutions} solutions so far", flush=True)
    print(
        f"{arguments.searches} searches, {nothing} of them with nothing feasible, {finalists} finalists, {solutions} "
        f"solutions; measured again: {broken} of {checked} limits broken, the closest at {worst:+.2%} of its limit"
    )


def again(finalist: Finalist, request: SearchRequest) -> list[tuple[Limit, float]]:
    """Every limit with what a second profile says."""
    onnx, _, int8 = finalist.files[:3]
    found = {}
    for device in request.devices:
        file = int8 if request.tables[device.name].key.dtype == "int8" else onnx
        plan = ProfileRequest(models=[file], devices=[device], plan=PLAN, inputs=InputSource(seed=1))
        (result,) = profile(plan, on_update=lambda _: None)
        found[device.name] = summarise(result)
    return [(limit, found[limit.device][limit.figure].value) for limit in request.budget.limits]


if __name__ == "__main__":
    main()
