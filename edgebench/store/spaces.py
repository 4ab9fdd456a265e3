"""Files of search spaces: TOML to ``SpaceDescription``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.store.codec import first_problem
from edgebench.store.toml_files import find_toml, names_as_counted, place_in, read_toml, toml_files
from edgebench.store.trust import require_trust

SCHEMA = "edgebench.space/1"


class SpaceFile(BaseModel):
    """The keys of a search space file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str = Field(alias="schema")
    family: str
    description: str
    options: dict[str, Any] = {}


def space_names() -> list[str]:
    """Names of all spaces that can be found."""
    return names_as_counted(toml_files("search_spaces"))


def find_space(reference: str) -> SpaceDescription:
    """A space's description by name, or by the path of its file.

    Raises:
        InputError: No space has that name, its file is not valid (file, key and line are named), or it names a
            function that the user has not allowed to be run.
    """
    path = find_toml(reference, "search_spaces", "search space", "edgebench spaces list")
    description = read_space(path)
    require_trust(path, "space")
    return description


def read_space(path: Path) -> SpaceDescription:
    """Read one file.

    Raises:
        InputError: It is missing or not valid; file, key and line are named.
    """
    text, content = read_toml(path, "space")
    try:
        table = SpaceFile.model_validate(content)
    except ValidationError as error:
        keys = [str(part) for part in error.errors()[0]["loc"]]
        raise InputError(
            first_problem(error),
            where=place_in(path, text, keys),
            remedy="search_spaces/README.md describes the format",
        ) from None
    if table.format != SCHEMA:
        raise InputError(
            f"schema {table.format!r} is not {SCHEMA!r}",
            where=place_in(path, text, ["schema"]),
            remedy="update edgebench, or the file",
        )
    return SpaceDescription(
        name=path.stem,
        family=table.family,
        description=table.description,
        options=table.options,
        origin=str(path),
    )
