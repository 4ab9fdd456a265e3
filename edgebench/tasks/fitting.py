"""Brings a network and a task together: shapes that fit, logits, and images as PyTorch has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import InputError, MissingPackageError
from edgebench.models.network import Network
from edgebench.models.network.layers import Softmax
from edgebench.tasks.task import Task


def fitted_task(network: Network, task: Task) -> Task:
    """The task with images of the size that a network takes.

    Raises:
        InputError: The network does not take such images, or does not end in one value per class.
    """
    check_input(network, task.input_shape[2])
    if network.shapes[network.output] != (task.classes,):
        raise InputError(
            f"the network yields {list(network.shapes[network.output])}, task {task.name!r} has {task.classes} classes",
            where=network.name,
            remedy=f"end the network in a dense layer with {task.classes} outputs",
        )
    return task.resized(*network.input_shape[:2])


def check_input(network: Network, channels: int) -> None:
    """Check that a network takes images with this number of channels, of any size.

    Raises:
        InputError: It does not.
    """
    if len(network.inputs) > 1:
        raise InputError(
            f"the network has {len(network.inputs)} inputs, {', '.join(network.inputs)}; a task gives it one image",
            where=network.name,
            remedy="search without --task: latency and memory need no data",
        )
    if len(network.input_shape) != 3 or network.input_shape[2] != channels:
        raise InputError(
            f"the network takes {list(network.input_shape)}, but the images have {channels} channels",
            where=network.name,
            remedy=f"build the network for an input of [height, width, {channels}]",
        )


def logits_network(network: Network) -> Network:
    """The network without a softmax at its end, which losses apply themselves."""
    if isinstance(network.layers[-1], Softmax) and len(network.layers) > 1:
        return replace(network, layers=network.layers[:-1])
    return network


def image_tensor(images: NDArray[np.float32]) -> Any:
    """Images [n, height, width, channels] as a tensor [n, channels, height, width] with channels innermost in memory.

    Convolutions with few channels run faster on a CPU in that order, and nothing is copied.
    """
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)


def require_torch() -> None:
    """Check that PyTorch is installed.

    Raises:
        MissingPackageError: It is not.
    """
    try:
        import torch  # noqa: F401 - the import is the check
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "training needs PyTorch", remedy="pip install -c constraints.txt 'edgebench[train]'"
        ) from error


@contextmanager
def reproducible(seed: int, threads: int | None) -> Iterator[None]:
    """Seed PyTorch and set its threads for a block; the previous state is restored.

    Args:
        seed: At least 0.
        threads: Threads within an operator, or None to leave them unchanged. The last digits of sums depend on
            it, so results repeat only with the same number.

    Raises:
        InputError: The seed or the number of threads is invalid.
    """
    import torch

    if seed < 0 or (threads is not None and threads < 1):
        raise InputError(f"seed {seed} must be at least 0 and threads {threads} at least 1")
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]), torch.inference_mode(mode=False), torch.enable_grad():
        torch.manual_seed(seed)
        try:
            if threads is not None:
                torch.set_num_threads(threads)
            yield
        finally:
            torch.set_num_threads(before)
