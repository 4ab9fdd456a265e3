"""An accelerator behind a TFLite external delegate: a library that takes operators over from LiteRT."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from edgebench.core.device import Device
from edgebench.core.dtype import DataType
from edgebench.core.metric import Metric, Provenance
from edgebench.core.model import InputSource, ModelFormat
from edgebench.core.options import read_options
from edgebench.core.profile import LayerCost
from edgebench.errors import TargetUnavailableError, UnsupportedModelError
from edgebench.models.tflite.signatures import write_signature
from edgebench.targets.libraries import find_library
from edgebench.targets.litert import (
    LiteRtModel,
    LiteRtTarget,
    create_interpreter,
    litert_runtime,
    set_inputs,
)
from edgebench.targets.output_comparison import output_difference

_CPU_DELEGATE = "TfLiteXNNPackDelegate"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateOptions:
    """Options of the ``litert-delegate`` target.

    Attributes:
        library: The delegate's shared library.
        options: Passed to the delegate unchanged.
        expect: Share of the operators that the delegate must take, or ``all``.
        dtype: ``int8`` for accelerators that take only quantised models, otherwise ``any``.
        threads: Threads of the operators left to the CPU.
        kernels: Kernels of the operators left to the CPU.
        tolerance: Largest difference of an output from the CPU's, as a fraction of its size.
    """

    library: str
    options: Mapping[str, str] = field(default_factory=dict)
    expect: Literal["all"] | float = "all"
    dtype: Literal["int8", "any"] = "any"
    threads: int = 1
    kernels: Literal["default", "builtin", "reference"] = "builtin"
    tolerance: float = 0.02

    def __post_init__(self) -> None:
        if self.threads < 1 or (self.expect != "all" and not 0 <= self.expect <= 1):
            raise ValueError("threads must be at least 1, and expect a share between 0 and 1 or 'all'")

    @property
    def expected_share(self) -> float:
        """Share of the operators that the delegate must take."""
        return 1.0 if self.expect == "all" else float(self.expect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator of the model and where it runs."""

    name: str
    operator: str
    delegated: bool


class DelegateTarget(LiteRtTarget):
    """Measures ``.tflite`` models under LiteRT with an external delegate."""

    options_type: ClassVar[type] = DelegateOptions
    formats: ClassVar[tuple[ModelFormat, ...]] = (ModelFormat.TFLITE,)

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        quantised = device.options.get("dtype") == DataType.INT8
        self.dtype = DataType.INT8 if quantised else None

    def check(self) -> dict[str, str]:
        """The runtime and the library.

        Raises:
            TargetUnavailableError: The runtime is not installed, or the library does not exist.
            InputError: The device's options are not valid for this target.
        """
        options = read_options(self.device, DelegateOptions)
        versions = dict([litert_runtime()])
        if find_library(options.library) is None:
            raise TargetUnavailableError(
                f"the delegate library {options.library} does not exist",
                remedy="install the accelerator's runtime, or correct `library` in the device file",
            )
        return {**versions, "delegate": options.library}

    @contextmanager
    def load(self, model: Path, inputs: InputSource) -> Iterator[DelegateModel]:
        """Load the delegate, give it the model, and fail if it leaves more to the CPU than expected.

        Raises:
            TargetUnavailableError: The library cannot be loaded or finds no accelerator.
            UnsupportedModelError: The delegate refuses the model or takes too little of it.
            InputError: The file or the inputs are not valid.
        """
        options = read_options(self.device, DelegateOptions)
        if inputs.signature is None:
            yield DelegateModel(model, inputs, options)
            return
        with tempfile.TemporaryDirectory() as folder:
            # Delegates, and what reports their part, concern the main graph.
            alone = Path(folder) / model.name
            write_signature(model, inputs.signature, alone)
            yield DelegateModel(alone, replace(inputs, signature=None), options)


