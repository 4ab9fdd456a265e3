"""Shows files of the repository as pages: a line ``<!-- include: CHANGELOG.md -->`` becomes the file.

They link to each other as files, which works where the repository is browsed; here these links become links to pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MARKER = re.compile(r"^<!-- include: (\S+) -->$", re.MULTILINE)
PAGES = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "devices/README.md": "reference/device-files.md",
    "search_spaces/README.md": "reference/space-files.md",
    "results/README.md": "reference/results.md",
}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put files in place of all markers."""
    up = "../" * page.file.src_uri.count("/")

    def included(found: re.Match[str]) -> str:
        text = (ROOT / found[1]).read_text(encoding="utf-8")
        for file, target in PAGES.items():
            text = text.replace(f"]({file})", f"]({up}{target})")
        return text

    return MARKER.sub(included, markdown)
