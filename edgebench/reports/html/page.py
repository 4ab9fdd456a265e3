"""The frame of every page: one file without a request, in light and dark, on paper and on a telephone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from edgebench.reports.codes import Kind
from edgebench.reports.html.drawing import FULL, NARROW, WIDE, Chart, inline_svg
from edgebench.reports.html.tables import table_html
from edgebench.reports.html.text import html, script_json
from edgebench.reports.report import Remark, Report, ReportTable

_SIGNS = {Kind.FAILURE: ("✗", "failure"), Kind.WARNING: ("!", "warning"), Kind.NOTE: ("·", "note")}
_SHOWN_REMARKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page.

    Attributes:
        key: Its anchor.
        title: Its heading.
        body: Markup that is already safe.
        lead: A sentence beneath the heading.
    """

    key: str
    title: str
    body: str
    lead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page before it is written.

    Attributes:
        title: Heading, and title of the window.
        subtitle: When, where, with what.
        answer: Markup of what a reader wants to know first.
        sections: In the order of reading; empty ones are left out.
        models: That the reader may choose from.
        devices: Likewise.
        records: The rows for machines, kept in the page.
    """

    title: str
    subtitle: str
    answer: str
    sections: Sequence[Section]
    models: Sequence[str] = ()
    devices: Sequence[str] = ()
    records: Sequence[Mapping[str, object]] = ()


def render_page(page: Page) -> str:
    """A page as one HTML document."""
    shown = [section for section in page.sections if section.body]
    script, style = _asset("table.js"), _asset("style.css")
    links = "".join(f'<li><a href="#{html(part.key)}">{html(part.title)}</a></li>' for part in shown)
    body = "".join(_section(section) for section in shown)
    data = script_json([{key: value for key, value in row.items() if value is not None} for row in page.records])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html(page.title)} · edgebench</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        '<meta name="color-scheme" content="light dark"><meta name="generator" content="edgebench">'
        f'<link rel="icon" href="data:,"><style>{style}</style></head><body>'
        '<a class="skip" href="#main">Skip to the answer</a>'
        f'<header><p class="brand">edgebench</p><h1>{html(page.title)}</h1><p class="sub">{html(page.subtitle)}</p>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>{_filters(page)}'
        f'<main id="main" tabindex="-1"><section id="answer" aria-label="Answer">{page.answer}</section>{body}</main>'
        f"<footer><p>Made by edgebench; this file needs no network.</p>{_download(page)}</footer>"
        f'<script type="application/json" id="rows">{data}</script><script>{script}</script></body></html>\n'
    )


def report_page(report: Report, title: str, subtitle: str = "") -> str:
    """Any report as a page: what matters first, then its tables."""
    sections = [
        Section(key=f"table-{number}", title=table.title, body=table_html(table, caption_visible=False))
        for number, table in enumerate(report.tables)
    ]
    return render_page(
        Page(
            title=title,
            subtitle=subtitle,
            answer=remarks_html(report.remarks) or '<p class="verdict">Nothing to remark.</p>',
            sections=sections,
            models=_names(report.tables, "model"),
            devices=_names(report.tables, "device"),
            records=report.records,
        )
    )


def remarks_html(remarks: Iterable[Remark], kinds: Iterable[Kind] = Kind) -> str:
    """Remarks as a list, failures first; a long list can be unfolded."""
    order = [*kinds]
    items = [
        f'<li class="is-{remark.kind}"><span class="sign" aria-hidden="true">{_SIGNS[remark.kind][0]}</span><div>'
        f'<span class="vh">{_SIGNS[remark.kind][1]}: </span><b>{html(remark.subject)}</b> {html(remark.text)}'
        f"{f'<p class=remedy>{html(remark.remedy)}</p>' if remark.remedy else ''}</div></li>"
        for remark in sorted((item for item in remarks if item.kind in order), key=lambda item: order.index(item.kind))
    ]
    first, rest = items[:_SHOWN_REMARKS], items[_SHOWN_REMARKS:]
    if not first:
        return ""
    more = (
        f"<details><summary>{len(rest)} more</summary><ul class=remarks>{''.join(rest)}</ul></details>" if rest else ""
    )
    return f'<ul class="remarks">{"".join(first)}</ul>{more}'


def charts_html(charts: Sequence[Chart], first: int) -> str:
    """Charts in a row, each with its text.

    Args:
        charts: What to draw.
        first: Number of the first one on its page.
    """
    figures = "".join(_figure(chart, first + number) for number, chart in enumerate(charts))
    return f'<div class="figures">{figures}</div>' if figures else ""


def folded(title: str, body: str) -> str:
    """Something that a reader unfolds."""
    return f"<details><summary>{html(title)}</summary>{body}</details>" if body else ""


def _figure(chart: Chart, number: int) -> str:
    subject = "".join(
        f' data-{key}="{html(value)}"' for key, value in (("model", chart.model), ("device", chart.device)) if value
    )
    # Two drawings, because scaling one down to a telephone would make its text unreadable.
    drawings = "".join(
        f'<div class="{name}">{inline_svg(chart, width, 2 * number + index)}</div>'
        for index, (name, width) in enumerate((("wide", FULL if chart.full else WIDE), ("narrow", NARROW)))
    )
    caption = f"<span>{html(chart.caption)}</span>" if chart.caption else ""
    full = ' class="full"' if chart.full else ""
    return (
        f'<figure{subject}{full}><figcaption id="f{number}"><b>{html(chart.title)}</b>{caption}</figcaption>'
        f'<div class="chart" role="img" aria-labelledby="f{number}" aria-describedby="t{number}">{drawings}</div>'
        f'<p class="vh" id="t{number}">{html(chart.text)}</p></figure>'
    )


def _section(section: Section) -> str:
    key = html(section.key)
    lead = f'<p class="lead">{html(section.lead)}</p>' if section.lead else ""
    heading = f'<h2 id="h-{key}">{html(section.title)}</h2>'
    return f'<section id="{key}" aria-labelledby="h-{key}">{heading}{lead}{section.body}</section>'


def _filters(page: Page) -> str:
    chosen = [(key, names) for key, names in (("model", page.models), ("device", page.devices)) if len(set(names)) > 1]
    if not chosen:
        return ""
    parts = "".join(
        f'<label>{key} <select data-filter="{key}"><option value="">all {len(names)}</option>'
        + "".join(f"<option>{html(name)}</option>" for name in names)
        + "</select></label>"
        for key, names in chosen
    )
    said = '<output aria-live="polite"></output>'
    return f'<form class="filters" role="search" aria-label="Filter" hidden>{parts}{said}</form>'


def _download(page: Page) -> str:
    return '<p><button type="button" id="save" hidden>Save the rows as JSON</button></p>' if page.records else ""


def _policy(script: str) -> str:
    """Nothing is loaded, and no script runs except the page's own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _names(tables: Iterable[ReportTable], key: str) -> list[str]:
    names = (row.get(key) for table in tables for row in table.rows)
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


@cache
def _asset(name: str) -> str:
    return files("edgebench.reports.html").joinpath(name).read_text(encoding="utf-8")
