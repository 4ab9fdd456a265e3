"""Samples are matched by the names and layout of the user's model, or refused with both sides listed."""

from pathlib import Path

import numpy as np
import pytest

from edgebench.errors import InputError
from edgebench.models.calibration import MOST_SAMPLES, CalibrationData, SampledInput, read_calibration

IMAGE = SampledInput(name="image", shape=(1, 4, 5, 3))
ROWS = SampledInput(name="rows", shape=(1, 6))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.npz"


def read(path: Path, *inputs: SampledInput, **names: tuple[str, ...]) -> CalibrationData:
    return read_calibration(path, inputs, names)


def refused(path: Path, *inputs: SampledInput, **names: tuple[str, ...]) -> str:
    with pytest.raises(InputError) as caught:
        read(path, *inputs, **names)
    return str(caught.value)


def test_samples_are_along_the_first_axis(path: Path) -> None:
    images, rows = np.arange(7 * 60.0).reshape(7, 4, 5, 3), np.arange(42.0).reshape(7, 6)
    np.savez(path, rows=rows, image=images)
    data = read(path, IMAGE, ROWS)
    assert data.held == len(data.samples) == 7
    for number, sample in enumerate(data.samples):
        np.testing.assert_array_equal(sample["image"], images[number : number + 1])
        np.testing.assert_array_equal(sample["rows"], rows[number : number + 1])
        assert sample["image"].dtype == np.float32


@pytest.mark.parametrize("name", ["image", "pixels", "the user's"])
def test_any_name_of_an_input_will_do(path: Path, name: str) -> None:
    np.savez(path, **{name: np.ones((2, 4, 5, 3))})
    assert len(read(path, IMAGE, image=("pixels", "the user's")).samples) == 2


def test_arrays_saved_without_names_come_in_the_order_of_the_inputs(path: Path) -> None:
    np.savez(path, np.ones((2, 4, 5, 3)), np.full((2, 6), 7.0))
    assert float(read(path, IMAGE, ROWS).samples[0]["rows"].max()) == 7


def test_what_fits_no_input_is_refused_with_both_sides_listed(path: Path) -> None:
    np.savez(path, left=np.ones((2, 6)), rihgt=np.ones((2, 6)))
    left, right = (SampledInput(name=f"serving_default_{side}:0", shape=(1, 6)) for side in ("left", "right"))
    names = {left.name: ("left",), right.name: ("right",)}
    with pytest.raises(InputError) as caught:
        read_calibration(path, [left, right], names)
    text = str(caught.value)
    assert "input 'serving_default_right:0' has no array" in text
    assert "array 'rihgt' fits no input" in text
    assert "the file contains left, rihgt" in text
    assert "serving_default_left:0 or left, serving_default_right:0 or right" in text


@pytest.mark.parametrize("held", [{"image": (2, 4, 5, 3), "labels": (2,)}, {"rows": (2, 6)}, {}])
def test_arrays_too_many_or_too_few_are_refused(path: Path, held: dict[str, tuple[int, ...]]) -> None:
    np.savez(path, **{name: np.ones(shape) for name, shape in held.items()})
    assert "the model takes image" in refused(path, IMAGE)


@pytest.mark.parametrize(
    ("shape", "given", "samples"),
    [
        ((1, 4, 5, 3), (4, 5, 3), 1),
        ((1, 4, 5, 3), (1, 4, 5, 3), 1),
        ((1, 4, 5, 3), (9, 1, 4, 5, 3), 9),
        ((6,), (6,), 1),
        ((6,), (9, 6), 9),
        ((), (9,), 9),
        ((), (), 1),
        ((4, 6), (8, 6), 2),
        ((4, 6), (9, 6), 2),
        ((4, 6), (3, 4, 6), 3),
        ((1, 1), (5, 1), 5),
    ],
)
def test_shapes_show_where_the_samples_are(
    path: Path, shape: tuple[int, ...], given: tuple[int, ...], samples: int
) -> None:
    array = np.random.default_rng(0).standard_normal(given).astype(np.float32)
    np.savez(path, x=array)
    found = read(path, SampledInput(name="x", shape=shape)).samples
    assert [sample["x"].shape for sample in found] == [shape] * samples
    size = int(np.prod(shape))
    np.testing.assert_array_equal(np.concatenate([s["x"].ravel() for s in found]), array.ravel()[: samples * size])


