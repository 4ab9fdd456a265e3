"""Runs alone in the environment of litert-torch, which has no edgebench: a ``.pt2`` file becomes a ``.tflite``.

Arguments: the file to read, the file to write, and the file for the report, in JSON.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1


def convert(source: Path, target: Path) -> dict[str, Any]:
    """Convert a program without open shapes, and return the versions used.

    Args:
        source: A ``torch.export`` file with only plain tensors.
        target: File to write.
    """
    import litert_torch
    import torch
    from torch.utils import _pytree

    exported = torch.export.load(str(source))
    values = {node.name: node.meta["val"] for node in exported.graph.nodes if node.op == "placeholder"}
    leaves = []
    for spec in exported.graph_signature.input_specs:
        if spec.kind.name != "USER_INPUT":
            continue
        if hasattr(spec.arg, "value"):
            leaves.append(spec.arg.value)
        else:
            value = values[spec.arg.name]
            leaves.append(torch.zeros(tuple(value.shape), dtype=value.dtype))
    args, kwargs = _pytree.tree_unflatten(leaves, exported.call_spec.in_spec)
    model = litert_torch.convert(exported.module(), tuple(args), sample_kwargs=dict(kwargs) or None)
    model.export(str(target))
    return {"versions": {name: metadata.version(name) for name in ("litert-torch", "torch")}}


def main() -> None:
    """Convert, and write the outcome."""
    if sys.platform == "linux":
        # The process that started this one ends it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    source, target, account = map(Path, sys.argv[1:])
    try:
        told = convert(source, target)
    except MemoryError:
        told = {"error": "out of memory", "kind": "MemoryError"}
    except Exception as error:  # a compiler's: of any kind
        text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        told = {"error": text[:1000], "kind": type(error).__name__}
    account.write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
