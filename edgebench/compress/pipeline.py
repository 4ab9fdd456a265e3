"""Pipelines of passes as users write them: ``prune(0.3) + distil + int8``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from edgebench.compress.base import Pass
from edgebench.compress.distil import Distil
from edgebench.compress.fuse import Fuse
from edgebench.compress.half import Half
from edgebench.compress.int8 import Int8
from edgebench.compress.low_rank import LowRank
from edgebench.compress.mixed import Mixed
from edgebench.compress.prune import Prune
from edgebench.compress.qat import QuantisationAware
from edgebench.compress.redesign import Redesign
from edgebench.compress.scratch import Scratch
from edgebench.compress.share import Share
from edgebench.compress.sparse import Sparse
from edgebench.compress.steps import pass_text
from edgebench.compress.tune import Tune
from edgebench.compress.weights_int8 import WeightsInt8
from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError

PASSES: Mapping[str, type[Any]] = {
    kind.name: kind
    for kind in (
        Prune, Sparse, LowRank, Scratch, Redesign, Tune, Distil, QuantisationAware, Int8, WeightsInt8, Mixed, Half,
        Share, Fuse,
    )
}  # fmt: skip
"""Every pass, by the name that users write."""
_STEP = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(?:\(([^()]*)\))?\s*")
_KINDS: Mapping[str, type[Any]] = {"float": float, "int": int, "str": str}


def parse_pipeline(text: str) -> tuple[Pass, ...]:
    """The passes of a pipeline, in their order; none for an empty text, which leaves the original as it is.

    Raises:
        InputError: A pass or parameter is unknown, or a value is not valid.
    """
    if not text.strip():
        return ()
    return tuple(_parse_pass(part, text) for part in text.split("+"))


def pipeline_text(passes: Sequence[Pass]) -> str:
    """A pipeline as users write it, in the one canonical form."""
    return " + ".join(map(pass_text, passes))


def _parse_pass(part: str, where: str) -> Pass:
    match = _STEP.fullmatch(part)
    if match is None:
        raise InputError(
            f"{part.strip()!r} is not a pass",
            where=where,
            remedy=f"write passes as prune(0.3) + distil + int8; known are {', '.join(PASSES)}",
        )
    name, arguments = match[1], match[2] or ""
    if name not in PASSES:
        raise InputError(
            f"there is no pass {name!r}",
            where=where,
            remedy=did_you_mean(name, PASSES) or f"known are {', '.join(PASSES)}",
        )
    kind = PASSES[name]
    values: dict[str, Any] = {}
    for position, argument in enumerate(item for item in arguments.split(",") if item.strip()):
        key, value = _argument(kind, argument.strip(), position, where)
        if key in values:
            raise InputError(f"{name} has {key!r} twice", where=where)
        values[key] = value
    missing = [item.name for item in fields(kind) if item.default is MISSING and item.name not in values]
    if missing:
        raise InputError(f"{name} needs its {missing[0]}", where=where, remedy=f"write it as {name}(0.5)")
    made: Pass = kind(**values)
    return made


def _argument(kind: type[Any], text: str, position: int, where: str) -> tuple[str, Any]:
    """Name and value of a parameter; the first may be written without its name."""
    parameters = {item.name: item for item in fields(kind)}
    key, separator, value = (part.strip() for part in text.rpartition("="))
    if not separator and position == 0 and parameters:
        key = next(iter(parameters))
    if key not in parameters:
        known = ", ".join(f"{item.name} ({item.type})" for item in parameters.values())
        raise InputError(
            f"{kind.name} has no parameter {key or text!r}", where=where, remedy=known or f"{kind.name} takes none"
        )
    wanted = _KINDS[str(parameters[key].type)]
    try:
        return key, wanted(value)
    except ValueError:
        raise InputError(f"{kind.name}({key}={value}) is not a number", where=where) from None
