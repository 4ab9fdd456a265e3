"""Runs made up for tests of reports."""

from dataclasses import replace

import numpy as np

from edgebench.core.budget import Budget, Limit
from edgebench.core.device import Device, DeviceKind, Memory
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import ModelFormat, ModelInfo
from edgebench.core.plan import MeasurementPlan
from edgebench.core.profile import Failure, LayerCost, Outcome, ProcessRun, Profile, Sample
from edgebench.core.run import Revision, Run
from edgebench.core.search import Finalist, LimitCheck, SearchRecord, TrialResult

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&=cmd()|[red]\x00\x1b[31m\u202e</text>"
"""A name that breaks out of whatever does not escape it."""


def device(name: str = "host", ram: int | None = None) -> Device:
    return Device(
        name=name,
        kind=DeviceKind.CPU if ram is None else DeviceKind.MCU,
        target="made-up",
        description="made up",
        memory=None if ram is None else Memory(ram_bytes=ram, flash_bytes=1 << 20, source="made up"),
    )


def model(name: str = "net") -> ModelInfo:
    return ModelInfo(name=name, source=f"{name}.onnx", format=ModelFormat.ONNX, digest="ab" * 32, size_bytes=1000)


def measured(
    name: str = "net", on: str = "host", seconds: float = 1e-4, noise: float = 0.01, seed: int = 0, layers: int = 0
) -> Profile:
    random = np.random.default_rng(seed)
    processes = tuple(
        ProcessRun(
            load_s=0.01,
            first_inference_s=0.001,
            bursts=(
                Sample(latencies_s=tuple(map(float, seconds * level * np.exp(np.abs(random.normal(0, noise, 40)))))),
            ),
        )
        for level in np.exp(random.normal(0, noise / 4, 5))
    )
    return Profile(
        model=model(name),
        device=device(on),
        outcome=Outcome.OK,
        processes=processes,
        latency_provenance=Provenance.MEASURED,
        method="clock",
        versions={"runtime": "1.0"},
        layers=tuple(
            LayerCost(
                name=f"{name}_{number}",
                operator="Conv",
                share=1 / layers,
                metrics={"latency_s": _metric(seconds / layers, "s", Provenance.MEASURED)},
                placement="CPU" if number % 3 == 0 else "NPU",
            )
            for number in range(layers)
        ),
    )


def simulated(name: str = "net", on: str = "board", ram: float = 50_000, limit: int = 65_536) -> Profile:
    steps = [0.4, 0.9, 1.0, 0.3]
    return Profile(
        model=model(name),
        device=device(on, ram=limit),
        outcome=Outcome.OK,
        metrics={
            "latency_s": replace(_metric(0.02, "s", Provenance.ESTIMATED), low=0.018, high=0.022),
            "ram_bytes": _metric(ram, "bytes", Provenance.EXACT),
            "flash_bytes": _metric(90_000, "bytes", Provenance.EXACT),
            "arena_bytes": _metric(ram - 500, "bytes", Provenance.EXACT),
            "instructions": _metric(1e6, "instructions", Provenance.SIMULATED),
        },
        versions={"compiler": "1.0"},
        layers=tuple(
            LayerCost(
                name=f"{name}_{number}",
                operator="CONV_2D",
                share=0.25,
                metrics={
                    "instructions": _metric(2.5e5, "instructions", Provenance.SIMULATED),
                    "live_bytes": _metric((ram - 500) * step, "bytes", Provenance.EXACT),
                },
            )
            for number, step in enumerate(steps)
        ),
    )


def crashed(name: str = "broken", on: str = "host") -> Profile:
    failure = Failure(message="crashed: SIGSEGV", remedy="try another runtime")
    return Profile(model=model(name), device=device(on), outcome=Outcome.CRASHED, failure=failure)


def run(
    *profiles: Profile, number: int = 0, label: str = "", commit: str = "", search: SearchRecord | None = None
) -> Run:
    return Run(
        name=f"20260101-{number:06d}-abcd",
        started=f"2026-01-{number % 28 + 1:02d}T00:00:00+00:00",
        command=("edgebench", "profile", "net.onnx"),
        edgebench="0.1.0",
        plan=MeasurementPlan(),
        machine={"cpu": "made up", "os": "none"},
        complete=True,
        profiles=profiles,
        label=label,
        revision=Revision(commit=commit) if commit else None,
        search=search,
    )


def search_record(space: str = "small") -> SearchRecord:
    column = "latency_s@board"
    limit = Limit(figure="latency_s", device="board", value=0.02)
    tried = tuple(
        TrialResult(
            number=number,
            architecture=f"arch{number}",
            accuracy=0.6 + 0.02 * number,
            figures={column: 0.01 + 0.001 * number, "macs": 1e6 * (number + 1)},
        )
        for number in range(12)
    )
    found = replace(_metric(0.0195, "s", Provenance.ESTIMATED), low=0.019, high=0.0202)
    check = LimitCheck(limit=limit, predicted=0.019, found=found, holds=False)
    return SearchRecord(
        study="study",
        storage="journal",
        space=space,
        space_size=12,
        objectives=("accuracy", column),
        budget=Budget(limits=(limit,)),
        margins=(1.05,),
        accuracy="train",
        task="digits",
        sampler="random",
        seed=0,
        tables={"board": "int8; not validated"},
        looked_at=12,
        feasible=9,
        complete=True,
        trials=12,
        front=tried[:10],
        tried=tried,
        finalists=(
            Finalist(architecture="arch9", trial=9, validation_accuracy=0.8, checks=(check,), faults=("too slow",)),
        ),
    )


def _metric(value: float, unit: str, provenance: Provenance) -> Metric:
    source = "made up" if provenance is Provenance.ESTIMATED else None
    return Metric(value=value, unit=unit, provenance=provenance, method="made up", source=source)
