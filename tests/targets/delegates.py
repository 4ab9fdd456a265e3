"""A delegate in C, and a network of which it takes a part."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgebench.models.network import NetworkBuilder
from edgebench.models.network.layers import Activation
from edgebench.models.network.weights import random_weights
from edgebench.models.tflite.writer import to_tflite


def build_delegate(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler")
    path = folder / "libtest_delegate.so"
    source = Path(__file__).with_name("delegate.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", path, source, "-lm"], check=True)
    return path


def write_sandwich(path: Path) -> Path:
    """Convolution, tanh, convolution: the delegate takes the second of three."""
    builder = NetworkBuilder("sandwich", (8, 8, 3))
    builder.conv(4, 3, activation="none")
    builder.add_layer(Activation(name="tanh", inputs=(builder.last,), kind="tanh"))
    builder.conv(4, activation="none")
    network = builder.build()
    to_tflite(network, random_weights(network, 0), path)
    return path
