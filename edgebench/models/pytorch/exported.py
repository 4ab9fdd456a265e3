"""Makes exported programs from TorchScript, from programs with open shapes, and from modules in a user's code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgebench.core.model import InputSource
from edgebench.errors import UnsupportedModelError
from edgebench.models.inputs import make_inputs
from edgebench.models.pytorch.load import Program, load_program, of_exported, quiet


def exported_from_script(script: Any, args: tuple[Any, ...]) -> Any:
    """A TorchScript program as an exported one, or None if PyTorch cannot make it.

    PyTorch itself names its converter in the error of ``torch.export.export``, but keeps it in a private module.
    """
    try:
        import torch
        from torch._export.converter import TS2EPConverter

        # It leaves all sizes open; a second export sets them.
        return torch.export.export(TS2EPConverter(script, args).convert().module(), args)
    except MemoryError:
        raise
    except Exception:  # the converter raises what is below it
        return None


def export_fixed(path: Path, target: Path, source: InputSource) -> Program:
    """Write a program as a ``torch.export`` file without open shapes.

    Args:
        path: A ``torch.export`` or TorchScript file.
        target: The ``.pt2`` file to write.
        source: Shapes of its open inputs, and where examples come from.

    Returns:
        The program as written.

    Raises:
        InputError: The file is not valid, or a shape is missing.
        UnsupportedModelError: PyTorch cannot make an exported program from it.
    """
    import torch

    program = load_program(path, source.shapes, source.file)
    arrays = make_inputs(program.specs, source)
    args, kwargs = program.arguments(program.tensors(arrays))
    with quiet():
        if program.exported is None:
            exported = exported_from_script(program.script, args)
            if exported is None:
                raise UnsupportedModelError(
                    "PyTorch cannot make an exported program from this TorchScript",
                    where=path.name,
                    remedy="save the model with torch.export.save, or leave out --converter",
                )
            names = [spec.name for spec in program.specs]
            found = of_exported(exported)
            specs = (replace(spec, name=name) for spec, name in zip(found.specs, names, strict=True))
            program = replace(found, specs=tuple(specs))
        elif any(None in spec.shape for spec in program.specs):
            program = of_exported(torch.export.export(program.runnable(), args, kwargs))
        torch.export.save(program.exported, str(target))
    return program
