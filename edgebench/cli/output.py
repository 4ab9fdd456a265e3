"""How a report leaves the program: the formats every command shares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgebench.errors import InputError, StorageError

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
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    """The text of a terminal, annotations, and the summary of the step."""


FOR_CHECKS = {Format.JUNIT, Format.SARIF, Format.GITHUB}
"""Formats that say what was checked and nothing else."""
_OF_SUFFIX = {
    ".xml": Format.JUNIT,
    ".sarif": Format.SARIF,
    ".md": Format.MARKDOWN,
    ".html": Format.HTML,
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".txt": Format.TERMINAL,
}
DetailsOption = Annotated[bool, typer.Option("--details", help="Show all details, not only the answer.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")]
ReportsOption = Annotated[
    list[Path],
    typer.Option(
        "--report",
        metavar="FILE",
        help="Also write the result to a file: .md, .html, .json, .csv, .xml (JUnit), .sarif; repeatable.",
    ),
]
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
        InputError: Parquet was requested on a terminal, or a format for checks of a report that has none.
        StorageError: The file cannot be written.
    """
    _refuse_without_checks(report, command, format_)
    if not details and format_ in {Format.TERMINAL, Format.MARKDOWN, Format.GITHUB}:
        report = report.brief()
    if format_ is Format.GITHUB and output is None:
        from edgebench.cli.render.checks import add_to_summary

        _writing(lambda: add_to_summary(report), "the summary of this step")
    if format_ is Format.TERMINAL and output is None:
        from edgebench.cli.render.terminal import output_console, render_terminal

        render_terminal(report, output_console(report))
        return
    content = _content(report, command, format_)
    if output is None and format_ is Format.PARQUET and sys.stdout.isatty():
        raise InputError(
            "Parquet cannot be printed on a terminal", remedy="write it to a file with --output FILE.parquet"
        )
    write_content(content, output)


def report_formats(files: Sequence[Path]) -> dict[Path, Format]:
    """The format of each file that a report is to be written to, by its suffix.

    Raises:
        InputError: A suffix is not known, or its folder does not exist.
    """
    found = {}
    for file in files:
        form = _OF_SUFFIX.get(file.suffix.lower())
        if form is None:
            raise InputError(
                f"no format has the suffix {file.suffix!r}",
                where=f"--report {file}",
                remedy=f"there are {', '.join(_OF_SUFFIX)}",
            )
        if not file.parent.is_dir():
            raise InputError("there is no such folder", where=f"--report {file}", remedy=f"mkdir -p {file.parent}")
        found[file] = form
    return found


def write_reports(report: Report, command: str, files: Mapping[Path, Format]) -> None:
    """Write a report to files, each in its format; what exists is replaced.

    Raises:
        InputError: A format for checks was requested of a report that has none.
        StorageError: A file cannot be written.
    """
    for file, form in files.items():
        print_report(report, command, form, file)


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
    if format_ is Format.PARQUET:
        from edgebench.cli.render.data import render_parquet

        return render_parquet(report)
    return _text(report, command, format_).encode()


def _text(report: Report, command: str, format_: Format) -> str:
    from edgebench.cli.render import checks, data, markdown, terminal

    if format_ is Format.HTML:
        from edgebench.reports.html.page import report_page

        return report_page(report, command)
    written: dict[Format, Callable[[], str]] = {
        Format.CSV: lambda: data.render_csv(report),
        Format.JSON: lambda: data.render_json(report, command),
        Format.JUNIT: lambda: checks.render_junit(report, command),
        Format.SARIF: lambda: checks.render_sarif(report, command),
        Format.GITHUB: lambda: terminal.render_text(report) + "\n" + checks.render_annotations(report),
        Format.MARKDOWN: lambda: markdown.render_markdown(report),
        Format.TERMINAL: lambda: terminal.render_text(report),
    }
    return written[format_]()


def _refuse_without_checks(report: Report, command: str, format_: Format) -> None:
    if format_ in FOR_CHECKS and not report.checks:
        raise InputError(
            f"edgebench {command} judges nothing that {format_} could hold",
            remedy="use edgebench gate, or edgebench profile with a limit such as --max-latency 50ms",
        )


def _writing(write: Callable[[], None], what: str) -> None:
    try:
        write()
    except OSError as error:
        raise StorageError(f"{what} cannot be written: {error.strerror}", where=error.filename or "") from error
