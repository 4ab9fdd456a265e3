"""Small networks of the common families, with the inputs that they take. Each is a function without arguments."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[Tensor, ...]]


def convolution(channels_in: int, channels: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(channels)
    )


class Residual(nn.Module):
    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(channels_in, channels, 3, stride)
        self.second = convolution(channels, channels)
        self.shortcut = convolution(channels_in, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 8, 7, 2)
        self.blocks = nn.Sequential(Residual(8, 8, 1), Residual(8, 16, 2))
        self.head = nn.Linear(16, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(image)), 3, 2, 1)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(self.blocks(x), 1), 1))


class MobileNet(nn.Module):
    """An inverted residual with squeeze and excitation, as MobileNetV3 has."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 8, 3, 2)
        self.expand = convolution(8, 24, 1)
        self.depthwise = convolution(24, 24, 5, 1, 24)
        self.squeeze = nn.Conv2d(24, 8, 1)
        self.excite = nn.Conv2d(8, 24, 1)
        self.project = convolution(24, 8, 1)
        self.head = nn.Linear(8, 6)

    def forward(self, image: Tensor) -> Tensor:
        x = F.hardswish(self.stem(image))
        y = F.hardswish(self.depthwise(F.hardswish(self.expand(x))))
        scale = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        return self.head((x + self.project(y * scale)).mean((2, 3)))


class DsCnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 12, (10, 4), 2, (5, 1)), nn.BatchNorm2d(12), nn.ReLU())
        self.depthwise = convolution(12, 12, 3, 1, 12)
        self.pointwise = convolution(12, 12, 1)
        self.head = nn.Linear(12, 12)

    def forward(self, features: Tensor) -> Tensor:
        x = F.relu(self.pointwise(F.relu(self.depthwise(self.stem(features)))))
        return F.softmax(self.head(F.avg_pool2d(x, (25, 5)).flatten(1)), -1)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = convolution(1, 6)
        self.bottom = convolution(6, 12)
        self.up = nn.ConvTranspose2d(12, 6, 2, 2)
        self.out = nn.Conv2d(12, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        a = F.relu(self.down(image))
        return self.out(torch.cat([a, self.up(F.relu(self.bottom(F.max_pool2d(a, 2))))], 1))


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(10, 12, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(self.recurrent(frames)[0][:, -1])


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(10, 12, 2, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(self.recurrent(frames)[0][:, -1])


class VitBlock(nn.Module):
    """Patches, a class token, and attention written out."""

    def __init__(self, width: int = 24, heads: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.after = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.head = nn.Linear(width, 4)
        self.heads = heads

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        batch, length, width = x.shape
        q, k, v = self.qkv(self.before(x)).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q @ k.transpose(-2, -1)) / math.sqrt(width // self.heads)).softmax(-1)
        x = x + (weights @ v).transpose(1, 2).reshape(batch, length, width)
        return self.head((x + self.mlp(self.after(x)))[:, 0])


class BertBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
        self.head = nn.Linear(16, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.encoder(self.embedding(tokens)).mean(1))


class Tcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv1d(4, 8, 1)
        self.layers = nn.ModuleList(nn.Conv1d(8, 8, 3, dilation=2**level) for level in range(3))
        self.head = nn.Linear(8, 3)

    def forward(self, samples: Tensor) -> Tensor:
        x = self.widen(samples)
        for level, layer in enumerate(self.layers):
            x = x + F.relu(layer(F.pad(x, (2 << level, 0))))
        return self.head(x[:, :, -1])


class Crnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = convolution(1, 6)
        self.recurrent = nn.GRU(6 * 8, 10, bidirectional=True, batch_first=True)
        self.head = nn.Linear(20, 7)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.features(image)), 2)
        batch, channels, height, width = x.shape
        return self.head(self.recurrent(x.permute(0, 3, 1, 2).reshape(batch, width, channels * height))[0])


def trained(module: nn.Module) -> nn.Module:
    """In evaluation mode, with statistics as if it had been trained."""
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(part.running_mean, 0, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module.eval()


def resnet() -> Made:
    return trained(ResNet()), (torch.randn(1, 3, 48, 48),)


def mobilenet() -> Made:
    return trained(MobileNet()), (torch.randn(1, 3, 32, 32),)


def ds_cnn() -> Made:
    return trained(DsCnn()), (torch.randn(1, 1, 49, 10),)


def unet() -> Made:
    return trained(UNet()), (torch.randn(1, 1, 16, 16),)


def gru() -> Made:
    return trained(Gru()), (torch.randn(1, 8, 10),)


def lstm() -> Made:
    return trained(Lstm()), (torch.randn(1, 8, 10),)


def vit_block() -> Made:
    return trained(VitBlock()), (torch.randn(1, 3, 24, 24),)


def bert_block() -> Made:
    return trained(BertBlock()), (torch.randint(0, 50, (1, 12)),)


def auto_encoder() -> Made:
    layers = [nn.Linear(40, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4), nn.LeakyReLU(0.2), nn.Linear(4, 40)]
    return trained(nn.Sequential(*layers)), (torch.randn(1, 40),)


def tcn() -> Made:
    return trained(Tcn()), (torch.randn(1, 4, 30),)


def crnn() -> Made:
    return trained(Crnn()), (torch.randn(1, 1, 16, 12),)


FAMILIES: dict[str, Callable[[], Made]] = {
    family.__name__: family
    for family in (resnet, mobilenet, ds_cnn, unet, gru, lstm, vit_block, bert_block, auto_encoder, tcn, crnn)
}
