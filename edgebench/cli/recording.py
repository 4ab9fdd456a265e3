"""What is written down about a command beside its figures."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.metadata import version

from edgebench.core.run import Run
from edgebench.flows.profile.profile import ProfileRequest
from edgebench.machine.description import describe_machine, machine_warnings
from edgebench.store.runs import RunStore


def new_run(store: RunStore, request: ProfileRequest) -> Run:
    """A run without profiles yet."""
    return Run(
        name=store.new_name(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=("edgebench", *sys.argv[1:]),
        edgebench=version("edgebench"),
        plan=request.plan,
        machine=describe_machine(),
        seed=request.inputs.seed,
        warnings=tuple(machine_warnings()),
    )