class DelegateModel(LiteRtModel):
    """An interpreter whose operators run on an accelerator as far as its delegate takes them."""

    def __init__(self, model: Path, inputs: InputSource, options: DelegateOptions) -> None:
        self._delegate = _load_delegate(options)
        interpreter = create_interpreter(
            model, threads=options.threads, kernels=options.kernels, delegates=[self._delegate]
        )
        set_inputs(interpreter, inputs)
        super().__init__(model, inputs, options, litert_runtime(), interpreter)
        self._delegate_options = options
        self._nodes = placed_nodes(interpreter)
        left = [node for node in self._nodes if not node.delegated]
        if self._share < options.expected_share:
            raise UnsupportedModelError(
                f"the delegate takes {self._share:.0%} of the operators, but "
                f"{options.expected_share:.0%} are expected; left to the CPU: {_listed(left)}",
                operators=tuple(sorted({node.operator for node in left})),
                remedy="replace these operators, or lower `expect` in the device file to measure the mixture",
            )

    @property
    def one_cpu_thread(self) -> bool:
        """Never: an accelerator works while the processor waits."""
        return False

    @property
    def method(self) -> str:
        """Runtime, delegate and settings."""
        runtime = " ".join(litert_runtime())
        library = Path(self._delegate_options.library).name
        return f"wall clock around interpreter.invoke, {runtime} with the delegate {library}"

    def layers(self) -> list[LayerCost]:
        """Where each operator runs; delegates do not report times."""
        return [
            LayerCost(name=node.name, operator=node.operator, placement="delegate" if node.delegated else "CPU")
            for node in self._nodes
        ]

    def metrics(self) -> Mapping[str, Metric]:
        """Share of the operators that the delegate took."""
        method = "operators in the delegate's partitions / operators of the model"
        share = Metric(value=self._share, unit="1", provenance=Provenance.EXACT, method=method)
        return {"delegated_share": share}

    def notes(self) -> list[str]:
        """What was left to the CPU."""
        left = [node for node in self._nodes if not node.delegated]
        return [f"left to the CPU: {_listed(left)}"] if left else []

    def faults(self) -> list[str]:
        """Outputs that differ from those of the CPU on the same inputs."""
        reference = create_interpreter(self._model, kernels="builtin")
        set_inputs(reference, self._inputs)
        reference.invoke()
        expected = {
            detail["name"]: np.asarray(reference.get_tensor(detail["index"]))
            for detail in reference.get_output_details()
        }
        difference = output_difference(expected, self.outputs())
        if difference <= self._delegate_options.tolerance:
            return []
        return [f"outputs differ from the CPU's by {difference:.1%} of their size"]

    @property
    def _share(self) -> float:
        return sum(node.delegated for node in self._nodes) / max(1, len(self._nodes))


def placed_nodes(interpreter: Any) -> list[Node]:
    """The operators of the model, with those that a delegate has replaced.

    LiteRT keeps the replaced operators in its list and appends one node per partition, whose inputs and outputs
    enclose what it replaced.
    """
    details = interpreter._get_ops_details()  # noqa: SLF001 - there is no public way to see the partitions
    count = next((i for i, detail in enumerate(details) if _is_partition(detail)), len(details))
    original, partitions = details[:count], [d for d in details[count:] if d["op_name"] != _CPU_DELEGATE]
    producers = {int(output): index for index, detail in enumerate(original) for output in detail["outputs"]}
    replaced: set[int] = set()
    for partition in partitions:
        bounds = {int(tensor) for tensor in partition["inputs"]}
        pending = [int(tensor) for tensor in partition["outputs"]]
        while pending:
            tensor = pending.pop()
            index = producers.get(tensor)
            if tensor in bounds or index is None or index in replaced:
                continue
            replaced.add(index)
            pending.extend(int(source) for source in original[index]["inputs"])
    names = {detail["index"]: detail["name"] for detail in interpreter.get_tensor_details()}
    return [
        Node(
            name=names.get(int(detail["outputs"][0]), "").rpartition(";")[2],
            operator=detail["op_name"],
            delegated=index in replaced,
        )
        for index, detail in enumerate(original)
    ]


def _is_partition(detail: Mapping[str, Any]) -> bool:
    """Built-in operators have names in capitals; delegates name their node as they like."""
    name = str(detail["op_name"])
    return name == "DELEGATE" or not name.isupper()


def _load_delegate(options: DelegateOptions) -> Any:
    try:
        from ai_edge_litert.interpreter import load_delegate
    except ModuleNotFoundError:
        from tflite_runtime.interpreter import load_delegate
    remedy = "check that the accelerator is attached and its runtime installed"
    try:
        return load_delegate(options.library, dict(options.options))
    except OSError as error:
        raise TargetUnavailableError(f"the delegate library cannot be loaded: {error}", remedy=remedy) from error
    except AttributeError as error:
        raise TargetUnavailableError(
            f"{options.library} is not a TFLite delegate: it lacks tflite_plugin_create_delegate",
            remedy="give the path of the delegate's library, not of another library of its runtime",
        ) from error
    except (ValueError, RuntimeError) as error:
        reason = str(error) or "no reason given"
        raise TargetUnavailableError(f"the delegate cannot be created: {reason}", remedy=remedy) from error


def _listed(nodes: list[Node]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in Counter(node.operator for node in nodes).most_common())
