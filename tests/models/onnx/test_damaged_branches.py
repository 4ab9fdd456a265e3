"""An ``If`` without a branch, or with branches of other outputs, is refused in words."""

import numpy as np
import pytest

from edgebench.errors import InputError
from edgebench.models.onnx.branches import take_branches
from tests.models.small_model_files import keyword_net


@pytest.mark.parametrize("damage", ["missing", "fewer outputs", "more outputs"])
def test_a_damaged_branch_is_named(damage: str) -> None:
    model = keyword_net()
    (chosen,) = (node for node in model.graph.node if node.op_type == "If")
    for attribute in list(chosen.attribute):
        if damage == "missing":
            chosen.attribute.remove(attribute)
        elif damage == "fewer outputs":
            del attribute.g.output[:]
        else:
            attribute.g.output.add().name = "more"
    with pytest.raises(InputError, match="is missing, or has other outputs"):
        take_branches(model, {"sr": np.array(16000)}, lambda *_: {"wide": np.array(True)})
