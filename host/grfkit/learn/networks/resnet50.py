"""ResNet50 without its classifier (He et al. 2016, doi 10.1109/CVPR.2016.90), with the names of torchvision's weights.

The stride of a block is in its 3 x 3 convolution, as in the weights that torchvision hands out ("version 1.5").
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from .imagenet import ImagenetBody, ImagenetConfig

BLOCKS = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""Blocks of each stage, their width, and the stride of the first: the table of the paper for 50 layers."""
WIDER = 4
"""How many times as wide a block's output is as its width."""


class Resnet50Config(ImagenetConfig):
    """ResNet50 over signals as a picture; 23.5 million parameters without its classifier, 4.1 GMAC at 224 pixels."""

    name: Literal["resnet50"] = "resnet50"
    pixels: int = Field(default=224, ge=64, le=512)

    def body(self, channels: int) -> ImagenetBody:
        """Return trunk and decoder."""
        return ImagenetBody(Resnet50(), BLOCKS[-1][1] * WIDER, channels, self)


class Bottleneck(nn.Module):  # type: ignore[misc]
    """1 x 1, 3 x 3, 1 x 1, and the input added."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * WIDER
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            around = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class Resnet50(nn.Module):  # type: ignore[misc]
    """Pictures (batch, 3, rows, columns) to the last map (batch, 2048, rows / 32, columns / 32)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64)
        width = 64
        for k, (count, of_block, stride) in enumerate(BLOCKS):
            blocks = []
            for i in range(count):
                blocks.append(Bottleneck(width, of_block, 1 if i else stride))
                width = of_block * WIDER
            self.add_module(f"layer{k + 1}", nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for k in range(len(BLOCKS)):
            x = getattr(self, f"layer{k + 1}")(x)
        return x
