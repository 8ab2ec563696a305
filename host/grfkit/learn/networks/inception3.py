"""Inception v3 without its classifiers (Szegedy et al. 2016, doi 10.1109/CVPR.2016.308).

Names of modules are those of torchvision's weights, so that a file of them loads.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from .imagenet import ImagenetBody, ImagenetConfig

EPSILON = 0.001
"""Of the batch norms: that of the published weights."""
_Size = int | tuple[int, int]


class Inception3Config(ImagenetConfig):
    """Inception v3 over signals as a picture; 21.8 million parameters without classifiers, 5.7 GMAC at 299 pixels."""

    name: Literal["inception3"] = "inception3"
    pixels: int = Field(default=299, ge=96, le=512)

    def body(self, channels: int) -> ImagenetBody:
        """Return trunk and decoder."""
        return ImagenetBody(Inception3(), 2048, channels, self)


class Convolution(nn.Module):  # type: ignore[misc]
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: _Size, *, stride: int = 1, padding: _Size = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=EPSILON)
        # as in the published code: truncated at two SD
        nn.init.trunc_normal_(self.conv.weight, std=0.1, a=-0.2, b=0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output."""
        return functional.relu(self.bn(self.conv(x)))


def _along(inputs: int, outputs: int) -> Convolution:
    return Convolution(inputs, outputs, (1, 7), padding=(0, 3))


def _across(inputs: int, outputs: int) -> Convolution:
    return Convolution(inputs, outputs, (7, 1), padding=(3, 0))


def _around(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, stride=1, padding=1)


class BlockA(nn.Module):  # type: ignore[misc]
    """1 x 1, 5 x 5, two 3 x 3, and the mean of neighbours, side by side."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 64, 1)
        self.branch5x5_1 = Convolution(inputs, 48, 1)
        self.branch5x5_2 = Convolution(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Convolution(inputs, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, padding=1)
        self.branch_pool = Convolution(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' maps."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat(
            [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), twice, self.branch_pool(_around(x))], 1
        )


class BlockB(nn.Module):  # type: ignore[misc]
    """Half the rows and columns: one 3 x 3, two 3 x 3, and the greatest of neighbours."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = Convolution(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = Convolution(inputs, 64, 1)
        self.branch3x3dbl_2 = Convolution(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Convolution(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' maps."""
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), twice, functional.max_pool2d(x, 3, stride=2)], 1)


class BlockC(nn.Module):  # type: ignore[misc]
    """7 x 7 as 1 x 7 and 7 x 1, once and twice."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 192, 1)
        self.branch7x7_1 = Convolution(inputs, width, 1)
        self.branch7x7_2 = _along(width, width)
        self.branch7x7_3 = _across(width, 192)
        self.branch7x7dbl_1 = Convolution(inputs, width, 1)
        self.branch7x7dbl_2 = _across(width, width)
        self.branch7x7dbl_3 = _along(width, width)
        self.branch7x7dbl_4 = _across(width, width)
        self.branch7x7dbl_5 = _along(width, 192)
        self.branch_pool = Convolution(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' maps."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_around(x))], 1)


class BlockD(nn.Module):  # type: ignore[misc]
    """Half the rows and columns again."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = Convolution(inputs, 192, 1)
        self.branch3x3_2 = Convolution(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Convolution(inputs, 192, 1)
        self.branch7x7x3_2 = _along(192, 192)
        self.branch7x7x3_3 = _across(192, 192)
        self.branch7x7x3_4 = Convolution(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' maps."""
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, functional.max_pool2d(x, 3, stride=2)], 1)


class BlockE(nn.Module):  # type: ignore[misc]
    """3 x 3 as 1 x 3 beside 3 x 1."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch1x1 = Convolution(inputs, 320, 1)
        self.branch3x3_1 = Convolution(inputs, 384, 1)
        self.branch3x3_2a = Convolution(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Convolution(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Convolution(inputs, 448, 1)
        self.branch3x3dbl_2 = Convolution(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Convolution(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Convolution(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Convolution(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the branches' maps."""
        once = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        apart = [self.branch3x3_2a(once), self.branch3x3_2b(once)]
        apart += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return torch.cat([self.branch1x1(x), *apart, self.branch_pool(_around(x))], 1)


class Inception3(nn.Module):  # type: ignore[misc]
    """Pictures (batch, 3, rows, columns) to the last map, 8 x 8 of 2048 at 299 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d = BlockC(768, 128), BlockC(768, 160), BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b, self.Mixed_7c = BlockE(1280), BlockE(2048)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, stride=2)))
        x = functional.max_pool2d(x, 3, stride=2)
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, f"Mixed_{name}")(x)
        return x
