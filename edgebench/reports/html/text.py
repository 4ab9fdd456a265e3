"""Text from models, layers, devices and labels on its way into a page: nothing of it is ever markup."""

from __future__ import annotations

import json
import unicodedata
from html import escape

_JSON = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def visible(text: str) -> str:
    """Text without characters that steer a terminal, a browser or a reader: they become pictures of themselves.

    Control characters, the marks that reverse the direction of writing and lone surrogates; line breaks become spaces.
    """
    return "".join(map(_visible, text))


def html(text: str) -> str:
    """Text for the content of an element or a quoted attribute."""
    return escape(visible(text), quote=True)


def script_json(value: object) -> str:
    """A value as JSON that cannot end the script element that it is in."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "".join(_JSON.get(character, character) for character in text).encode("utf-8", "replace").decode()


def _visible(character: str) -> str:
    if character in "\n\t\r":
        return " "
    if unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    # A soft hyphen and joiners are harmless and part of words and emoji.
    return character if character in "\u00ad\u200c\u200d" else "\ufffd"
