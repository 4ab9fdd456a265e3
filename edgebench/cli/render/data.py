"""A report for machines: CSV, JSON and Parquet, in SI units."""

from __future__ import annotations

import csv
import io
import json

from edgebench.errors import MissingPackageError
from edgebench.reports.report import REPORT_SCHEMA, Report
from edgebench.reports.visible import visible

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
"""What formulas begin with, in wide forms as well."""


def render_csv(report: Report) -> str:
    """One row per profile, with the columns of all profiles."""
    buffer = io.StringIO()
    columns = _columns(report)
    writer = csv.DictWriter(buffer, fieldnames=columns, lineterminator="\n")
    # Figures that only a target knows head columns under the names that it gives them.
    writer.writerow({key: _spelled(key) for key in columns})
    writer.writerows({key: _spelled(value) for key, value in record.items()} for record in report.records)
    return buffer.getvalue()


def render_json(report: Report, command: str) -> str:
    """Rows and remarks; ``edgebench schema report`` describes them.

    Args:
        report: What to write.
        command: The command that was run, such as ``profile`` or ``lut show``.
    """
    remarks = [
        {
            "kind": remark.kind,
            "code": remark.code,
            "subject": remark.subject,
            "text": remark.text,
            "remedy": remark.remedy,
        }
        for remark in report.remarks
    ]
    document = {"schema": REPORT_SCHEMA, "command": command, "rows": list(report.records), "remarks": remarks}
    # A log of CI may take "##[" for a command, even in a document.
    return json.dumps(document, indent=1).replace("##", "#\\u0023").replace("\x7f", "\\u007f") + "\n"


def render_parquet(report: Report) -> bytes:
    """One row per profile.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    import pandas as pd

    buffer = io.BytesIO()
    frame = pd.DataFrame.from_records(list(report.records), columns=_columns(report))
    try:
        frame.to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError as error:
        raise MissingPackageError("Parquet needs pyarrow", remedy="pip install 'edgebench[parquet]'") from error
    return buffer.getvalue()


def _columns(report: Report) -> list[str]:
    return list(dict.fromkeys(key for record in report.records for key in record))


def _spelled(value: object) -> object:
    """Spreadsheets evaluate text that begins like a formula."""
    if not isinstance(value, str):
        return value
    # A stray line break would begin a new row.
    text = visible(value)
    return "'" + text if text.lstrip()[:1] in _FORMULA else text
