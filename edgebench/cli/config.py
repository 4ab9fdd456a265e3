"""Defaults of a user's own, for all projects: ``~/.config/edgebench/config.toml``.

A table for each command, with the long names of its options as keys::

    [profile]
    device = ["host", "nucleo-l4r5zi"]
    time-limit = "20s"

Only the user's own file counts: a file in the current folder may have been written by somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebench.core.suggestions import did_you_mean
from edgebench.errors import InputError
from edgebench.machine.folders import config_folder
from edgebench.store.toml_files import place_in, read_toml


def config_path() -> Path:
    """Where the file is, if there is one."""
    return config_folder("config.toml")


def defaults(command: Any) -> dict[str, Any]:
    """The defaults of a configuration file, as Click takes them.

    Args:
        command: The command line as Click has it.

    Raises:
        InputError: The file is not valid, or names a command or an option that does not exist.
    """
    path = config_path()
    if not path.is_file():
        return {}
    text, content = read_toml(path, "configuration")
    return _of_group(command, content, path, text, [])


def _of_group(group: Any, content: Mapping[str, Any], path: Path, text: str, above: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, table in content.items():
        keys = [*above, name]
        command = group.commands.get(name)
        if command is None or not isinstance(table, Mapping):
            raise InputError(
                f"there is no command {name!r}" if command is None else f"{name} needs a table of options",
                where=place_in(path, text, keys),
                remedy=did_you_mean(name, group.commands) or f"such as [{next(iter(group.commands))}]",
            )
        if hasattr(command, "commands"):
            found[name] = _of_group(command, table, path, text, keys)
            continue
        options = {
            option.lstrip("-"): parameter.name
            for parameter in command.params
            for option in getattr(parameter, "opts", ())
            if option.startswith("--")
        }
        unknown = next((key for key in table if key.replace("_", "-") not in options), None)
        if unknown is not None:
            raise InputError(
                f"edgebench {' '.join(keys)} has no option {unknown!r}",
                where=place_in(path, text, [*keys, unknown]),
                remedy=did_you_mean(unknown, options) or f"its options are {', '.join(options)}",
            )
        found[name] = {options[key.replace("_", "-")]: value for key, value in table.items()}
    return found
