"""The JSON Schema of what ``--json`` prints."""

from __future__ import annotations

from typing import Any

from edgebench.reports.codes import Code, Kind
from edgebench.reports.report import REPORT_SCHEMA


def report_schema() -> dict[str, Any]:
    """Rows are flat: figures in SI units under their names, with ``NAME.low``, ``NAME.high``, ``NAME.provenance``."""
    remark = {
        "type": "object",
        "properties": {
            "kind": {"enum": list(Kind)},
            "code": {"enum": list(Code)},
            "subject": {"type": "string"},
            "text": {"type": "string"},
            "remedy": {"type": ["string", "null"]},
        },
        "required": ["kind", "code", "subject", "text", "remedy"],
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What edgebench prints with --json",
        "type": "object",
        "properties": {
            "schema": {"const": REPORT_SCHEMA},
            "command": {"type": "string"},
            "rows": {"type": "array", "items": {"type": "object"}},
            "remarks": {"type": "array", "items": remark},
        },
        "required": ["schema", "command", "rows", "remarks"],
        "additionalProperties": False,
    }
