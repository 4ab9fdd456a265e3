"""Text from models, layers, devices and labels on its way into a page: nothing of it is ever markup."""

from __future__ import annotations

import json
from html import escape

from edgebench.reports.visible import visible

_JSON = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\x7f": "\\u007f"}


def html(text: str) -> str:
    """Text for the content of an element or a quoted attribute."""
    return escape(visible(text), quote=True)


def script_json(value: object) -> str:
    """A value as JSON that cannot end the script element that it is in."""
    # What is not ASCII is written as its code: what steers a reader is not in the page, and the value is as it was.
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character, code in _JSON.items():
        text = text.replace(character, code)
    return text
