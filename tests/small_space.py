"""A search space small enough to look at all of it."""

from pathlib import Path

from edgebench.flows.spaces import open_space
from edgebench.spaces.space import SearchSpace

TWELVE = """schema = "edgebench.space/1"
family = "dscnn"
description = "twelve networks"
[options]
input = [8, 8, 1]
classes = 10
filters = [8, 16]
depths = [1, 2]
kernels = [3, 5]
stem_kernel = [3, 3]
stem_stride = [1, 1]
"""


def write_twelve(folder: Path) -> Path:
    """The space's file in the ``search_spaces`` of a user's folder."""
    path = folder / "search_spaces" / "twelve.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TWELVE)
    return path


def open_twelve(folder: Path) -> SearchSpace:
    """The space, from a file in a folder."""
    return open_space(str(write_twelve(folder)))
