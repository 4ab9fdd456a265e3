"""Functions of a user's own code that make networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.pointwise(self.norm(self.depthwise(x)).relu()))


class Chain(nn.Module):
    """A stem, residual blocks of a number, with kernels, that are chosen, and a classifier."""

    def __init__(self, choice: Mapping[str, Any]) -> None:
        super().__init__()
        width, depth = choice["width"], choice["depth"]
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6())
        self.blocks = nn.ModuleList(Residual(width, choice[f"kernel{number + 1}"]) for number in range(depth))
        self.classifier = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))


class Scaled(nn.Module):
    """Its width is decided by two choices together, and each part reads what the one before the last gave."""

    def __init__(self, choice: Mapping[str, Any]) -> None:
        super().__init__()
        width = choice["width"]
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, choice["kernel"], padding=choice["kernel"] // 2)
        self.third = nn.Conv2d(2 * width, width, 1)
        self.drop = nn.Dropout(float(torch.linspace(0, 0.2, 3)[1].item()))
        self.last = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        joined = self.third(torch.cat([first, self.second(first)], 1))
        return self.last(self.drop(joined.mean((2, 3))))


class TwoInputs(nn.Module):
    """An image and a vector of measurements."""

    def __init__(self, choice: Mapping[str, Any]) -> None:
        super().__init__()
        width = choice["width"]
        self.image = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.sensor = nn.Sequential(nn.Linear(6, width), nn.ReLU())
        self.head = nn.Linear(2 * width, choice["classes"])

    def forward(self, image: Tensor, sensor: Tensor) -> Tensor:
        return self.head(torch.cat([self.image(image), self.sensor(sensor)], dim=1))


def chain(choice: Mapping[str, Any]) -> nn.Module:
    return Chain(choice)


def scaled(choice: Mapping[str, Any]) -> nn.Module:
    return Scaled(choice)


def two_inputs(choice: Mapping[str, Any]) -> nn.Module:
    return TwoInputs(choice)


def with_a_recurrent_layer(choice: Mapping[str, Any]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, choice["width"], 3), nn.Hardsigmoid())


def failing(choice: Mapping[str, Any]) -> nn.Module:
    raise KeyError(str(choice))


def number(choice: Mapping[str, Any]) -> int:
    return int(choice["width"])
