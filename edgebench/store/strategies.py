"""Strategies of compression: those included in edgebench, and the user's own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgebench.core.record import Record
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.store.toml_files import NAME, read_toml

FILE = "strategies.toml"
_SCHEMA = "edgebench.strategies/1"
_PACKAGED = Path(__file__).parent.parent / "compress" / FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy(Record):
    """A pipeline with a name.

    Attributes:
        name: For tables and folders.
        pipeline: Passes, such as ``prune(0.3) + distil + int8``.
        description: What it is in words.
    """

    name: str
    pipeline: str
    description: str = ""


def known_strategies() -> dict[str, Strategy]:
    """All strategies by name; those of ``strategies.toml`` in the working folder override those included.

    Raises:
        InputError: A file is not valid; the key is named.
    """
    found = _read(read_toml(_PACKAGED, "strategies")[1], str(_PACKAGED))
    own = Path(FILE)
    if own.is_file():
        found |= _read(read_toml(own, "strategies")[1], str(own))
    return found


def chosen_strategies(names: list[str], passes: Collection[str] = ()) -> tuple[Strategy, ...]:
    """Strategies by name, or by their pipeline; all that are known if none is given.

    Args:
        names: What the user typed.
        passes: Names of passes, each of which is a pipeline by itself.

    Raises:
        InputError: A name is unknown.
    """
    known = known_strategies()
    if not names:
        return tuple(known.values())
    return tuple({text: _chosen(text, known, passes) for text in names}.values())


def _chosen(text: str, known: dict[str, Strategy], passes: Collection[str]) -> Strategy:
    if text in known:
        return known[text]
    if "+" in text or "(" in text or text in passes:
        name = "".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in text.lower().replace(" ", ""))
        return Strategy(name=name.strip("-.").replace("--", "-")[:64], pipeline=text)
    raise InputError(
        f"there is no strategy {text!r}",
        where="--strategy",
        remedy=did_you_mean(text, known) or f"known are {', '.join(known)}; or write a pipeline: 'prune(0.3) + int8'",
    )


def _read(document: dict[str, Any], where: str) -> dict[str, Strategy]:
    if document.get("schema") != _SCHEMA or set(document) - {"schema", "strategies"}:
        raise InputError("not a file of strategies", where=where, remedy=f'begin it with schema = "{_SCHEMA}"')
    found = {}
    for name, values in document.get("strategies", {}).items():
        if not NAME.fullmatch(name):
            raise InputError(f"{name!r} is not a valid name", where=where, remedy="use lower-case letters and digits")
        if (
            not isinstance(values, dict)
            or set(values) - {"pipeline", "description"}
            or not all(isinstance(value, str) for value in values.values())
            or "pipeline" not in values
        ):
            raise InputError(
                "a strategy has a pipeline and a description, both strings", where=f"{where}, strategies.{name}"
            )
        found[name] = Strategy(name=name, **values)
    return found
