"""Tensors whose bytes, shape and type do not belong together are refused in words."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from edgebench.errors import InputError
from edgebench.models.onnx.file import tensor_array


def _undefined(tensor: TensorProto) -> None:
    tensor.data_type = TensorProto.UNDEFINED


def _unknown(tensor: TensorProto) -> None:
    tensor.data_type = 99


def _cut(tensor: TensorProto) -> None:
    tensor.raw_data = tensor.raw_data[:-1]


def _larger(tensor: TensorProto) -> None:
    tensor.dims[0] = 2**40


@pytest.mark.parametrize("damage", [_undefined, _unknown, _cut, _larger])
def test_a_damaged_tensor_is_named(damage: Callable[[TensorProto], None]) -> None:
    tensor: onnx.TensorProto = numpy_helper.from_array(np.ones((2, 3), np.float32), "weights")
    assert tensor_array(tensor).shape == (2, 3)
    damage(tensor)
    with pytest.raises(InputError, match="tensor 'weights' is damaged"):
        tensor_array(tensor)
