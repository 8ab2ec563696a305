"""Convolutional networks: TCN, 1D-CNN over time, 2D-CNN over channels and time."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn import functional

from .base import Body, NetworkConfig

MOST_BACK = 65535
"""Samples that the last level of dilated convolutions may reach: more than any window has, and what C counts with."""


class _ConvConfig(NetworkConfig):
    hidden: int = Field(default=64, ge=1, le=4096)
    kernel: int = Field(default=5, ge=1, le=101)

    @field_validator("kernel")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"kernel is {value}; expected an odd number, so that no output is shifted")
        return value


class _DilatedConfig(_ConvConfig):
    layers: int = Field(default=4, ge=1, le=12)
    dilation: int = Field(default=2, ge=1, le=4)

    @model_validator(mode="after")
    def _within_reach(self) -> _DilatedConfig:
        reach = max(self.kernel - 1, 1) * self.dilation ** (self.layers - 1)
        if reach > MOST_BACK:
            raise ValueError(
                f"layer {self.layers} of kernel {self.kernel} and dilation {self.dilation} reaches {reach} samples;"
                f" expected at most {MOST_BACK}: take fewer layers"
            )
        return self


class TcnConfig(_DilatedConfig):
    """Dilated convolutions with residuals (Bai et al. 2018, arXiv:1803.01271).

    Level k looks ``convolutions * (kernel - 1) * dilation**k`` samples further: into the past only, or ``centred`` half
    of it either way, for windows that are whole when they are answered. One convolution a level, as in Farha and Gall
    2019 (doi 10.1109/CVPR.2019.00369), costs an interpreter half the calls; a dilation of 3 spares it levels.
    """

    name: Literal["tcn"] = "tcn"
    convolutions: int = Field(default=2, ge=1, le=2)
    centred: bool = False

    @property
    def causal(self) -> bool:
        """Return whether it sees the past only."""
        return not self.centred

    def body(self, channels: int) -> Body:
        """Return the convolutional part."""
        return Tcn(channels, self)


class Cnn1dConfig(_DilatedConfig):
    """Centred convolutions over time, of growing dilation."""

    name: Literal["cnn1d"] = "cnn1d"

    def body(self, channels: int) -> Body:
        """Return the convolutional part."""
        return Cnn1d(channels, self.hidden, self.kernel, self.layers, self.dilation)


class Cnn2dConfig(_ConvConfig):
    """Two convolutions over channels (as rows) and time, rows pooled, then a dense layer per time step."""

    name: Literal["cnn2d"] = "cnn2d"
    maps: tuple[int, int] = (16, 32)
    rows: int = Field(default=3, ge=1, le=15)

    @field_validator("rows")
    @classmethod
    def _odd_rows(cls, value: int) -> int:
        return cls._odd(value)

    def body(self, channels: int) -> Body:
        """Return the convolutional part."""
        return Cnn2d(channels, self.maps, self.rows, self.kernel, self.hidden)


class TcnBlock(nn.Module):  # type: ignore[misc]
    """Convolutions of one dilation, causal or centred, with a residual around them."""

    def __init__(self, inputs: int, config: TcnConfig, dilation: int) -> None:
        super().__init__()
        outputs, kernel, reach = config.hidden, config.kernel, (config.kernel - 1) * dilation
        # causal: all padding before the first sample, none after the last
        self.pad = (reach // 2, reach // 2) if config.centred else (reach, 0)
        self.first = nn.Conv1d(inputs, outputs, kernel, dilation=dilation)
        self.norm_first = nn.BatchNorm1d(outputs)
        self.second, self.norm_second = None, None
        if config.convolutions == 2:
            self.second = nn.Conv1d(outputs, outputs, kernel, dilation=dilation)
            self.norm_second = nn.BatchNorm1d(outputs)
        self.dropout = nn.Dropout(config.dropout)
        # only the first block changes the width; elsewhere the residual is the input itself
        self.around = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, outputs, time) of (batch, inputs, time)."""
        y = functional.relu(self.norm_first(self.first(functional.pad(x, self.pad))))
        if self.second is not None and self.norm_second is not None:
            y = functional.relu(self.norm_second(self.second(functional.pad(self.dropout(y), self.pad))))
        return functional.relu(self.dropout(y) + self.around(x))


class _Blocks(Body):
    blocks: nn.ModuleList

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, time, features) of inputs (batch, time, channels)."""
        x = inputs.transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return x.transpose(1, 2)

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters by block, the last block first."""
        return [list(block.parameters()) for block in reversed(self.blocks)]


class Tcn(_Blocks):
    """Blocks of growing dilation."""

    def __init__(self, channels: int, config: TcnConfig) -> None:
        super().__init__()
        self.features = config.hidden
        widths = [channels] + [config.hidden] * config.layers
        self.blocks = nn.ModuleList(
            TcnBlock(inputs, config, config.dilation**k) for k, inputs in enumerate(widths[:-1])
        )


class Cnn1d(_Blocks):
    """Convolution, batch norm and ReLU, ``layers`` times, the length kept."""

    def __init__(self, channels: int, hidden: int, kernel: int, layers: int, dilation: int) -> None:
        super().__init__()
        self.features = hidden
        widths = [channels] + [hidden] * layers
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(a, b, kernel, padding=(kernel - 1) // 2 * dilation**k, dilation=dilation**k),
                nn.BatchNorm1d(b),
                nn.ReLU(),
            )
            for k, (a, b) in enumerate(pairwise(widths))
        )


class Cnn2d(Body):
    """Conv - norm - ReLU - pool over rows - conv - norm - ReLU; all rows of a time step are its features.

    A layout of ours after the default of the 2D-CNN-LSTM (systems.md 4.3, a reconstruction); ``hidden`` 0 leaves out
    the dense layer.
    """

    def __init__(self, channels: int, maps: tuple[int, int], rows: int, kernel: int, hidden: int) -> None:
        super().__init__()
        pad = ((rows - 1) // 2, (kernel - 1) // 2)
        # few rows are kept: pooled, 2 or 3 channels would be one
        self.pool = 2 if channels >= 4 else 1
        self.first = nn.Sequential(nn.Conv2d(1, maps[0], (rows, kernel), padding=pad), nn.BatchNorm2d(maps[0]))
        self.second = nn.Sequential(nn.Conv2d(maps[0], maps[1], (rows, kernel), padding=pad), nn.BatchNorm2d(maps[1]))
        flat = maps[1] * (channels // self.pool)
        self.features = hidden or flat
        self.dense = nn.Linear(flat, hidden) if hidden else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, time, features) of inputs (batch, time, channels)."""
        x = inputs.transpose(1, 2)[:, None]
        x = functional.max_pool2d(functional.relu(self.first(x)), (self.pool, 1))
        x = functional.relu(self.second(x)).flatten(1, 2).transpose(1, 2)
        return x if self.dense is None else functional.relu(self.dense(x))

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters by layer, the last layer first."""
        layers = [m for m in (self.dense, self.second, self.first) if m is not None]
        return [list(m.parameters()) for m in layers]
