"""New files of search spaces from others, with comments kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from edgebench.store.files import write_atomically
from edgebench.store.spaces import find_space
from edgebench.store.toml_files import new_toml, read_toml

_COMMENTS = {
    "input": "Rows, columns and channels of an image.",
    "sizes": "Rows and columns of an image: one for each resolution that may be chosen.",
    "input_channels": "Channels of an image.",
    "classes": "Outputs.",
    "widths": "Factors of all channels.",
    "channels": "Of each stage.",
    "strides": "Of each stage: 2 halves rows and columns.",
    "depths": "Blocks of a stage.",
    "kernels": "Rows and columns of a window.",
    "expansions": "How much wider a block is inside.",
    "filters": "Channels of the convolutions.",
    "features": "Channels before the classifier.",
}
"""What options are, for those that have no comment in the file."""


def write_space_copy(
    name: str, source: str, folder: Path, *, shape: tuple[int, int, int] | None = None, classes: int | None = None
) -> Path:
    """Write a new space file with the content of another.

    Args:
        name: Of the new space.
        source: Name or path of the space to start from.
        folder: Where to write it.
        shape: Rows, columns and channels that its networks take, or None for those of the source.
        classes: That they tell apart, or None for those of the source.

    Raises:
        InputError: The name is not valid, is taken, or the source does not exist.
        StorageError: The file cannot be written.
    """
    path = new_toml(name, folder, "space")
    original = find_space(source)
    text = read_toml(Path(original.origin), "space")[0]
    changes: dict[str, str] = {}
    if shape is not None:
        height, width, channels = shape
        if "input" in original.options:
            changes["input"] = f"[{height}, {width}, {channels}]"
        if "sizes" in original.options:
            changes["sizes"] = f"[{min(height, width)}]"
        if "input_channels" in original.options:
            changes["input_channels"] = str(channels)
    if classes is not None and "classes" in original.options:
        changes["classes"] = str(classes)
    header = (
        f"# Search space {name!r}, started as a copy of {original.name!r}; search_spaces/README.md describes it.\n"
        "# A list is what can be chosen; what is not a list is the same for every network.\n\n"
    )
    if shape is not None:
        # The description of the original names its own data.
        about = f"as {original.name}, for {'x'.join(map(str, shape))}"
        line = f"description = {json.dumps(about)}"
        text = re.sub(r'^description\s*=\s*"[^"\n]*"$', lambda _: line, text, flags=re.MULTILINE)
    write_atomically(path, (header + _changed(text, changes)).encode())
    return path


def _changed(text: str, changes: Mapping[str, str]) -> str:
    """The text with other values, and a comment before each option that has none."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = line.strip() == "[options]"
        found = re.match(r"\s*([\w-]+)\s*=", line)
        if inside and found:
            key = found[1]
            if key in _COMMENTS and not (lines and lines[-1].lstrip().startswith("#")):
                lines.append(f"# {_COMMENTS[key]}")
            lines.append(f"{key} = {changes[key]}" if key in changes else line)
        else:
            lines.append(line)
    return "\n".join(lines).rstrip() + "\n"
