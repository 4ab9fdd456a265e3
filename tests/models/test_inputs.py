import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebench.core.model import InputSource, TensorSpec
from edgebench.errors import InputError
from edgebench.models.input_file import array_shapes
from edgebench.models.inputs import make_inputs
from tests.models.small_model_files import archive


def spec(name: str, shape: tuple[int | None, ...], dtype: str = "float32", upper: int | None = None) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape, upper=upper)


def made(one: TensorSpec, **source: object) -> np.ndarray:
    return make_inputs([one], InputSource(**source))[one.name]  # type: ignore[arg-type]


DTYPES = [
    "float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "int64", "uint32",
    "uint64", "bool",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_is_made_as_asked_and_repeats(dtype: str) -> None:
    first, again, other = (made(spec("x", (4, 50), dtype), seed=seed) for seed in (1, 1, 2))
    assert first.dtype.name == dtype
    assert first.shape == (4, 50)
    assert (first == again).all()
    assert (first != other).any()


def test_an_input_does_not_depend_on_the_others() -> None:
    x, y = spec("x", (8,)), spec("y", (8,))
    both = make_inputs([y, x], InputSource())
    assert (both["x"] == made(x)).all()
    assert (both["x"] != both["y"]).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats_are_standard_normal(dtype: str) -> None:
    array = made(spec("x", (10_000,), dtype)).astype(np.float64)
    assert abs(array.mean()) < 0.05
    assert abs(array.std() - 1) < 0.05


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_quantised_values_cover_their_type(dtype: str) -> None:
    array = made(spec("x", (1_000_000,), dtype))
    limits = np.iinfo(dtype)
    assert (array.min(), array.max()) == (limits.min, limits.max)


@given(st.integers(1, 2**40), st.sampled_from(["int8", "uint8", "int32", "int64", "uint64"]), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_indices_are_within_their_table(upper: int, dtype: str, seed: int) -> None:
    array = made(spec("ids", (100,), dtype, upper), seed=seed)
    assert array.dtype == dtype
    assert 0 <= int(array.min()) <= int(array.max()) < upper


@pytest.mark.parametrize(
    ("name", "dtype", "value"),
    [
        ("attention_mask", "int64", 1),
        ("padding_mask", "bool", 1),
        ("state", "float32", 0),
        ("initial_state", "int8", 0),
        ("past_key_values.0.key", "float16", 0),
        ("h0", "float32", 0),
        ("c", "float32", 0),
        ("cache_3", "float32", 0),
        ("memory", "int64", 0),
        ("sr", "int64", 16000),
        ("sample_rate", "int32", 16000),
        ("input_lengths", "int64", 1),
    ],
)
def test_names_decide_the_role(name: str, dtype: str, value: int) -> None:
    array = made(spec(name, (2, 3), dtype))
    assert (array == value).all()
    assert array.dtype.name == dtype


@pytest.mark.parametrize("name", ["statement", "mask_logits", "scores", "channel", "image", "hidden_size_", "sr"])
def test_floats_are_random_whatever_their_name_but_states(name: str) -> None:
    array = made(spec(name, (50,)))
    assert (array == 0).all() if name == "hidden_size_" else np.unique(array).size > 40


def test_unknown_indices_are_zero_or_one() -> None:
    assert set(made(spec("token_type_ids", (100,), "int64")).tolist()) == {0, 1}
    assert set(made(spec("flag", (100,), "bool")).tolist()) == {False, True}
    assert set(made(spec("rates", (100,), "int64")).tolist()) == {0, 1}


@pytest.mark.parametrize("dtype", ["string", "sequence", "complex64", "type 99", "float8e4m3fn", "resource"])
def test_what_is_not_a_number_is_refused(dtype: str) -> None:
    with pytest.raises(InputError, match="feeds only tensors of numbers"):
        made(spec("x", (1,), dtype))


def test_shapes_come_from_the_user_where_the_model_leaves_them_open() -> None:
    assert made(spec("x", (None, 3)), shapes={"x": (5, 3)}).shape == (5, 3)
    assert made(spec("x", ())).shape == ()
    with pytest.raises(InputError, match=r"open dimensions: x\[3,\?\]"):
        made(spec("x", (3, None)), shapes={"y": (5, 3)})
    with pytest.raises(InputError, match="has the shape"):
        made(spec("x", (None, 3)), shapes={"x": (5, 4)})


def test_an_open_batch_is_1_or_that_of_another_input() -> None:
    def named(name: str, shape: tuple[int | None, ...], dimensions: tuple[str, ...]) -> TensorSpec:
        return TensorSpec(name=name, dtype="float32", shape=shape, dimensions=dimensions)

    image = named("image", (None, 3, 8, 8), ("N", "", "", ""))
    state = named("state", (2, None, 16), ("", "N", ""))
    plain = named("plain", (None, 7), ("", ""))
    found = make_inputs([image, state, plain], InputSource())
    assert {name: array.shape for name, array in found.items()} == {
        "image": (1, 3, 8, 8), "state": (2, 1, 16), "plain": (1, 7)
    }  # fmt: skip
    given = InputSource(shapes={"image": (4, 3, 8, 8)})
    assert make_inputs([image, state, plain], given)["state"].shape == (2, 4, 16)
    for shape, dimensions in (((None, 3), ("tokens", "")), ((None,), ("",)), ((None, 5), ("height", ""))):
        with pytest.raises(InputError, match="open dimensions"):
            make_inputs([named("x", shape, dimensions)], InputSource())


def test_inputs_too_large_together_are_refused() -> None:
    specs = [spec(name, (1 << 30,)) for name in "abcd"]
    with pytest.raises(InputError, match=r"16\.0 GiB together"):
        make_inputs(specs, InputSource())


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        made(spec("x", (1,)), seed=-1)


# ---- arrays from a file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inputs.npz"


def read(path: Path, *specs: TensorSpec) -> dict[str, np.ndarray]:
    return make_inputs(specs, InputSource(file=str(path)))


def refused(path: Path, *specs: TensorSpec) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path, *specs)
    return caught.value


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_they_were_written(path: Path, save: object) -> None:
    arrays = {"x": np.arange(12, dtype=np.float32).reshape(3, 4), "n": np.array(7), "t": np.ones((2, 3), np.int8).T}
    save(path, unused=np.zeros(1000), **arrays)  # type: ignore[operator]
    got = read(path, spec("x", (None, 4)), spec("n", (), "int64"), spec("t", (3, 2), "int8"))
    assert list(got) == ["x", "n", "t"]
    for name, array in arrays.items():
        assert (got[name] == array).all()
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        assert got[name].flags.c_contiguous
    assert array_shapes(path) == {"unused": (1000,), "x": (3, 4), "n": (), "t": (3, 2)}


def test_a_missing_array_says_what_the_file_holds(path: Path) -> None:
    np.savez(path, image=np.zeros(1), mask=np.zeros(1))
    error = refused(path, spec("x", (1,)))
    assert error.what == "no array named 'x'"
    assert "image, mask" in str(error.remedy)
    assert error.where == f"--inputs {path}"


def test_another_type_or_shape_is_refused(path: Path) -> None:
    np.savez(path, x=np.zeros((2, 3)), y=np.zeros((2, 3), ">f4"))
    assert refused(path, spec("x", (2, 3))).what == "input 'x' takes float32, but the file contains float64"
    assert "array.astype('float32')" in str(refused(path, spec("x", (2, 3))).remedy)
    assert "another byte order" in refused(path, spec("y", (2, 3))).what
    assert "has the shape [2,4], not [2,3]" in refused(path, spec("x", (2, 4), "float64")).what
    assert "feeds only numbers" in refused(path, spec("x", (2, 3), "string")).what


def test_objects_are_refused(path: Path) -> None:
    np.savez(path, x=np.array([{}, []], object))
    assert "Python objects" in refused(path, spec("x", (2,))).what


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x93NUMPY\x01\x00", archive({"x.npy": b"junk"})])
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refused(path, spec("x", (1,)))
    assert error.what.startswith("not an .npz file of plain arrays")
    assert "numpy.savez" in str(error.remedy)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.npz", spec("x", (1,))).what == "no such file"
    assert refused(tmp_path, spec("x", (1,))).what == "no such file"


def npy(header: str, data: bytes) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(2, 4611686018427387904, 8)", "(-1,)", "('a',)", "(1e9,)"])
def test_sizes_that_are_only_claimed_take_no_memory(path: Path, shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"
    path.write_bytes(archive({"x.npy": npy(header, bytes(64))}))
    assert "not an .npz file" in refused(path, spec("x", (None,))).what


def test_a_file_that_unpacks_to_much_is_not_unpacked(path: Path) -> None:
    """64 MB of zeros, in an archive of 64 KB, for an input of four values."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        content = io.BytesIO()
        np.save(content, np.zeros(1 << 24, np.float32))
        file.writestr("x.npy", content.getvalue())
    assert path.stat().st_size < 100_000
    assert "has the shape [4], not [16777216]" in refused(path, spec("x", (4,))).what


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_input_errors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    np.savez(path, x=np.ones((2, 3), np.float32))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        assert read(path, spec("x", (2, 3)))["x"].shape == (2, 3)
    except InputError as error:
        assert error.what
