"""``edgebench schema``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgebench.cli.options import OutputOption


def schema(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="device, space, run, table, baseline, or report (of --json).")
    ],
    output: OutputOption = None,
) -> None:
    """Print the JSON Schema of a file.

    Editors complete files with it, and programs check them.

    In a device file, `#:schema ./device.schema.json` as the first line makes editors that use Taplo apply it.
    """
    import json

    from edgebench.errors import InputError
    from edgebench.flows.schema import SchemaOf, schema_of
    from edgebench.reports.schema import report_schema
    from edgebench.store.files import write_atomically

    known = (*SchemaOf, "report")
    if what not in known:
        raise InputError(f"there is no schema of {what!r}", remedy=f"one of {', '.join(known)}")
    found = report_schema() if what == "report" else schema_of(SchemaOf(what))
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(output, text.encode())
