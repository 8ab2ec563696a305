"""Convolutions before an LSTM, in one and two dimensions, and the multilayer perceptron."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from .base import Body, NetworkConfig
from .convolutional import Cnn1d, Cnn2d, _ConvConfig


class Cnn1dLstmConfig(_ConvConfig):
    """1D convolutions over time, then an LSTM in both directions."""

    name: Literal["cnn1d_lstm"] = "cnn1d_lstm"
    layers: int = Field(default=2, ge=1, le=12)
    maps: int = Field(default=64, ge=1, le=1024)
    both: bool = True

    def body(self, channels: int) -> Body:
        """Return convolutions and LSTM."""
        return ThenLstm(Cnn1d(channels, self.maps, self.kernel, self.layers, 1), self.hidden, both=self.both)


class Cnn2dLstmConfig(_ConvConfig):
    """2D convolutions over channels and time, then an LSTM (systems.md 4.3: a reconstruction, not a replication)."""

    name: Literal["cnn2d_lstm"] = "cnn2d_lstm"
    maps: tuple[int, int] = (32, 64)
    rows: int = Field(default=3, ge=1, le=15)
    both: bool = False

    def body(self, channels: int) -> Body:
        """Return convolutions and LSTM."""
        rows = self._odd(self.rows)
        return ThenLstm(Cnn2d(channels, self.maps, rows, self.kernel, 0), self.hidden, both=self.both)


class MlpConfig(NetworkConfig):
    """Dense layers on each sample with ``context`` samples before and after it (zeros beyond the window)."""

    name: Literal["mlp"] = "mlp"
    hidden: int = Field(default=128, ge=1, le=4096)
    layers: int = Field(default=2, ge=1, le=8)
    context: int = Field(default=20, ge=0, le=500)

    def body(self, channels: int) -> Body:
        """Return the dense layers."""
        return Mlp(channels, self)


class ThenLstm(Body):
    """A body, then one LSTM layer."""

    def __init__(self, before: Body, hidden: int, *, both: bool) -> None:
        super().__init__()
        self.before = before
        self.lstm = nn.LSTM(before.features, hidden, batch_first=True, bidirectional=both)
        self.features = hidden * (2 if both else 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, time, features) of inputs (batch, time, channels)."""
        return self.lstm(self.before(inputs))[0]

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the LSTM's parameters, then those of the body before it."""
        return [list(self.lstm.parameters()), *self.before.stages()]


class Mlp(Body):
    """Dense layers over a sample and its neighbours; the first layer is a convolution as wide as they are."""

    def __init__(self, channels: int, config: MlpConfig) -> None:
        super().__init__()
        self.features = config.hidden
        # one kernel over all neighbours: the same sums as a dense layer on each neighbourhood, without copying it
        self.first = nn.Conv1d(channels, config.hidden, 2 * config.context + 1, padding=config.context)
        self.rest = nn.ModuleList(nn.Linear(config.hidden, config.hidden) for _ in range(config.layers - 1))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, time, features) of inputs (batch, time, channels)."""
        x = functional.relu(self.first(inputs.transpose(1, 2))).transpose(1, 2)
        for layer in self.rest:
            x = functional.relu(layer(self.dropout(x)))
        return x

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters by layer, the last layer first."""
        return [list(m.parameters()) for m in [*reversed(self.rest), self.first]]
