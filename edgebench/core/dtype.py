"""The data types that networks are deployed in."""

from __future__ import annotations

from enum import StrEnum


class DataType(StrEnum):
    """What a network computes with."""

    FLOAT32 = "float32"
    INT8 = "int8"
