"""Networks that others measured: how well the rest is predicted from a few of them.

    python benchmarks/whole_networks.py FILE.csv --space nas-bench-201 [--drawn 50 100 900] [--draws 20]

FILE is what `edgebench lut import` reads. For each figure and number of networks: the share of the others within 10 %
and 5 %, their mean error, and the share within the interval that the table would promise; means over random draws.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgebench.flows.lut.correction import left_out_errors
from edgebench.flows.spaces import open_space
from edgebench.search.whole_model import learn
from edgebench.store.table_csv import read_table_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--space", default="nas-bench-201")
    parser.add_argument("--drawn", nargs="+", type=int, default=[50, 100, 900])
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args()
    space, told = open_space(given.space), read_table_csv(given.file)
    rows = np.array([space.written(text) for text in told.rows], dtype=np.int8)
    families = space.features(rows)
    for name in next(iter(told.rows.values())):
        found = np.array([figures[name] for figures in told.rows.values()])
        for count in given.drawn:
            shares = []
            for seed in range(given.draws):
                order = np.random.default_rng(seed).permutation(len(found))
                known, rest = order[:count], order[count:]
                learnt = learn([replace(item, values=item.values[known]) for item in families], found[known])
                predicted = np.full(len(rest), learnt.base)
                for item in families:
                    weights = learnt.weights.get(item.name, {})
                    predicted += item.values[rest] @ np.array([weights.get(label, 0.0) for label in item.labels])
                promise = left_out_errors(
                    found[known],
                    learnt.left_out,
                    tuple(map(str, known)),
                    freedom=learnt.freedom,
                    least_spread=learnt.spread,
                )
                ratio = found[rest] / predicted
                error = np.abs(1 / ratio - 1)
                inside = (ratio >= promise.low) & (ratio <= promise.high)
                shares.append([(error < 0.1).mean(), (error < 0.05).mean(), error.mean(), inside.mean()])
            ten, five, mean, inside = np.mean(shares, axis=0)
            print(
                f"{name}, {count} networks: within 10 % {ten:.1%}, within 5 % {five:.1%}, mean error {mean:.1%}, "
                f"inside the promised interval {inside:.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
