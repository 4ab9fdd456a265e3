"""The page of runs: the answer, every profile beside the others, then what is behind the figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from edgebench.core.figure import ENERGY, FLASH, LATENCY, RAM, figure_of
from edgebench.core.memory_fit import MemoryFit, fits, memory_fits
from edgebench.core.metric import Metric
from edgebench.core.profile import Outcome, Profile
from edgebench.core.run import Run
from edgebench.core.summary import summarise
from edgebench.reports.codes import Kind
from edgebench.reports.compress import compression_report
from edgebench.reports.html.compressions import compression_charts
from edgebench.reports.html.distributions import spark
from edgebench.reports.html.drawing import Chart, require_charts
from edgebench.reports.html.figures import Profiles, latency_charts, layer_charts, memory_charts
from edgebench.reports.html.page import Page, Section, charts_html, folded, remarks_html, render_page
from edgebench.reports.html.searches import search_charts
from edgebench.reports.html.tables import metric_html, table_html
from edgebench.reports.html.text import html
from edgebench.reports.naming import run_names
from edgebench.reports.numbers import format_value
from edgebench.reports.profiles import report
from edgebench.reports.report import Cell, Report, ReportTable, plain_table
from edgebench.reports.search import search_report

_CHARTS = 12
"""Maximum number of charts of one kind on a page; more would take seconds to draw, and would not be read."""
_DETAILED = 60
"""Number of profiles up to which a page contains every table of details and as many charts."""
_FEW = 4
"""Maximum number of charts of one kind where there are more profiles."""
_CARDS = 6
_METHODS = 300
_BEST = {LATENCY: "lowest latency", ENERGY: "lowest energy", RAM: "least RAM"}


def runs_page(runs: Sequence[Run]) -> str:
    """Runs as one HTML document.

    Raises:
        MissingPackageError: What draws charts is not installed.
    """
    require_charts()
    built = report(runs)
    profiles = [(run, profile) for run in runs for profile in run.profiles]
    answer = next((table for table in built.tables if table.title == "Result"), None)
    return render_page(
        Page(
            title=_title(runs, profiles),
            subtitle=_subtitle(runs),
            answer=_answer(runs, profiles, built),
            sections=_sections(runs, profiles, built, answer),
            models=list(dict.fromkeys(profile.model.name for _, profile in profiles)),
            devices=list(dict.fromkeys(profile.device.name for _, profile in profiles)),
            records=built.records,
        )
    )


def _sections(runs: Sequence[Run], profiles: Profiles, built: Report, answer: ReportTable | None) -> list[Section]:
    searches = [run.search for run in runs if run.search is not None]
    found = [chart for record in searches for chart in search_charts(record)]
    finalists = [table for record in searches for table in search_report(record).tables]
    compressions = [run.compression for run in runs if run.compression is not None]
    found += [chart for record in compressions for chart in compression_charts(record)]
    finalists += [table for record in compressions for table in compression_report(record).tables]
    distributions, layers, memory = latency_charts(profiles), layer_charts(profiles), memory_charts(profiles)
    places = {}
    first = 0
    for name, charts in (("search", found), ("latency", distributions), ("layers", layers), ("memory", memory)):
        places[name] = _drawn(charts, first, _CHARTS if len(profiles) <= _DETAILED else _FEW)
        first += _CHARTS
    shown = {id(answer), *map(id, finalists)}
    details = [
        table for table in built.tables if id(table) not in shown and table.title not in {t.title for t in finalists}
    ]
    return [
        Section(
            key="search",
            title="Compression" if compressions else "Search",
            body=places["search"] + "".join(map(table_html, finalists)),
        ),
        Section(key="comparison", title="Comparison", body=_comparison(profiles, answer)),
        Section(key="latency", title="Latency of all samples", body=places["latency"], lead=_DISTRIBUTION_LEAD),
        Section(key="layers", title="Operators", body=places["layers"] + _layer_tables(details, len(profiles))),
        Section(key="memory", title="Memory over the operators", body=places["memory"]),
        Section(key="details", title="All figures", body=_details(details, len(profiles))),
        Section(key="method", title="Environment and method", body=_environments(runs) + _methods(profiles)),
    ]


_DISTRIBUTION_LEAD = (
    "Bars count raw samples, outliers included, on a scale that shows rare ones (square root); the line is the median "
    "with its 95 % interval over fresh processes, "
    "the dots are the medians of the processes."
)


def _title(runs: Sequence[Run], profiles: Profiles) -> str:
    if len(runs) == 1 and runs[0].label:
        return runs[0].label
    searches = [run.search.space for run in runs if run.search is not None]
    if searches and len(searches) == len(runs):
        return f"Search in {', '.join(dict.fromkeys(searches))}"
    compressed = [run.compression.model for run in runs if run.compression is not None]
    if compressed and len(compressed) == len(runs):
        return f"Compression of {', '.join(dict.fromkeys(compressed))}"
    models = list(dict.fromkeys(profile.model.name for _, profile in profiles))
    devices = list(dict.fromkeys(profile.device.name for _, profile in profiles))
    return f"{_some(models, 'models')} on {_some(devices, 'devices')}" if profiles else "A run without profiles"


def _some(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {what}"


def _subtitle(runs: Sequence[Run]) -> str:
    if len(runs) == 1:
        (run,) = runs
        revision = f", revision {run.revision}" if run.revision is not None else ""
        processor = run.machine.get("cpu", "unknown processor")
        return f"{run.started.replace('T', ' ')}{revision}, edgebench {run.edgebench}, {processor}"
    return f"{len(runs)} runs from {min(run.started for run in runs)[:10]} to {max(run.started for run in runs)[:10]}"


def _answer(runs: Sequence[Run], profiles: Profiles, built: Report) -> str:
    failures = remarks_html(built.remarks, [Kind.FAILURE])
    brief = built.brief().remarks
    warnings = remarks_html(brief, [Kind.WARNING])
    rest = [remark for remark in built.remarks if remark.kind is Kind.NOTE or remark not in brief]
    notes = folded(f"{len(rest)} notes", remarks_html(rest))
    return f"{_verdict(runs, profiles, failures)}{failures}{_cards(profiles)}{warnings}{notes}"


def _verdict(runs: Sequence[Run], profiles: Profiles, failures: str) -> str:
    parts = []
    bad = [profile for _, profile in profiles if profile.outcome is not Outcome.OK]
    known = [found for _, profile in profiles if (found := fits(profile)) is not None]
    if profiles:
        parts.append(f"{len(profiles) - len(bad)} of {len(profiles)} profiles have their figures")
    if known:
        parts.append(f"{sum(known)} of {len(known)} fit the device's memory")
    for run in runs:
        if run.search is not None and run.search.finalists:
            solved = sum(finalist.solution for finalist in run.search.finalists)
            parts.append(f"{solved} of {len(run.search.finalists)} finalists meet every limit")
        if run.compression is not None and run.compression.recommendation is not None:
            chosen = run.compression.recommendation
            parts.append(f"{'recommended' if chosen.meets else 'nearest'}: {chosen.strategy or 'none'}")
    sign, kind, said = ("✗", "broken", "Something broke") if failures else ("✓", "ok", "Nothing broke")
    text = f"{said}: {'; '.join(parts)}." if parts else f"{said}."
    return f'<p class="verdict {kind}"><span class="sign" aria-hidden="true">{sign}</span><span>{html(text)}</span></p>'


def _cards(profiles: Profiles) -> str:
    """The best model of each device, or the figures of the only one."""
    names = run_names([run for run, _ in profiles])
    devices: dict[str, list[tuple[Run, Profile]]] = defaultdict(list)
    for run, profile in profiles:
        if profile.outcome is Outcome.OK:
            devices[profile.device.name].append((run, profile))
    cards = []
    for device, items in devices.items():
        for figure, title in _BEST.items():
            found = [
                (figures[figure], run, profile) for run, profile in items if figure in (figures := summarise(profile))
            ]
            if not found or (len(items) < 2 and figure != LATENCY):
                continue
            metric, run, profile = min(found, key=lambda item: item[0].value)
            what = f"{title if len(found) > 1 else figure_of(figure).title} on {device}"
            who = profile.model.name if len(names) < 2 else f"{profile.model.name}, {names[run.name]}"
            cards.append(_card(what, metric, who, device))
    first, rest = cards[:_CARDS], cards[_CARDS:]
    return _list(first) + folded(f"{len(rest)} more", _list(rest)) if first else ""


def _card(what: str, metric: Metric, who: str, device: str) -> str:
    return (
        f'<li data-device="{html(device)}"><p class="what">{html(what)}</p>'
        f'<p class="value">{metric_html(metric, interval=False)}</p><p class="who">{html(who)}</p></li>'
    )


def _list(cards: Sequence[str]) -> str:
    return f'<ul class="cards">{"".join(cards)}</ul>' if cards else ""


def _comparison(profiles: Profiles, answer: ReportTable | None) -> str:
    if answer is None:
        return ""
    extra: dict[str, list[str]] = {}
    sparks = [spark(profile) for _, profile in profiles]
    if any(sparks):
        extra["distribution"] = sparks
    bars = [_fit_bars(memory_fits(profile)) for _, profile in profiles]
    if any(bars):
        extra["of the device's memory"] = bars
    return table_html(answer, extra=extra, caption_visible=False)


def _fit_bars(found: Mapping[str, MemoryFit]) -> str:
    return "".join(
        f'<div class="fit"><span class="bar{" over" if fit.left < 0 else ""}" aria-hidden="true">'
        f'<i style="width:{min(100.0, 100 * fit.needed.value / max(1, fit.limit)):.3g}%"></i></span>'
        f"<span>{'RAM' if name == RAM else 'flash'} {fit.needed.value / max(1, fit.limit):.0%} of "
        f"{html(format_value(fit.limit, 'bytes'))}</span></div>"
        for name, fit in found.items()
        if name in {RAM, FLASH}
    )


def _drawn(charts: Sequence[Chart], first: int, most: int) -> str:
    shown = charts[:most]
    left = len(charts) - len(shown)
    more = (
        f'<p class="note">{left} more: report fewer runs, or draw one with --format svg --chart NAME.</p>'
        if left
        else ""
    )
    return charts_html(shown, first) + more


def _layer_tables(details: Sequence[ReportTable], profiles: int) -> str:
    if profiles > _DETAILED:
        return ""
    return "".join(
        folded(table.title, table_html(table, caption_visible=False))
        for table in details
        if table.title.startswith("Operators of")
    )


def _details(details: Sequence[ReportTable], profiles: int) -> str:
    if profiles > _DETAILED:
        return (
            '<p class="note">With this many profiles only the comparison is shown; --format csv has every figure.</p>'
        )
    return "".join(
        folded(table.title, table_html(table, caption_visible=False))
        for table in details
        if not table.title.startswith("Operators of")
    )


def _environments(runs: Sequence[Run]) -> str:
    """What each run was made with; runs with the same machine and versions share an entry."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = defaultdict(list)
    for run in runs:
        versions = {
            f"{name} ({profile.device.name})": text
            for profile in run.profiles
            for name, text in profile.versions.items()
        }
        machine = {"edgebench": run.edgebench, **run.machine, **versions}
        groups[tuple(sorted(machine.items()))].append(run)
    names = run_names(runs)
    parts = []
    for facts, members in list(groups.items())[:_CHARTS]:
        rows: list[dict[str, Cell]] = [{"what": name.replace("_", " "), "value": text} for name, text in facts]
        commands = list(dict.fromkeys(" ".join(run.command) for run in members))
        said = "".join(f"<p><code>{html(command)}</code></p>" for command in commands[:3])
        table = plain_table(_some([names[run.name] for run in members], "runs"), rows)
        parts.append(said + folded(f"Environment of {table.title}", table_html(table, caption_visible=False)))
    left = len(groups) - len(parts)
    return "".join(parts) + (f'<p class="note">{left} more environments.</p>' if left > 0 else "")


def _methods(profiles: Profiles) -> str:
    rows = list(_method_rows(profiles))
    table = plain_table("Method of every figure", rows[:_METHODS])
    left = len(rows) - _METHODS
    more = f'<p class="note">{left} more: edgebench report --explain.</p>' if left > 0 else ""
    return folded("Method of every figure", table_html(table, caption_visible=False) + more) if rows else ""


def _method_rows(profiles: Profiles) -> Iterator[dict[str, Cell]]:
    """Every figure and how it was obtained; those obtained in the same way share a row."""
    seen: dict[tuple[str, str, str, str, str], int] = defaultdict(int)
    for _, profile in profiles:
        for name, metric in summarise(profile).items():
            seen[profile.device.name, name, metric.provenance.value, metric.method, metric.source or ""] += 1
    for (device, name, provenance, method, source), count in seen.items():
        yield {
            "device": device,
            "figure": figure_of(name).title,
            "provenance": provenance,
            "method": method,
            "source": source or None,
            "figures": count,
        }
