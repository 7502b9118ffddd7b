"""The LeNet-5 with 62,006 parameters for 3x32x32 images as a PyTorch module: tanh and average, or relu and max.

Convolutions of 6 and 16 maps, 2x2 pooling behind each, full connections of 120, 84 and 10 units. Every layer but the
last passes through batch normalisation before its activation, which folds into weights and biases on export. Maps are
flattened in PyTorch's order, channel, height, width; Keras flattens height, width, channel (see cifar10_keras.py).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["tanh", "relu"]


class LeNet5(nn.Module):
    """(n, 3, 32, 32) -> (n, 10) logits; `width` multiplies maps and units, for a teacher."""

    def __init__(self, activation: Activation, width: int = 1) -> None:
        super().__init__()
        maps, units = (6 * width, 16 * width), (120 * width, 84 * width)
        self.conv1 = nn.Sequential(nn.Conv2d(3, maps[0], 5, bias=False), nn.BatchNorm2d(maps[0]))
        self.conv2 = nn.Sequential(nn.Conv2d(maps[0], maps[1], 5, bias=False), nn.BatchNorm2d(maps[1]))
        self.full1 = nn.Sequential(nn.Linear(25 * maps[1], units[0], bias=False), nn.BatchNorm1d(units[0]))
        self.full2 = nn.Sequential(nn.Linear(*units, bias=False), nn.BatchNorm1d(units[1]))
        self.output = nn.Linear(units[1], 10)
        self.activation = {"tanh": torch.tanh, "relu": functional.relu}[activation]
        self.pool = {"tanh": nn.AvgPool2d(2), "relu": nn.MaxPool2d(2)}[activation]

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.conv1, self.conv2):
            x = self.pool(self.activation(layer(x)))
        x = x.flatten(1)
        for layer in (self.full1, self.full2):
            x = self.activation(layer(x))
        return self.output(x)
