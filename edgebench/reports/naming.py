"""Names of runs in tables, so that readers can distinguish their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from edgebench.core.run import Run
from edgebench.reports.report import Column

_SUBJECT = (Column(key="model", title="model"), Column(key="device", title="device"))


def run_names(runs: Sequence[Run]) -> dict[str, str]:
    """For the name of each run, its name in tables: its label if no other run has it, and its git revision."""
    distinct = {run.name: run for run in runs}
    labels = Counter(run.label for run in distinct.values())
    return {name: _name(run, unique=labels[run.label] == 1) for name, run in distinct.items()}


def subject_columns(names: Mapping[str, str]) -> tuple[Column, ...]:
    """The columns that say what a row is about; the run is one of them if there are several."""
    return _SUBJECT if len(names) < 2 else (Column(key="run", title="run"), *_SUBJECT)


def _name(run: Run, *, unique: bool) -> str:
    first = run.label if run.label and unique else " ".join(filter(None, (run.label, run.name)))
    return first if run.revision is None else f"{first} @{run.revision}"
