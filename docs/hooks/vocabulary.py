"""Lists figures and codes of remarks from the code that defines them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put tables in place of the markers."""
    for marker, table in (("<!-- all figures -->", all_figures), ("<!-- all codes -->", all_codes)):
        if marker in markdown:
            markdown = markdown.replace(marker, "\n".join(table()))
    return markdown


def all_figures() -> Iterator[str]:
    """One row a figure."""
    from edgebench.core.figure import FIGURES

    yield "| figure | title | unit | better | over blocks |"
    yield "|---|---|---|---|---|"
    for figure in FIGURES.values():
        better, combines = figure.better or "", figure.combines or ""
        yield f"| `{figure.name}` | {figure.title} | {figure.unit} | {better} | {combines} |"


def all_codes() -> Iterator[str]:
    """One row a code."""
    from edgebench.reports.codes import Code

    yield "Codes: " + ", ".join(f"`{code}`" for code in Code) + "."
