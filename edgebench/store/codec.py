"""Records of ``edgebench.core`` to JSON and back, checked on the way in."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from edgebench.errors import StorageError

T = TypeVar("T")


class ShapeError(ValueError):
    """A value does not have the shape of the record; the caller says what to do about it."""


_adapters: dict[type[Any], TypeAdapter[Any]] = {}
"""Cached adapters: building one takes milliseconds, and hundreds of answers are read."""


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_plain(record: object) -> Any:
    """A record as dictionaries, lists, strings and numbers."""
    return _adapter(type(record)).dump_python(record, mode="json")


def from_plain(kind: type[T], plain: Any, *, where: str) -> T:
    """A record from the content of a file.

    Raises:
        StorageError: A key is unknown or missing, or a value is not of its type; ``where`` and the key are
            named.
    """
    try:
        return decoded(kind, plain)
    except ShapeError as error:
        raise StorageError(str(error), where=where, remedy="restore the file or write it again") from None


def decoded(kind: type[T], plain: Any, *, strict: bool = False) -> T:
    """A record from dictionaries, lists, strings and numbers from any source.

    Args:
        kind: Type of the record.
        plain: Its content.
        strict: Whether true, and a number written as text, are refused where a number belongs.

    Raises:
        ShapeError: A key is unknown or missing, or a value is not of its type; the key is named.
    """
    try:
        # JSON has no tuples or enumerations: validate as JSON so that lists and strings are accepted for them.
        record: T = _adapter(kind).validate_json(json.dumps(plain), strict=strict or None)
    except ValidationError as error:
        raise ShapeError(first_problem(error)) from None
    except RecursionError:
        raise ShapeError("the document is nested too deep") from None
    return record


def first_problem(error: ValidationError) -> str:
    """The first problem of a failed validation, with the path of its key."""
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"]) or "the document"
    if problem["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"unknown key {path!r}"
    if problem["type"] in {"missing", "missing_keyword_only_argument", "missing_argument"}:
        return f"key {path!r} is missing"
    return f"{path}: {problem['msg']}"
