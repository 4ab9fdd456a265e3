"""The verb ``spaces``: search spaces by name or path."""

from __future__ import annotations

from edgebench.errors import EdgebenchError
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace
from edgebench.store.spaces import find_space, space_names


def open_space(reference: str) -> SearchSpace:
    """A space by name or path.

    Raises:
        InputError: It does not exist, or its file is not valid.
    """
    return create_space(find_space(reference))


def all_spaces() -> dict[str, SearchSpace | EdgebenchError]:
    """Every space that can be found by name; for an invalid file, the error is returned, not raised."""
    found: dict[str, SearchSpace | EdgebenchError] = {}
    for name in space_names():
        try:
            found[name] = open_space(name)
        except EdgebenchError as error:
            found[name] = error
    return found
