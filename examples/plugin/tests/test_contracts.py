"""What edgebench expects of each of the three. The classes of ``edgebench.testing`` bring the tests along."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from edgebench.core.model import ModelFormat
from edgebench.errors import InputError, UnsupportedModelError
from edgebench.models.zoo import export
from edgebench.spaces.registry import create_space
from edgebench.spaces.space import SearchSpace
from edgebench.store.devices import read_device
from edgebench.store.spaces import read_space
from edgebench.targets.base import Target
from edgebench.targets.registry import create_target
from edgebench.tasks.registry import load_task
from edgebench.testing.space_contract import SpaceContract
from edgebench.testing.target_contract import TargetContract

ROOT = Path(__file__).parent.parent
DEVICE = ROOT / "devices" / "onnx-reference.toml"


class TestTarget(TargetContract):
    @pytest.fixture
    def target(self) -> Target:
        return create_target(read_device(DEVICE))

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        export("tiny", ModelFormat.ONNX, tmp_path / "tiny.onnx")
        return tmp_path / "tiny.onnx"

    def test_it_computes_what_onnx_runtime_computes(self, target: Target, model: Path) -> None:
        from edgebench.core.model import InputSource
        from edgebench.store.devices import find_device

        outputs = []
        for runtime in (target, create_target(find_device("host"))):
            with runtime.load(model, InputSource(seed=1)) as loaded:
                loaded.run(1)
                outputs.append(loaded.outputs())
        assert outputs[0].keys() == outputs[1].keys() != set()
        for name, values in outputs[0].items():
            np.testing.assert_allclose(values, outputs[1][name], atol=1e-5)

    def test_an_operator_that_is_not_there_is_named(self, target: Target, tmp_path: Path) -> None:
        from edgebench.core.model import InputSource

        value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
        node = helper.make_node("Frobnicate", ["x"], ["y"], domain="of.nobody")
        graph = helper.make_graph([node], "g", value[:1], value[1:])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("of.nobody", 1)]
        path = tmp_path / "odd.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())
        with pytest.raises((UnsupportedModelError, InputError), match="Frobnicate"), target.load(path, InputSource()):
            pass


class TestSpace(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return create_space(read_space(ROOT / "search_spaces" / "plain-cnn.toml"))

    def test_it_has_every_choice(self, space: SearchSpace) -> None:
        assert space.size == 9
        assert space.network(space.largest).macs > space.network(space.smallest).macs


def test_the_task_is_the_same_at_every_call_and_can_be_learnt() -> None:
    task, again = load_task("bars"), load_task("bars")
    assert task.digest == again.digest
    assert task.classes == 3
    # The mean of the brightest row, column and diagonal tells most images apart, so there is something to learn.
    images, labels = task.test.images[..., 0], task.test.labels
    scores = [images.mean(2).max(1), images.mean(1).max(1), np.trace(images, axis1=1, axis2=2) / images.shape[1]]
    assert (np.argmax(scores, axis=0) == labels).mean() > 0.8