@pytest.mark.parametrize("given", [(9, 8, 3), (9, 4, 5, 4), (0, 4, 5, 3), (4,), (2, 2, 4, 5, 3)])
def test_other_shapes_are_refused(path: Path, given: tuple[int, ...]) -> None:
    np.savez(path, image=np.zeros(given))
    text = refused(path, IMAGE)
    assert f"has the shape [{','.join(map(str, given))}]" in text
    assert "give [N,4,5,3]" in text


def test_arrays_are_laid_out_as_in_the_model_that_a_file_was_made_from(path: Path) -> None:
    """Channels first in the user's ONNX file, last in what it was converted to."""
    images = np.random.default_rng(0).standard_normal((3, 3, 4, 5)).astype(np.float32)
    np.savez(path, image=images)
    port = SampledInput(name="image", shape=(1, 4, 5, 3), layout=(0, 2, 3, 1))
    for number, sample in enumerate(read(path, port).samples):
        np.testing.assert_array_equal(sample["image"], images[number : number + 1].transpose(0, 2, 3, 1))
    np.savez(path, image=images.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(read(path, port).samples[2]["image"], images[2:3].transpose(0, 2, 3, 1))


def test_integers_of_the_models_own_type_represent_real_numbers(path: Path) -> None:
    np.savez(path, x=np.array([[0, 100, 255]], np.uint8))
    given = SampledInput(name="x", shape=(1, 3), dtype="uint8", scale=(0.5, 100))
    np.testing.assert_array_equal(read(path, given).samples[0]["x"], [[-50.0, 0.0, 77.5]])
    np.savez(path, x=np.array([[0, 100, 255]], np.float32))
    np.testing.assert_array_equal(read(path, given).samples[0]["x"], [[0.0, 100.0, 255.0]])


def test_indices_stay_indices(path: Path) -> None:
    np.savez(path, ids=np.array([[5, 7]]))
    value = read(path, SampledInput(name="ids", shape=(1, 2), dtype="int32")).samples[0]["ids"]
    assert value.dtype.kind == "i"


def test_inputs_need_as_many_samples_unless_one_serves_all(path: Path) -> None:
    np.savez(path, image=np.ones((3, 4, 5, 3)), rows=np.ones((1, 6)))
    assert len(read(path, IMAGE, ROWS).samples) == 3
    np.savez(path, image=np.ones((3, 4, 5, 3)), rows=np.ones((2, 6)))
    assert "image: 3, rows: 2" in refused(path, IMAGE, ROWS)


def test_of_very_many_samples_some_are_used(path: Path) -> None:
    np.savez(path, rows=np.repeat(np.arange(1000.0)[:, None], 6, axis=1))
    data = read(path, ROWS)
    assert (data.held, len(data.samples)) == (1000, MOST_SAMPLES)
    assert [float(sample["rows"][0, 0]) for sample in (data.samples[0], data.samples[-1])] == [0.0, 999.0]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 6), np.nan), "not finite"),
        (np.full((2, 6), np.inf), "not finite"),
        (np.full((2, 6), "a"), "not numbers"),
        (np.full((2, 6), None), "Python objects"),
    ],
)
def test_what_is_not_a_number_is_refused(path: Path, array: np.ndarray, words: str) -> None:
    np.savez(path, rows=array)
    assert words in refused(path, ROWS)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert f"--calibration {path}: not an .npz file" in refused(path, ROWS)
