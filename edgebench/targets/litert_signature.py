"""The graph of one signature with the methods that LiteRT's interpreter has for the main one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError


class SignatureInterpreter:
    """Runs a signature as ``Interpreter`` runs the main graph.

    A runner of LiteRT's own copies inputs and outputs at every call, which would be measured too.

    Args:
        interpreter: Of the whole file.
        name: The signature.

    Raises:
        InputError: There is none of that name, or the installed runtime runs only main graphs.
    """

    def __init__(self, interpreter: Any, name: str) -> None:
        try:
            runner = interpreter.get_signature_runner(name)
            self._graph = runner._subgraph_index  # noqa: SLF001 - the runner has no other way to run without copies
            self._wrapper = interpreter._interpreter  # noqa: SLF001
        except ValueError as error:
            known = ", ".join(interpreter.get_signature_list()) or "none"
            where = f"--signature {name}"
            raise InputError(f"there is no such signature: {error}", where=where, remedy=f"it has {known}") from None
        except AttributeError:
            raise InputError(
                "the installed runtime runs only the main graph",
                where=f"--signature {name}",
                remedy="pip install ai-edge-litert",
            ) from None
        self._inputs = list(runner.get_input_details().values())
        self._outputs = list(runner.get_output_details().values())

    def get_input_details(self) -> Sequence[Mapping[str, Any]]:
        """Details of the signature's inputs."""
        return self._inputs

    def get_output_details(self) -> Sequence[Mapping[str, Any]]:
        """Details of the signature's outputs."""
        return self._outputs

    def resize_tensor_input(self, index: int, shape: Sequence[int]) -> None:
        """Give an input another shape."""
        self._wrapper.ResizeInputTensor(index, np.array(shape, np.int32), False, self._graph)

    def allocate_tensors(self) -> None:
        """Plan memory."""
        self._wrapper.AllocateTensors(self._graph)

    def set_tensor(self, index: int, value: NDArray[np.generic]) -> None:
        """Set an input."""
        self._wrapper.SetTensor(index, value, self._graph)

    def invoke(self) -> None:
        """Run once."""
        self._wrapper.Invoke(self._graph)

    def get_tensor(self, index: int) -> NDArray[np.generic]:
        """Read an output."""
        value: NDArray[np.generic] = self._wrapper.GetTensor(index, self._graph)
        return value
