"""The verb ``schema``: what the files of edgebench look like, for editors and programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from edgebench.errors import UnavailableError
from edgebench.store import schemas
from edgebench.targets.registry import target_names, target_type


class SchemaOf(StrEnum):
    """What has a schema."""

    DEVICE = "device"
    SPACE = "space"
    RUN = "run"
    TABLE = "table"
    BASELINE = "baseline"


def schema_of(what: SchemaOf) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12)."""
    return _SCHEMAS[what]()


def _device() -> dict[str, Any]:
    found = {}
    for name in target_names():
        try:
            found[name] = target_type(name).options_type
        except UnavailableError:
            continue  # A plug-in that cannot be imported: its options are unknown.
    return schemas.device_schema(found)


_SCHEMAS: Mapping[SchemaOf, Callable[[], dict[str, Any]]] = {
    SchemaOf.DEVICE: _device,
    SchemaOf.SPACE: schemas.space_schema,
    SchemaOf.RUN: schemas.run_schema,
    SchemaOf.TABLE: schemas.table_schema,
    SchemaOf.BASELINE: schemas.baseline_schema,
}
