"""Families of search spaces by name: ours, and those of installed plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from edgebench.core.plugins import load_plugin
from edgebench.core.space import SpaceDescription
from edgebench.errors import InputError
from edgebench.spaces.space import SearchSpace

GROUP = "edgebench.spaces"
BUILTIN: Mapping[str, str] = {
    "cell": "edgebench.spaces.cell_space:create",
    "dscnn": "edgebench.spaces.dscnn:create",
    "function": "edgebench.spaces.function_space:create",
    "mobile": "edgebench.spaces.mobile:create",
    "nas-bench-macro": "edgebench.spaces.nas_bench_macro:create",
    "resnet": "edgebench.spaces.resnet:create",
}
Family = Callable[[SpaceDescription], SearchSpace]


def create_space(description: SpaceDescription) -> SearchSpace:
    """The space that a description stands for.

    Raises:
        InputError: The family does not exist, or an option is wrong.
        TargetUnavailableError: The plug-in with the family cannot be imported.
    """
    family = cast("Family", load_plugin(GROUP, description.family, BUILTIN))
    try:
        return family(description)
    except InputError as error:
        if error.where is not None:
            raise
        raise InputError(error.what, where=description.origin, remedy=error.remedy) from None
