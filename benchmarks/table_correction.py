"""What whole networks teach a table, replayed from tables that `benchmarks/tables.py` built and validated.

    python benchmarks/table_correction.py FOLDER

Nothing is measured: each table is corrected again by its first N whole networks, and by one scale from the same ones,
and compared with the networks of its validation. One line of JSON for each table, N and method.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebench.core.figure import LATENCY, column_name
from edgebench.core.prediction_error import prediction_error
from edgebench.core.table import LookupTable
from edgebench.flows.lut.correction import corrected
from edgebench.flows.spaces import open_space
from edgebench.search.costs import cost_model
from edgebench.spaces.space import Architectures, SearchSpace
from edgebench.store.tables import load_table

COUNTS = (0, 4, 8, 12, 20, 40)
Floats = NDArray[np.float64]


def predicted(space: SearchSpace, table: LookupTable, rows: Architectures) -> Floats:
    """Latencies of whole networks."""
    device = table.key.device
    model = cost_model(space, {device: table})
    return model.predict(rows)[:, model.names.index(column_name(LATENCY, device))]


def parsed(space: SearchSpace, texts: tuple[str, ...]) -> Architectures:
    """Rows of architectures."""
    return np.array([space.parse(text) for text in texts], dtype=np.int8)


def main() -> None:
    """Replay, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    for path in sorted(parser.parse_args().folder.rglob("*.json")):
        table = load_table(path)
        check = table.validation.get(LATENCY)
        if check is None or not table.wholes:
            continue
        space = open_space(table.space)
        unseen, found = parsed(space, check.architectures), np.array(check.found)
        plain = corrected(space, table, {})
        for count in dict.fromkeys(min(count, len(table.wholes)) for count in COUNTS):
            wholes = dict(list(table.wholes.items())[:count])
            learnt = corrected(space, table, wholes)
            scale = 1.0
            if wholes:
                own = predicted(space, plain, parsed(space, tuple(wholes)))
                scale = float(np.median([item[LATENCY] for item in wholes.values()] / own))
            scaled = replace(plain, figures={LATENCY: replace(plain.figures[LATENCY], scale=scale)})
            for method, trial in (("one scale", scaled), ("corrections", learnt)):
                said = predicted(space, trial, unseen)
                error = prediction_error(found, said)
                line = {
                    "table": str(path.relative_to(path.parents[2])),
                    "whole networks": count,
                    "method": method,
                    "mean error": f"{error.mean:.2%}",
                    "within 5 %": f"{error.within_5_percent:.0%}",
                    "within 10 %": f"{error.within_10_percent:.0%}",
                }
                promise = trial.left_out.get(LATENCY) if method == "corrections" else None
                if promise is not None:
                    ratios = found / said
                    line["within the promised interval"] = (
                        f"{np.mean((ratios >= promise.low) & (ratios <= promise.high)):.0%}"
                    )
                sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
