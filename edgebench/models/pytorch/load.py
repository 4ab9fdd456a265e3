"""Loads TorchScript and ``torch.export`` files, which contain programs, not pickled objects."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.core.model import InputSource, ModelFormat, TensorSpec
from edgebench.errors import InputError, MissingPackageError, UnsupportedModelError
from edgebench.models.inputs import make_inputs
from edgebench.models.pytorch.safety import sanitised_archive
from edgebench.models.pytorch.script_inputs import script_specs
from edgebench.models.source import identify

_FURTHER = 2
TRAIN_EXTRA = "pip install -c constraints.txt 'edgebench[train]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A loaded program.

    Attributes:
        specs: Its inputs that are tensors, in order.
        script: The TorchScript program, or None.
        exported: The exported program, or None.
        constants: For an exported program, inputs that are not tensors, by their position among all inputs.
    """

    specs: tuple[TensorSpec, ...]
    script: Any = None
    exported: Any = None
    constants: Mapping[int, Any]

    def arguments(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments with tensors, one for each of ``specs``."""
        if self.exported is None:
            return tuple(tensors), {}
        from torch.utils import _pytree

        given = iter(tensors)
        places = range(len(tensors) + len(self.constants))
        leaves = [self.constants[place] if place in self.constants else next(given) for place in places]
        args, kwargs = _pytree.tree_unflatten(leaves, self.exported.call_spec.in_spec)
        return tuple(args), dict(kwargs)

    def tensors(self, arrays: Mapping[str, NDArray[np.generic]]) -> list[Any]:
        """Arrays as tensors, one a ``specs``."""
        return [tensor_of(arrays[spec.name]) for spec in self.specs]

    def runnable(self) -> Any:
        """What is called with the arguments."""
        return self.script if self.exported is None else self.exported.module()

    def outputs(self, arrays: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Outputs that are tensors, nested ones too, in order.

        Raises:
            UnsupportedModelError: The program cannot run with these inputs.
        """
        import torch
        from torch.utils import _pytree

        args, kwargs = self.arguments(self.tensors(arrays))
        try:
            with torch.inference_mode():
                result = self.runnable()(*args, **kwargs)
        except (RuntimeError, TypeError, AssertionError, IndexError) as error:
            raise cannot_run(error) from error
        return [array_of(leaf) for leaf in _pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]


def load_program(path: Path, shapes: Mapping[str, tuple[int, ...]], file: str | None = None) -> Program:
    """Load a program for the CPU.

    Args:
        path: The file.
        shapes: Of inputs of TorchScript, which does not store them.
        file: An ``.npz`` with the inputs, whose shapes apply if no others are given.

    Raises:
        InputError: The file is not valid, or the shape of an input of TorchScript is not given.
        MissingPackageError: PyTorch is not installed.
    """
    require_torch()
    import torch

    try:
        if identify(path) is ModelFormat.TORCHSCRIPT:
            script = torch.jit.load(str(path), map_location="cpu").eval()
            return Program(specs=script_specs(script, shapes, file), script=script, constants={})
        exported = torch.export.load(sanitised_archive(path))
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"torch cannot load the model: {' '.join(str(error).split())[:300]}",
            remedy="export it again with the installed version of torch",
        ) from error
    return of_exported(exported)


def with_tables(program: Program, specs: Sequence[TensorSpec]) -> Program:
    """A program whose inputs know the lengths of tables they index, as far as a file's description states them."""
    upper = {spec.name: spec.upper for spec in specs}
    known = (replace(spec, upper=upper.get(spec.name) or spec.upper) for spec in program.specs)
    return replace(program, specs=tuple(known))


def compared_inputs(program: Program, source: InputSource) -> list[dict[str, NDArray[np.generic]]]:
    """Inputs that a program and what was made of it are compared on: those of the user first, and random ones."""
    sources = [source, *(replace(source, file=None, seed=source.seed + 1 + number) for number in range(_FURTHER))]
    return [dict(make_inputs(program.specs, each)) for each in sources]


def of_exported(exported: Any) -> Program:
    """An exported program, and its inputs."""
    values = {node.name: node.meta["val"] for node in exported.graph.nodes if node.op == "placeholder"}
    inputs = [spec.arg for spec in exported.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    specs = [
        TensorSpec(
            name=argument.name,
            dtype=str(values[argument.name].dtype).removeprefix("torch."),
            shape=tuple(size if isinstance(size, int) else None for size in values[argument.name].shape),
        )
        for argument in inputs
        if not hasattr(argument, "value")
    ]
    constants = {place: argument.value for place, argument in enumerate(inputs) if hasattr(argument, "value")}
    return Program(specs=tuple(specs), exported=exported, constants=constants)


def tensor_of(array: NDArray[np.generic]) -> Any:
    """An array as a tensor; numpy has no bfloat16 of its own."""
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(array)


def array_of(tensor: Any) -> NDArray[np.generic]:
    """A tensor as an array, float32 where it is bfloat16."""
    import torch

    array: NDArray[np.generic] = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).cpu().numpy()
    return array


def cannot_run(error: Exception) -> UnsupportedModelError:
    """The error of a program that does not run with the given inputs."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    # TorchScript puts the cause last, behind its source.
    told = lines[-1:] if lines and "TorchScript" in lines[0] else lines
    return UnsupportedModelError(
        f"the program does not run with these inputs: {' '.join(' '.join(told).split())[:300]}",
        remedy="give the shapes it was made for with --shape NAME=1,3,224,224, or its inputs with --inputs FILE.npz",
    )


def require_torch() -> str:
    """Version of PyTorch.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise MissingPackageError("torch, which reads this model, is not installed", remedy=TRAIN_EXTRA) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress what PyTorch's exporters print about their progress."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    nothing = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
