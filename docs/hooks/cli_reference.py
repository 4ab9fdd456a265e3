"""Writes the reference of the command line from the program itself, so that it cannot go stale.

The page ``reference/cli.md`` holds a marker; this hook of MkDocs puts all commands in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MARKER = "<!-- all commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put all commands in place of the marker."""
    return markdown.replace(MARKER, all_commands()) if MARKER in markdown else markdown


def all_commands() -> str:
    """Every command as Markdown, in the order of ``edgebench --help``."""
    from typer.main import get_command

    from edgebench.cli.main import app

    return "\n".join(line for name, command in walk("edgebench", get_command(app)) for line in _section(name, command))


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command and all beneath it, with their full names; hidden ones are left out."""
    yield name, command
    for child, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from walk(f"{name} {child}", below)


def _section(name: str, command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name)
    level = min(2 + name.count(" "), 4)
    yield f"{'#' * level} {name}\n"
    yield " ".join(paragraph.strip() for paragraph in (command.help or "").splitlines()) + "\n"
    yield "```text"
    yield f"{name} {' '.join(command.collect_usage_pieces(context))}"
    yield "```\n"
    for title, kind in (("Argument", "argument"), ("Option", "option")):
        shown = [item for item in command.get_params(context) if item.param_type_name == kind]
        records = [record for item in shown if (record := item.get_help_record(context))]
        if records:
            yield f"| {title} | |\n|---|---|"
            for spelling, text in records:
                yield f"| `{_cell(spelling)}` | {_cell(text)} |"
            yield ""
    children = [child for child in getattr(command, "commands", {}).values() if not child.hidden]
    if children:
        yield "| Command | |\n|---|---|"
        for child in children:
            anchor = f"{name} {child.name}".replace(" ", "-")
            yield f"| [`{child.name}`](#{anchor}) | {_cell(child.get_short_help_str(200))} |"
        yield ""


def _cell(text: str) -> str:
    """Text of a table's cell. Brackets of defaults are no links."""
    return " ".join(text.split()).replace("|", "&#124;" if "`" not in text else "\\|")
