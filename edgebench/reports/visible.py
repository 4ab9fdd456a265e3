"""Text from models, layers, devices and labels on its way to a reader."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """Text without characters that steer a terminal, a browser or a reader: they become pictures of themselves.

    Control characters, the marks that reverse the direction of writing and lone surrogates; line breaks become spaces.
    """
    return "".join(map(_visible, text))


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
