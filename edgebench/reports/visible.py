"""Text from models, layers, devices and labels on its way to a reader."""

from __future__ import annotations

import re
import unicodedata

_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))")
"""What logs of GitHub, Azure and TeamCity take for commands: at the beginning of a line, or anywhere."""


def visible(text: str) -> str:
    """Text without characters that steer a terminal, a browser or a reader: they become pictures of themselves.

    Control characters, the marks that reverse the direction of writing and lone surrogates; line breaks become spaces.
    What a log of CI would take for a command gets a space in its midst.
    """
    return _COMMAND.sub(lambda match: f"{match[0]} ", "".join(map(_visible, text)))


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
