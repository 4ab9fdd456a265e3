"""What every compression pass must fulfil; derive a test class from it, and give it your pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgebench.compress.base import NotApplicableError, Pass, Setting
from edgebench.compress.pipeline import parse_pipeline
from edgebench.compress.steps import pass_text
from edgebench.models.artefact import Artefact
from edgebench.models.pytorch.writer import to_torch
from edgebench.tasks.fitting import image_tensor


class PassContract:
    """Derive from it, and define the fixtures ``item``, ``artefact`` and ``setting``."""

    @pytest.fixture
    def item(self) -> Pass:
        """The pass."""
        raise NotImplementedError

    @pytest.fixture
    def artefact(self) -> Artefact:
        """An artefact that the pass applies to."""
        raise NotImplementedError

    @pytest.fixture
    def setting(self) -> Setting:
        """With a task, and with the artefact's network and weights as teacher."""
        raise NotImplementedError

    def test_its_text_is_the_pass_again(self, item: Pass) -> None:
        """What a manifest says can be run again."""
        assert parse_pipeline(pass_text(item)) == (item,)

    def test_it_leaves_its_argument_alone_and_adds_one_step(
        self, item: Pass, artefact: Artefact, setting: Setting
    ) -> None:
        """An artefact never changes: others of the same prefix still need it."""
        before = artefact.digest
        made = item.apply(artefact, setting)
        assert artefact.digest == before
        assert made.steps[:-1] == artefact.steps
        step = made.steps[-1]
        assert step.text == pass_text(item)
        assert step.done
        assert (step.parameters, step.macs) == (made.network.parameters, made.network.macs)

    def test_what_it_makes_is_a_network_that_takes_and_gives_the_same(
        self, item: Pass, artefact: Artefact, setting: Setting
    ) -> None:
        """Inputs and classes stay, and all weights fit and are finite."""
        made = item.apply(artefact, setting)
        assert made.network.inputs == artefact.network.inputs
        output = artefact.network.shapes[artefact.network.output]
        assert made.network.shapes[made.network.output] == output
        shapes = {name: (own.kernel.shape, own.bias.shape) for name, own in made.weights.items()}
        assert shapes == dict(made.network.weight_shapes())
        assert all(np.isfinite(own.kernel).all() and np.isfinite(own.bias).all() for own in made.weights.values())
        images = np.random.default_rng(0).random((2, *made.network.input_shape)).astype(np.float32)
        assert tuple(to_torch(made.network, made.weights)(image_tensor(images)).shape) == (2, *output)

    def test_the_same_again_gives_the_same(self, item: Pass, artefact: Artefact, setting: Setting) -> None:
        """Results are cached by what went in."""
        assert item.apply(artefact, setting).digest == item.apply(artefact, setting).digest

    def test_without_a_task_it_works_or_says_that_it_needs_one(
        self, item: Pass, artefact: Artefact, setting: Setting
    ) -> None:
        """A model may come without data."""
        alone = replace(setting, task=None)
        if not item.trains:
            assert item.apply(artefact, alone).steps[-1].accuracy == artefact_accuracy(artefact)
            return
        with pytest.raises(NotApplicableError, match="task"):
            item.apply(artefact, alone)


def artefact_accuracy(artefact: Artefact) -> float | None:
    """What is known of an artefact's accuracy."""
    return artefact.steps[-1].accuracy if artefact.steps else None
