"""Things that are chosen by name: built in, or added by an installed distribution.

Third parties add names through entry points, in the groups ``edgebench.targets``, ``edgebench.meters``,
``edgebench.spaces`` and ``edgebench.tasks``. A built-in name cannot be taken over: an entry point of the same
name is ignored, so that installing a package never changes what existing names measure. One name claimed
by two distributions is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError, TargetUnavailableError


def plugin_names(group: str, builtin: Mapping[str, str]) -> list[str]:
    """All names of a group, the built-in ones first, found without importing anything.

    Args:
        group: Entry-point group.
        builtin: Names and ``module:attribute`` of what edgebench includes.
    """
    return [*builtin, *sorted({entry.name for entry in entry_points(group=group)} - set(builtin))]


def load_plugin(group: str, name: str, builtin: Mapping[str, str]) -> object:
    """Import what a name stands for, and nothing else.

    Args:
        group: Entry-point group.
        name: Name to look up; built-in names win.
        builtin: Names and ``module:attribute`` of what edgebench includes.

    Raises:
        InputError: Nothing has that name, or two distributions claim it.
        TargetUnavailableError: It cannot be imported; the message names the distribution and the error.
    """
    if name in builtin:
        return _load(EntryPoint(name=name, value=builtin[name], group=group), "edgebench")
    # An environment may show one distribution twice (an editable install and its source folder).
    found = {entry.value: entry for entry in entry_points(group=group, name=name)}
    if not found:
        known = plugin_names(group, builtin)
        question = did_you_mean(name, known)
        raise InputError(
            f"there is no {_kind(group)} {name!r}",
            remedy=f"{question} " * bool(question) + f"known: {', '.join(known) or 'none'}",
        )
    if len(found) > 1:
        owners = " and ".join(sorted(map(_distribution, found.values())))
        raise InputError(f"{_kind(group)} {name!r} is claimed by {owners}", remedy="uninstall all but one")
    entry = next(iter(found.values()))
    return _load(entry, _distribution(entry))


def _load(entry: EntryPoint, distribution: str) -> object:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        # Foreign code runs here, so anything at all may come out of it.
        reason = str(error).partition("\n")[0]
        raise TargetUnavailableError(
            f"{_kind(entry.group)} {entry.name!r} of {distribution} cannot be loaded: {type(error).__name__}: {reason}",
            where=entry.value,
            remedy=f"reinstall or update {distribution}",
        ) from error


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


def _kind(group: str) -> str:
    return group.rpartition(".")[2].removesuffix("s")
