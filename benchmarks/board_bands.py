"""Whether the bands of emulated boards are true: networks that were published, each predicted from others.

    python benchmarks/board_bands.py [DEVICE...] [--measured FILE.csv]

For each calibration of each device: every network predicted from all others of its board (terms chosen, fitted and the
noise estimated without it), and from random sets of three, five and eight. With ``--measured`` (columns model and
latency_ms; runtime if an interpreter ran it) networks that are in no calibration are tried as well. Deterministic; it
measures no time.

Goal: left out, 6 % off on average for a board with ten networks or more; inside their bands in 90 % of cases.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebench.core.calibration import BoardCalibration
from edgebench.core.device import Device
from edgebench.flows.calibrate import calibrate
from edgebench.store.devices import device_names, find_device
from edgebench.targets.mcu.cycle_model import CycleEstimate, Sample, fit_cycles, left_out, merged

SIZES = (3, 5, 8)
TRIES = 40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("devices", nargs="*")
    parser.add_argument("--measured", type=Path)
    arguments = parser.parse_args()
    inside: list[bool] = []
    for device in map(find_device, arguments.devices or device_names()):
        for entry in device.calibrations:
            inside += board(device, entry)
            if arguments.measured is not None:
                held_out(device, entry, arguments.measured)
    print(f"\nall boards: {sum(inside)} of {len(inside)} left-out networks inside their bands")


def board(device: Device, entry: BoardCalibration) -> list[bool]:
    """Print how one calibration predicts its own networks; returns which are inside."""
    samples = merged([Sample.of(network, entry.clock_hz) for network in entry.networks])
    model = fit_cycles(samples)
    print(
        f"\n{device.name}, {entry.compiler}: {len(samples)} networks, corrections {', '.join(model.corrections) or '-'}"
    )
    pairs = [(one, found) for one, found in zip(samples, left_out(samples), strict=True) if found is not None]
    for one, found in pairs:
        mark = "" if is_inside(one, found) else "  outside"
        print(f"  {one.name:16} {found.cycles / one.cycles - 1:+6.1%}  band x / {found.factor:.2f}{mark}")
    errors = [abs(found.cycles / one.cycles - 1) for one, found in pairs]
    marks = [is_inside(one, found) for one, found in pairs]
    if errors:
        print(f"  left out: mean {np.mean(errors):.1%}, worst {max(errors):.1%}, inside {sum(marks)} of {len(marks)}")
    for size in SIZES:
        if size < len(samples) - 2:
            subsets(samples, size)
    return marks


def subsets(samples: Sequence[Sample], size: int) -> None:
    """Print how random sets of a board's networks predict the rest."""
    random = np.random.default_rng(size)
    errors, marks, factors = [], [], []
    for _ in range(TRIES):
        chosen = set(random.choice(len(samples), size, replace=False))
        model = fit_cycles([samples[index] for index in sorted(chosen)])
        for index, one in enumerate(samples):
            if index not in chosen:
                found = model.estimate(one.work, interpreted=one.interpreted)
                errors.append(abs(found.cycles / one.cycles - 1))
                marks.append(is_inside(one, found))
                factors.append(found.factor)
    print(
        f"  from {size} networks, {TRIES} draws: mean error {np.mean(errors):.1%}, inside {np.mean(marks):.0%}, "
        f"median band x / {np.median(factors):.2f}"
    )


def held_out(device: Device, entry: BoardCalibration, measured: Path) -> None:
    """Print how a calibration predicts networks that it does not have."""
    options = {**device.options, "compiler": entry.compiler_name, "optimization": entry.optimization}
    others = calibrate(replace(device, options=options), measured).calibration
    model = fit_cycles([Sample.of(network, entry.clock_hz) for network in entry.networks])
    for network in others.networks:
        one = Sample.of(network, others.clock_hz)
        found = model.estimate(one.work, interpreted=one.interpreted)
        mark = "inside" if is_inside(one, found) else "OUTSIDE"
        print(f"  held out: {one.name:16} {found.cycles / one.cycles - 1:+6.1%}  band x / {found.factor:.2f}  {mark}")


def is_inside(one: Sample, found: CycleEstimate) -> bool:
    """Whether a measurement is in the band of its prediction."""
    return 1 / found.factor <= one.cycles / found.cycles <= found.factor


if __name__ == "__main__":
    main()
