"""Passwords out of what is printed and kept."""

from __future__ import annotations

import re

_USER = re.compile(r"(\b[a-zA-Z][\w+.-]*://)[^/\s@]*@")
_VALUE = re.compile(r"([?&;\s](?:password|passwd|pwd|token|secret|sslpassword|api[_-]?key)=)[^&\s;'\"]*", re.IGNORECASE)


def redacted(text: str) -> str:
    """A text without the users and passwords of URLs, and without values that are named like secrets."""
    return _VALUE.sub(r"\1...", _USER.sub(r"\1...@", text))
