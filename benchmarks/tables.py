"""Tables of this machine's processor: how long they take to build, how well they predict networks in later processes.

    python benchmarks/tables.py FOLDER [--spaces mobile dscnn] [--devices host host-litert] [--threads 1 2] [-n 60]

One line of JSON for each table. What is built and validated already is kept in FOLDER, so that it goes on where it was.

Goal: at least 99 % within 10 % and 90 % within 5 %, or the table says itself that it is not so good; over all tables
the interval that a table promised before it was validated covers 93 to 97 % of the networks of the validation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.figure import LATENCY
from edgebench.core.table import LookupTable
from edgebench.flows.lut.build import build_table
from edgebench.flows.lut.opening import dtype_of
from edgebench.flows.lut.request import TableRequest
from edgebench.flows.lut.validate import validate_table
from edgebench.flows.spaces import open_space
from edgebench.store.devices import find_device
from edgebench.store.tables import TableStore


def table_of(store: TableStore, request: TableRequest, networks: int) -> tuple[LookupTable, dict[str, Any]]:
    """The table, built and validated if it is not yet."""
    names = request.device.name, request.space.name, request.dtype
    facts: dict[str, Any] = {}
    known = store.load_own(*names)
    if known is None or not known.is_whole(request.space.digest):
        start = time.perf_counter()
        known = build_table(request, known, on_update=store.save)
        facts["build_s"] = round(time.perf_counter() - start)
    if not known.validation:
        start = time.perf_counter()
        known = validate_table(request, known, networks=networks, seed=1)
        store.save(known)
        facts["validate_s"] = round(time.perf_counter() - start)
    return known, facts


def covered(table: LookupTable) -> tuple[int, int]:
    """How many of the validation's networks are within the interval that the table promised before."""
    promise, found = table.left_out[LATENCY], table.validation[LATENCY]
    ratios = [actual / predicted for actual, predicted in zip(found.found, found.predicted, strict=True)]
    return sum(promise.low <= ratio <= promise.high for ratio in ratios), len(ratios)


def main() -> None:
    """Build, validate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spaces", nargs="+", default=["mobile", "dscnn", "resnet", "nas-bench-macro"])
    parser.add_argument("--devices", nargs="+", default=["host", "host-litert"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("-n", "--networks", type=int, default=60)
    given = parser.parse_args()
    inside = total = 0
    for threads in given.threads:
        for device_name in given.devices:
            found = find_device(device_name)
            device = replace(found, options={**found.options, "threads": threads})
            for name in given.spaces:
                space = open_space(name)
                request = TableRequest(space=space, device=device, dtype=dtype_of(device))
                store = TableStore(given.folder / f"threads{threads}")
                table, facts = table_of(store, request, given.networks)
                promise, check = table.left_out[LATENCY], table.validation[LATENCY]
                within, count = covered(table)
                inside, total = inside + within, total + count
                say(
                    {
                        "space": name,
                        "device": device_name,
                        "threads": threads,
                        "mean error": f"{check.mean_error:.2%}",
                        "within 5 %": f"{check.within_5_percent:.0%}",
                        "within 10 %": f"{check.within_10_percent:.0%}",
                        "promised": f"{promise.mean_error:.2%} with {promise.networks} networks, "
                        f"{promise.low - 1:+.1%} to {promise.high - 1:+.1%}",
                        "within the promised interval": f"{within} of {count}",
                        "disturbed blocks": len(table.disturbed),
                        "notes": list(table.notes),
                        **facts,
                    }
                )
    say({"within the promised intervals": f"{inside} of {total}"})


def say(fact: dict[str, Any]) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
