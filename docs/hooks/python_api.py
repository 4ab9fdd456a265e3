"""Documents the functions that ``import edgebench`` gives, once there are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MARKER = "<!-- edgebench.api -->"
MODULE = Path(__file__).parents[2] / "edgebench" / "api.py"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the module's docstrings in place of the marker."""
    if MARKER not in markdown:
        return markdown
    return markdown.replace(MARKER, "::: edgebench.api\n\n::: edgebench.api_gate" if MODULE.is_file() else "")
