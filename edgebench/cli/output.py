"""How a report leaves the program: the formats every command shares."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
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
    HTML = "html"


DetailsOption = Annotated[bool, typer.Option("--details", help="Show all details, not only the answer.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Short for --format json.")]


def print_report(
    report: Report, command: str, format_: Format, output: Path | None = None, *, details: bool = False
) -> None:
    """Write a report to standard output or to a file.

    Args:
        report: What to write. The formats for programs contain all of it.
        command: The command that was run, without the program's name, such as ``lut show``.
        format_: The format.
        output: A file, or None for standard output.
        details: Whether the formats for people show all of it too.

    Raises:
        InputError: Parquet was requested on a terminal.
        StorageError: The file cannot be written.
    """
    if not details and format_ in {Format.TERMINAL, Format.MARKDOWN}:
        report = report.brief()
    if format_ is Format.TERMINAL and output is None:
        from edgebench.cli.render.terminal import output_console, render_terminal

        render_terminal(report, output_console())
        return
    content = _content(report, command, format_)
    if output is None and format_ is Format.PARQUET and sys.stdout.isatty():
        raise InputError(
            "Parquet cannot be printed on a terminal", remedy="write it to a file with --output FILE.parquet"
        )
    write_content(content, output)


def write_content(content: bytes, output: Path | None) -> None:
    """Write bytes to a file, or to standard output if there is none.

    Raises:
        StorageError: The file cannot be written.
    """
    if output is not None:
        from edgebench.store.files import write_atomically

        write_atomically(output, content)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def print_rows(rows: Sequence[Mapping[str, object]], command: str) -> None:
    """Write plain rows as JSON, in the same envelope as reports.

    Args:
        rows: Plain values.
        command: The command that was run.
    """
    from edgebench.reports.report import Report

    print_report(Report(tables=(), records=tuple(rows)), command, Format.JSON)


def _content(report: Report, command: str, format_: Format) -> bytes:
    from edgebench.cli.render import data, markdown

    if format_ is Format.PARQUET:
        return data.render_parquet(report)
    if format_ is Format.CSV:
        return data.render_csv(report).encode()
    if format_ is Format.JSON:
        return data.render_json(report, command).encode()
    if format_ is Format.HTML:
        from edgebench.reports.html.page import report_page

        return report_page(report, command).encode()
    if format_ is Format.MARKDOWN:
        return markdown.render_markdown(report).encode()
    from edgebench.cli.render.terminal import render_text

    return render_text(report).encode()
