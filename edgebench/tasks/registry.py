"""Tasks by name, file, folder or function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgebench.core.named_function import FUNCTION, first_line, imported
from edgebench.core.plugins import load_plugin, plugin_names
from edgebench.errors import EdgebenchError, InputError
from edgebench.tasks.image_folder import load_folder
from edgebench.tasks.npz_file import load_npz
from edgebench.tasks.splitting import task_from_arrays
from edgebench.tasks.task import Task

GROUP = "edgebench.tasks"
BUILTIN: Mapping[str, str] = {
    "digits": "edgebench.tasks.builtin:digits",
    "mnist5k": "edgebench.tasks.builtin:mnist5k",
}
_PAIR = 2


def task_names() -> list[str]:
    """Names of tasks: the built-in ones first, then those of installed plug-ins."""
    return plugin_names(GROUP, BUILTIN)


def load_task(text: str, *, seed: int = 0) -> Task:
    """The task that a string stands for.

    Args:
        text: A built-in name, an ``.npz`` file, a folder of images, ``module:function`` of an installed package,
            or the name of an entry point. A function takes no arguments and returns a task, or images and labels
            to be split.
        seed: At least 0; decides how samples are split if their source does not.

    Returns:
        The task, the same for the same string, seed and data.

    Raises:
        InputError: There is no such task, or its data is not valid.
        MissingPackageError: A package is missing, or a plug-in cannot be imported.
    """
    if seed < 0:
        raise InputError(f"the seed must be at least 0, not {seed}", where="--seed")
    if text in BUILTIN:
        return _made(text, load_plugin(GROUP, text, BUILTIN), seed)
    if not text.strip():
        raise InputError("no task is given", where="--task", remedy=f"known: {', '.join(task_names())}")
    path = Path(text)
    if path.suffix.lower() == ".npz":
        return load_npz(path, seed=seed)
    if path.is_dir():
        return load_folder(path, seed=seed)
    if FUNCTION.fullmatch(text):
        return _made(text, imported(text), seed)
    if "/" in text or path.exists():
        raise InputError(
            "there is no such folder" if not path.exists() else "a task cannot be read from this kind of file",
            where=text,
            remedy="give an .npz file, a folder with one subfolder of images for each class, or a name: "
            + ", ".join(task_names()),
        )
    return _made(text, load_plugin(GROUP, text, BUILTIN), seed)


def _made(text: str, source: object, seed: int) -> Task:
    """The task of a function's result, or of the result itself."""
    try:
        result = source() if callable(source) else source
    except EdgebenchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"it fails: {first_line(error)}", where=text, remedy="call the function directly to see where"
        ) from error
    if isinstance(result, Task):
        return result
    if isinstance(result, tuple) and len(result) == _PAIR and all(isinstance(part, np.ndarray) for part in result):
        images, labels = result
        return task_from_arrays(text, images, labels, seed=seed)
    raise InputError(
        f"it returns {type(result).__name__}, not a task",
        where=text,
        remedy="return an edgebench.tasks.task.Task, or the arrays (images, labels)",
    )
