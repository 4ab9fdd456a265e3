"""Random networks for property tests."""

from hypothesis import strategies as st

from edgebench.models.network import Network, NetworkBuilder, same_padding
from edgebench.models.network.layers import Activation, AveragePool2D, MaxPool2D, Pad, Padding

ACTIVATIONS = st.sampled_from(["none", "relu", "relu6", "sigmoid", "tanh", "hard_swish"])


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Images of odd sizes through every kind of layer, with SAME, VALID and symmetric padding."""
    size = (draw(st.integers(5, 12)), draw(st.integers(5, 12)))
    builder = NetworkBuilder("random", (*size, draw(st.integers(1, 5))))
    builder.conv(draw(st.integers(1, 8)), 3, activation=draw(ACTIVATIONS))
    steps = (_conv, _depthwise, _residual, _branches, _pool, _plain)
    for index in range(draw(st.integers(1, 5))):
        draw(st.sampled_from(steps))(builder, draw, index)
    ending = draw(st.sampled_from(["image", "pooled", "dense", "softmax"]))
    if ending == "pooled":
        builder.global_average_pool()
    elif ending != "image":
        builder.dense(draw(st.integers(1, 6)), activation=draw(ACTIVATIONS))
        if ending == "softmax":
            builder.softmax()
    return builder.build()


def _window(builder: NetworkBuilder, draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int], Padding]:
    height, width, _ = builder.shape()
    kernel = (draw(st.integers(1, min(5, height))), draw(st.integers(1, min(5, width))))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    symmetric = Padding(top=kernel[0] // 2, bottom=kernel[0] // 2, left=kernel[1] // 2, right=kernel[1] // 2)
    padding = draw(st.sampled_from([Padding(), symmetric, same_padding((height, width), kernel, stride)]))
    return kernel, stride, padding


def _conv(builder: NetworkBuilder, draw: st.DrawFn, _: int) -> None:
    kernel, stride, padding = _window(builder, draw)
    builder.conv(draw(st.integers(1, 8)), kernel, stride, padding=padding, activation=draw(ACTIVATIONS))


def _depthwise(builder: NetworkBuilder, draw: st.DrawFn, _: int) -> None:
    kernel, stride, padding = _window(builder, draw)
    # LiteRT's depthwise kernels take one stride for both axes.
    builder.depthwise(
        kernel, stride[0], padding=_fitted(builder, kernel, stride, padding), activation=draw(ACTIVATIONS)
    )


def _fitted(builder: NetworkBuilder, kernel: tuple[int, int], stride: tuple[int, int], padding: Padding) -> Padding:
    height, width, _ = builder.shape()
    same = same_padding((height, width), kernel, stride)
    return same_padding((height, width), kernel, (stride[0], stride[0])) if padding == same else padding


def _residual(builder: NetworkBuilder, draw: st.DrawFn, _: int) -> None:
    trunk = builder.last
    builder.depthwise(3, activation="relu6")
    builder.add(trunk, builder.conv(builder.shape(trunk)[2], activation="none"), activation=draw(ACTIVATIONS))


def _branches(builder: NetworkBuilder, draw: st.DrawFn, _: int) -> None:
    trunk = builder.last
    first = builder.conv(draw(st.integers(1, 4)), after=trunk)
    builder.concat(first, builder.conv(draw(st.integers(1, 4)), 3, after=trunk))


def _pool(builder: NetworkBuilder, draw: st.DrawFn, index: int) -> None:
    height, width, _ = builder.shape()
    kernel = (min(2, height), min(3, width))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    padding = draw(st.sampled_from([Padding(), same_padding((height, width), kernel, stride)]))
    kind = draw(st.sampled_from([AveragePool2D, MaxPool2D]))
    builder.add_layer(kind(name=f"pool_{index}", inputs=(builder.last,), kernel=kernel, stride=stride, padding=padding))


def _plain(builder: NetworkBuilder, draw: st.DrawFn, index: int) -> None:
    if draw(st.booleans()):
        padding = Padding(top=draw(st.integers(0, 2)), right=draw(st.integers(0, 2)))
        builder.add_layer(Pad(name=f"pad_{index}", inputs=(builder.last,), padding=padding))
    else:
        kind = draw(ACTIVATIONS.filter(lambda kind: kind != "none"))
        builder.add_layer(Activation(name=f"activation_{index}", inputs=(builder.last,), kind=kind))
