"""What a PyTorch module does with its inputs: its operators, as they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgebench.core.named_function import first_line
from edgebench.errors import UnsupportedModelError
from edgebench.models.network.layers import Shape
from edgebench.models.onnx.writer import channels_first


@dataclass(frozen=True, slots=True)
class Call:
    """One operator as it ran.

    Attributes:
        kind: Its name in ATen.
        sources: Numbers of the values that it reads.
        arguments: By the operator's own names; tensors are replaced by their shapes.
        output: Number of its value.
        shape: Of its value, as PyTorch has it.
        path: Of the module that ran it.
        part: The child of the whole module.
    """

    kind: str
    sources: tuple[int, ...]
    arguments: Mapping[str, Any]
    output: int
    shape: tuple[int, ...]
    path: str
    part: str


def recorded(module: Any, inputs: Mapping[str, Shape]) -> tuple[list[Call], int]:
    """Run a module once in evaluation mode, with a batch of 1, on tensors that have shapes but no values.

    Args:
        module: A ``torch.nn.Module``.
        inputs: Shapes without the batch, channels last.

    Returns:
        The operators that read a value of the network, in the order in which they ran, and the number of the output.
        Inputs are the first numbers.

    Raises:
        UnsupportedModelError: The module fails, or depends on values.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    examples = [torch.empty(channels_first(shape), device="meta") for shape in inputs.values()]
    numbers = {id(tensor): number for number, tensor in enumerate(examples)}
    kept: list[Any] = list(examples)
    calls: list[Call] = []
    stack: list[tuple[str, str]] = [("", "")]

    class Recorder(TorchDispatchMode):  # type: ignore[misc]
        """Notes every operator that reads a value of the network."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            schema = func._schema  # noqa: SLF001 - there is no other way to the names of arguments
            given = {item.name: value for item, value in zip(schema.arguments, args, strict=False)}
            given.update(kwargs or {})
            sources = [numbers[id(value)] for value in _flat(given.values()) if id(value) in numbers]
            if not sources:
                return result
            value = result[0] if isinstance(result, (tuple, list)) else result
            if not isinstance(value, torch.Tensor):
                raise UnsupportedModelError(f"it computes with values of tensors ({func})")
            kept.append(value)
            # What is changed in place is another value from here on.
            numbers[id(value)] = len(inputs) + len(calls)
            path, part = stack[-1]
            shapes = {key: tuple(item.shape) if isinstance(item, torch.Tensor) else item for key, item in given.items()}
            kind = schema.name.partition("::")[2].removesuffix("_")
            call = Call(kind, tuple(sources), shapes, numbers[id(value)], tuple(value.shape), path, part)
            calls.append(call)
            return result

    try:
        with torch.no_grad(), _followed(module, stack), Recorder():
            result = module.to("meta").eval()(*examples)
    except (MemoryError, UnsupportedModelError):
        raise
    except Exception as error:  # whatever the module's own code raises
        raise UnsupportedModelError(
            f"the module fails: {first_line(error)}", remedy="call it directly with tensors of the given shapes"
        ) from error
    if id(result) not in numbers:
        raise UnsupportedModelError("the module does not return one tensor that it computed from its inputs")
    return calls, numbers[id(result)]


@contextmanager
def _followed(module: Any, stack: list[tuple[str, str]]) -> Iterator[None]:
    """While it runs, the path and the part of the module that is running are the last of a list."""
    handles = []
    for path, child in module.named_modules():
        place = (path, _part(module, path))
        handles.append(child.register_forward_pre_hook(lambda *_, place=place: stack.append(place)))
        handles.append(child.register_forward_hook(lambda *_: stack.pop() and None))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _flat(values: Any) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]


def _part(module: Any, path: str) -> str:
    """The first component of a path, or more of it while that is a container."""
    from torch import nn

    names: list[str] = []
    for component in filter(None, path.split(".")):
        names.append(component)
        module = getattr(module, component)
        if not isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
            break
    return ".".join(names)
