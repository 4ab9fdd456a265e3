"""JSON Schemas of the files that edgebench reads and writes, generated from what reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from edgebench.core.baseline import Baseline
from edgebench.core.board_link import LINKS
from edgebench.core.device import DeviceKind
from edgebench.core.run import Run
from edgebench.core.table import LookupTable
from edgebench.store import baselines, devices, runs, spaces, tables
from edgebench.store.devices import LINK_KEYS, DeviceFile
from edgebench.store.spaces import SpaceFile

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def device_schema(options: Mapping[str, type]) -> dict[str, Any]:
    """Schema of a device file; editors that support JSON Schema use it to complete TOML.

    Args:
        options: By target, the dataclass that its options are read into.
    """
    schema = _file_schema(DeviceFile, devices.SCHEMA, "A device of edgebench")
    schema["properties"]["kind"] = {"enum": list(DeviceKind), **schema["properties"]["kind"]}
    entries = schema["properties"].pop("[[calibration]]")
    schema["properties"]["calibration"] = {"anyOf": [schema["properties"]["calibration"], entries]}
    del schema["properties"][LINK_KEYS]
    schema["properties"]["link"] = {"enum": ["", *LINKS]}
    for kind in LINKS.values():
        schema["properties"].update(TypeAdapter(kind).json_schema()["properties"])
    schema["properties"]["target"]["examples"] = list(options)
    definitions = schema.setdefault("$defs", {})
    conditions = []
    for target, kind in options.items():
        described = TypeAdapter(kind).json_schema(ref_template="#/$defs/{model}")
        definitions.update(described.pop("$defs", {}))
        definitions[f"options of {target}"] = {**described, "additionalProperties": False}
        conditions.append(
            {
                "if": {"properties": {"target": {"const": target}}},
                "then": {"properties": {"options": {"$ref": f"#/$defs/options of {target}"}}},
            }
        )
    return {**schema, "allOf": conditions}


def space_schema() -> dict[str, Any]:
    """Schema of a search space file."""
    return _file_schema(SpaceFile, spaces.SCHEMA, "A search space of edgebench")


def run_schema() -> dict[str, Any]:
    """Schema of a stored run."""
    return _checked(_record_schema(Run, f"edgebench.{runs.KIND}/{runs.VERSION}", "A run of edgebench"))


def table_schema() -> dict[str, Any]:
    """Schema of a stored lookup table."""
    name = f"edgebench.{tables.KIND}/{tables.VERSION}"
    return _checked(_record_schema(LookupTable, name, "A lookup table of edgebench"))


def baseline_schema() -> dict[str, Any]:
    """Schema of a stored baseline."""
    schema = _record_schema(Baseline, f"edgebench.{baselines.KIND}/{baselines.VERSION}", "A baseline of edgebench")
    schema["properties"]["digest"] = {"type": "string", "description": "SHA-256 over the entries"}
    schema["required"].append("digest")
    return schema


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    """With the checksum, which files of older versions do not have."""
    schema["properties"]["checksum"] = {"type": "string", "description": "SHA-256 over the other keys"}
    return schema


def _file_schema(model: type[BaseModel], name: str, title: str) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    schema["properties"]["schema"] = {"const": name}
    return {"$schema": _DRAFT, **schema, "title": title}


def _record_schema(kind: type[Any], name: str, title: str) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    schema["properties"] = {"schema": {"const": name}, **schema["properties"]}
    schema["required"] = ["schema", *schema.get("required", [])]
    return {"$schema": _DRAFT, **schema, "title": title}
