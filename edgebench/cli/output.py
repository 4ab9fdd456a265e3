"""How a report leaves the program: the formats every command shares."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.errors import InputError

if TYPE_CHECKING:
    from edgebench.reports.report import Report


class Format(StrEnum):
    """Ways to render a report."""

    TERMINAL = "rich"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Short for --format json.")]


def print_report(report: Report, format_: Format, output: Path | None = None) -> None:
    """Write a report to standard output or to a file.

    Raises:
        InputError: Parquet was asked for on a terminal.
        StorageError: The file cannot be written.
    """
    if format_ is Format.TERMINAL and output is None:
        from edgebench.cli.render.terminal import output_console, render_terminal

        render_terminal(report, output_console())
        return
    content = _content(report, format_)
    if output is not None:
        from edgebench.store.files import write_atomically

        write_atomically(output, content)
        return
    if format_ is Format.PARQUET and sys.stdout.isatty():
        raise InputError("Parquet is not text", remedy="give a file with --output FILE.parquet")
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _content(report: Report, format_: Format) -> bytes:
    from edgebench.cli.render import data, markdown

    if format_ is Format.PARQUET:
        return data.render_parquet(report)
    if format_ is Format.CSV:
        return data.render_csv(report).encode()
    if format_ is Format.JSON:
        return data.render_json(report).encode()
    if format_ is Format.MARKDOWN:
        return markdown.render_markdown(report).encode()
    from io import StringIO

    from rich.console import Console

    from edgebench.cli.render.terminal import render_terminal

    text = StringIO()
    render_terminal(report, Console(file=text, width=160, highlight=False))
    return text.getvalue().encode()
