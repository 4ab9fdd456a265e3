"""Which charts runs have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from edgebench.core.profile import Profile
from edgebench.core.run import Run
from edgebench.reports.html.compressions import compression_charts
from edgebench.reports.html.distributions import latency_chart
from edgebench.reports.html.drawing import Chart
from edgebench.reports.html.layers import layer_chart, memory_chart
from edgebench.reports.html.searches import search_charts
from edgebench.reports.naming import run_names

Profiles = Sequence[tuple[Run, Profile]]


def latency_charts(profiles: Profiles) -> list[Chart]:
    """One for each model on each device: its runs below each other."""
    names = run_names([run for run, _ in profiles])
    groups: dict[tuple[str, str], list[tuple[str, Run, Profile]]] = defaultdict(list)
    for run, profile in profiles:
        groups[profile.model.name, profile.device.name].append((names[run.name], run, profile))
    charts = (latency_chart(model, device, rows) for (model, device), rows in groups.items())
    return [chart for chart in charts if chart is not None]


def layer_charts(profiles: Profiles) -> list[Chart]:
    """One for each profile that has layers; if there are several runs, the newest counts."""
    return [chart for profile in _newest(profiles) if (chart := layer_chart(profile)) is not None]


def memory_charts(profiles: Profiles) -> list[Chart]:
    """One for each profile whose target reports the memory of each operator."""
    return [chart for profile in _newest(profiles) if (chart := memory_chart(profile)) is not None]


def run_charts(runs: Sequence[Run]) -> list[Chart]:
    """Every chart of the runs."""
    profiles = [(run, profile) for run in runs for profile in run.profiles]
    searches = [chart for run in runs if run.search is not None for chart in search_charts(run.search)]
    searches += [chart for run in runs if run.compression is not None for chart in compression_charts(run.compression)]
    return [*searches, *latency_charts(profiles), *layer_charts(profiles), *memory_charts(profiles)]


def _newest(profiles: Profiles) -> list[Profile]:
    found: dict[tuple[str, str], Profile] = {}
    for _, profile in profiles:
        key = profile.model.name, profile.device.name
        if profile.layers or key not in found:
            found[key] = profile
    return list(found.values())
