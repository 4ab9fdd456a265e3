"""Makes a float ONNX file int8 with the quantiser of ONNX Runtime, in the form with QuantizeLinear nodes (QDQ)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebench.errors import UnsupportedModelError


def quantise_onnx(
    source: Path,
    target: Path,
    samples: Sequence[Mapping[str, NDArray[np.generic]]],
    *,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    float_nodes: Collection[str] = (),
) -> None:
    """Quantise to int8 weights, one scale per channel, and uint8 activations; input and output stay float.

    Weights have 7 bits: the kernels of processors without VNNI add two products in 16 bits, which 8 would overflow.

    Args:
        source: A float ``.onnx`` file.
        target: File to write.
        samples: Inputs by name, as the file takes them.
        ranges: Lowest and highest value of tensors, by name, that override what samples show.
        float_nodes: Layers whose nodes stay in float.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot quantise the file.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    model = onnx.load(str(source))
    written = {output for node in model.graph.node for output in node.output}
    written |= {value.name for value in model.graph.input}
    overrides = {
        tensor: [{"rmin": np.float32(low), "rmax": np.float32(high)}]
        for tensor, (low, high) in (ranges or {}).items()
        if tensor in written and high > low
    }
    excluded = [node.name for node in model.graph.node if node.name.removesuffix(".linear") in set(float_nodes)]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives samples one by one."""

        def __init__(self) -> None:
            self._samples: Iterator[Mapping[str, Any]] = iter(samples)

        def get_next(self) -> dict[str, Any] | None:
            sample = next(self._samples, None)
            return None if sample is None else dict(sample)

    logging.getLogger().setLevel(logging.ERROR)  # The quantiser advises preprocessing, which changes nothing here.
    try:
        quantize_static(
            str(source),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
            extra_options={"TensorQuantOverrides": overrides} if overrides else {},
        )
    except (ValueError, RuntimeError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise UnsupportedModelError(
            f"ONNX Runtime cannot quantise it: {' '.join(str(error).split())[:200]}", where=source.name
        ) from error
