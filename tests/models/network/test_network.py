import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebench.errors import InputError
from edgebench.models.network import INPUT, Network, NetworkBuilder, same_padding
from edgebench.models.network.layers import Activation, Add, Conv2D
from edgebench.models.zoo import round_channels, zoo_entries, zoo_entry
from tests.models.network_strategies import networks


@pytest.mark.parametrize(
    ("name", "macs"), [("ds-cnn", 2_656_768), ("resnet8", 12_501_632), ("fc-autoencoder", 264_192)]
)
def test_reference_networks_have_the_published_macs(name: str, macs: int) -> None:
    assert zoo_entry(name).build().macs == macs


def test_mobilenet_v2_has_the_published_parameters() -> None:
    """3,504,872 with batch normalisation's scale and shift (torchvision's mobilenet_v2)."""
    assert zoo_entry("mobilenet-v2-1.0-224").build().trainable_parameters == 3_504_872


def test_any_width_and_size_of_mobilenet_v2_can_be_had() -> None:
    assert zoo_entry("mobilenet-v2-0.5-64").build().input_shape == (64, 64, 3)
    for name in ("mobilenet-v2-9.0-224", "mobilenet-v2-1.0-9", "nothing"):
        with pytest.raises(InputError):
            zoo_entry(name)


def test_names_are_unique_and_sources_given() -> None:
    entries = zoo_entries()
    assert len({entry.name for entry in entries}) == len(entries)
    assert all(entry.source and entry.task for entry in entries)


@given(st.integers(1, 64), st.integers(1, 9), st.integers(1, 4))
def test_same_padding_divides_the_size_rounding_up(size: int, kernel: int, stride: int) -> None:
    padding = same_padding((size, size), (kernel, kernel), (stride, stride))
    assert 0 <= padding.bottom - padding.top <= 1
    output = (size + padding.height - kernel) // stride + 1 if size + padding.height >= kernel else 0
    assert output == -(-size // stride)


@given(st.floats(1, 2000))
def test_channels_are_rounded_to_eights_by_at_most_a_tenth_down(channels: float) -> None:
    rounded = round_channels(channels)
    assert rounded % 8 == 0
    assert rounded >= 0.9 * channels


@given(networks())
def test_counts_are_consistent(network: Network) -> None:
    assert network.macs >= 0
    assert network.trainable_parameters >= network.parameters > 0
    assert network.activation_elements >= 1


def test_contradictory_networks_are_refused() -> None:
    conv = Conv2D(name="conv", inputs=(INPUT,), filters=4, kernel=(3, 3))
    with pytest.raises(InputError, match="two layers"):
        Network(name="n", input_shape=(8, 8, 3), layers=(conv, conv))
    with pytest.raises(InputError, match="not before it"):
        Network(name="n", input_shape=(8, 8, 3), layers=(Activation(name="a", inputs=("b",), kind="relu"),))
    with pytest.raises(InputError, match="does not fit"):
        Network(name="n", input_shape=(2, 2, 3), layers=(conv,))
    with pytest.raises(InputError, match="equal shapes"):
        Network(name="n", input_shape=(8, 8, 3), layers=(conv, Add(name="add", inputs=(INPUT, "conv"))))
    with pytest.raises(InputError, match="no layers"):
        NetworkBuilder("n", (8, 8, 3)).build()
