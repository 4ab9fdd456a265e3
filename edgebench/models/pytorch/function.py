"""A PyTorch module that a user's own code makes, written as a ``torch.export`` file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgebench.core.named_function import first_line, imported
from edgebench.errors import EdgebenchError, InputError, UnsupportedModelError
from edgebench.models.input_file import array_names, opened, read_array
from edgebench.models.input_shapes import with_name
from edgebench.models.pytorch.load import quiet, require_torch

_PAIR = 2


def export_function(
    text: str, target: Path, shapes: Mapping[str, tuple[int, ...]], file: str | None = None, *, seed: int = 0
) -> None:
    """Call a function that returns a module, and write it as a ``torch.export`` file in evaluation mode.

    The function takes no arguments, and returns a ``torch.nn.Module``, or the module and example inputs: a tensor, a
    tuple of tensors, or tensors by name. A module, or its class, may be given instead. Inputs without an
    example are float32, and get their shapes from ``shapes`` or the arrays of a file.

    Args:
        text: ``package.module:function``.
        target: The ``.pt2`` file to write.
        shapes: Shapes of inputs, by name; they override those of examples.
        file: An ``.npz`` with example inputs.
        seed: Of the weights of a module that is not trained.

    Raises:
        InputError: It cannot be imported, fails or returns something else, or the shape of an input is missing.
        UnsupportedModelError: ``torch.export`` cannot write the module.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    import torch

    torch.manual_seed(seed)
    module, examples = _made(text)
    module = module.cpu().eval()
    args, kwargs = _arguments(text, module, examples, shapes, file)
    try:
        with quiet(), torch.no_grad():
            torch.export.save(torch.export.export(module, args, kwargs), str(target))
    except MemoryError:
        raise
    except Exception as error:  # whatever the module's own code raises
        raise UnsupportedModelError(
            f"torch.export cannot write the module: {first_line(error)}",
            where=text,
            remedy="check the inputs with module(*inputs); a path that depends on values of tensors needs torch.cond, "
            "or torch.jit.script and its file",
        ) from error


def _made(text: str) -> tuple[Any, Any]:
    """A module and its example inputs, if there are any."""
    import torch

    found = imported(text)
    try:
        result = found if isinstance(found, torch.nn.Module) or not callable(found) else found()
    except EdgebenchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"it fails: {first_line(error)}", where=text, remedy="call the function directly to see where"
        ) from error
    examples = None
    if isinstance(result, tuple) and len(result) == _PAIR:
        result, examples = result
    if not isinstance(result, torch.nn.Module):
        raise InputError(
            f"it returns {type(result).__name__}, not a torch.nn.Module",
            where=text,
            remedy="return the module, or the module and its example inputs",
        )
    return result, examples


def _arguments(
    text: str, module: Any, examples: Any, shapes: Mapping[str, tuple[int, ...]], file: str | None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    import torch

    parameters = inspect.signature(module.forward).parameters.values()
    positional = [item for item in parameters if item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD}]
    names = [item.name for item in positional]
    shapes = with_name(shapes, [item.name for item in positional if item.default is item.empty] or names)
    if examples is None:
        given: dict[str, Any] = {}
        rest: tuple[Any, ...] = ()
    elif isinstance(examples, Mapping):
        given, rest = dict(examples), ()
    else:
        values = (examples,) if isinstance(examples, torch.Tensor) else tuple(examples)
        given, rest = dict(zip(names, values, strict=False)), values[len(names) :]
    given |= _of_file(file, names)
    for name, shape in shapes.items():
        if name in names:
            like = given.get(name)
            given[name] = torch.zeros(shape, dtype=like.dtype if isinstance(like, torch.Tensor) else torch.float32)
    missing = [item.name for item in positional if item.default is item.empty and item.name not in given]
    if missing:
        raise InputError(
            f"the shapes of its inputs {', '.join(missing)} are unknown",
            where=text,
            remedy="return example inputs as well: return module, (x,); or give "
            + " ".join(f"--shape {name}=1,3,224,224" for name in missing),
        )
    count = next((number for number, name in enumerate(names) if name not in given), len(names))
    args = tuple(given.pop(name) for name in names[:count])
    return (*args, *rest), given


def _of_file(file: str | None, names: list[str]) -> dict[str, Any]:
    import torch

    if file is None:
        return {}
    with opened(Path(file)) as archive:
        return {name: torch.from_numpy(read_array(archive, name)) for name in array_names(archive) if name in names}
