"""The contract of a task: subclass it in your tests and provide a task."""

from __future__ import annotations

import numpy as np
import pytest

from edgebench.tasks.task import Split, Task


class TaskContract:
    """What training, calibration and accuracy rely on. A subclass defines the two fixtures."""

    @pytest.fixture
    def task(self) -> Task:
        """The task under test."""
        raise NotImplementedError

    @pytest.fixture
    def again(self) -> Task:
        """The same task, loaded once more."""
        raise NotImplementedError

    def test_it_has_a_name(self, task: Task) -> None:
        """One line, for reports and file names."""
        assert task.name.strip()
        assert "\n" not in task.name

    def test_its_parts_fit_together(self, task: Task) -> None:
        """All parts have images of one shape and labels of the same classes, and none is empty."""
        for name, part in task.parts().items():
            assert len(part) > 0, f"{name} is empty"
            assert part.images.shape[1:] == task.input_shape, f"images of {name} differ in shape"
            assert part.labels.min() >= 0, f"{name} has a label below 0"
            assert part.labels.max() < task.classes, f"{name} has a label beyond the last class"

    def test_every_class_can_be_learnt_and_tested(self, task: Task) -> None:
        """A class that is tested was trained."""
        trained = set(np.unique(task.train.labels).tolist())
        for name, part in task.parts().items():
            missing = set(np.unique(part.labels).tolist()) - trained
            assert not missing, f"{name} has classes that are not trained: {sorted(missing)}"
        assert len(trained) > 1, "there is only one class"

    def test_its_parts_do_not_overlap(self, task: Task) -> None:
        """An image that is trained on would make every accuracy too good."""
        seen: dict[bytes, str] = {}
        shared = 0
        for name, part in task.parts().items():
            for image in part.images:
                key = image.tobytes()
                shared += seen.setdefault(key, name) != name
        total = sum(map(len, task.parts().values()))
        # Data sets of small drawings have a few images twice.
        assert shared <= total / 100, f"{shared} of {total} images are in more than one part"

    def test_its_images_are_on_a_common_scale(self, task: Task) -> None:
        """Networks are initialised for values of about 1."""
        images: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = task.train.images
        assert np.abs(images).max() <= 100, "values are far above 1: scale them"
        assert images.std() > 1e-3, "all images are alike"

    def test_it_repeats(self, task: Task, again: Task) -> None:
        """Loading it again gives the same samples in the same order."""
        assert task.digest == again.digest
        for name, part in task.parts().items():
            other: Split = again.parts()[name]
            assert np.array_equal(part.labels, other.labels), f"labels of {name} differ"
            assert np.array_equal(part.images, other.images), f"images of {name} differ"
