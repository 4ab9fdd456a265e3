"""A search space small enough to look at all of it."""

from pathlib import Path

from edgebench.core.metric import Provenance
from edgebench.core.table import LookupTable, TableFigure
from edgebench.flows.lut.request import table_key
from edgebench.flows.spaces import open_space
from edgebench.models.network import NetworkBuilder
from edgebench.spaces.space import SearchSpace
from edgebench.store.devices import find_device
from edgebench.targets.registry import create_target

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


def write_twelve(folder: Path, *, classes: int = 10) -> Path:
    """The space's file in the ``search_spaces`` of a user's folder."""
    path = folder / "search_spaces" / "twelve.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TWELVE.replace("classes = 10", f"classes = {classes}"))
    return path


def open_twelve(folder: Path, *, classes: int = 10) -> SearchSpace:
    """The space, from a file in a folder."""
    return open_space(str(write_twelve(folder, classes=classes)))


def fake_table(space: SearchSpace) -> LookupTable:
    """What the fake device costs: a file's bytes at 100 MB a second."""
    entries = {}
    for block in space.all_blocks:
        builder = NetworkBuilder("block", block.input_shape)
        block.append(builder)
        entries[block.key] = {"latency_s": 4 * builder.build().parameters / 1e8}
    fake = find_device("fake")
    key = table_key(fake, create_target(fake).check(), "float32", measured=True)
    figure = TableFigure(provenance=Provenance.SIMULATED, method="weights / bytes per second", base=2e-5)
    return LookupTable(
        space=space.name,
        key=key,
        figures={"latency_s": figure},
        entries=entries,
        space_digest=space.digest,
        complete=True,
    )
