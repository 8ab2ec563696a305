"""Recurrent networks: BiLSTM (the default), LSTM (causal, step by step) and GRU."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from torch import Tensor, nn

from .base import Body, NetworkConfig


class _RecurrentConfig(NetworkConfig):
    hidden: int = Field(default=64, ge=1, le=4096)
    layers: int = Field(default=1, ge=1, le=8)


class BilstmConfig(_RecurrentConfig):
    """LSTM in both directions, ``hidden`` units each; sees the whole window.

    Carter 2024 (doi 10.7717/peerj.17896): hidden 512, head (64, 32), dropout_in .2, dropout .2, statics tiled.
    """

    name: Literal["bilstm"] = "bilstm"

    def body(self, channels: int) -> Body:
        """Return the recurrent part."""
        return Recurrent(nn.LSTM, channels, self, both=True)


class LstmConfig(_RecurrentConfig):
    """LSTM that sees the past only, so that a device can run it sample by sample."""

    name: Literal["lstm"] = "lstm"

    @property
    def causal(self) -> bool:
        """Return that it sees the past only."""
        return True

    def body(self, channels: int) -> Body:
        """Return the recurrent part."""
        return Recurrent(nn.LSTM, channels, self, both=False)


class GruConfig(_RecurrentConfig):
    """GRU, of the past only or in both directions."""

    name: Literal["gru"] = "gru"
    both: bool = False

    @property
    def causal(self) -> bool:
        """Return whether it sees the past only."""
        return not self.both

    def body(self, channels: int) -> Body:
        """Return the recurrent part."""
        return Recurrent(nn.GRU, channels, self, both=self.both)


class Recurrent(Body):
    """Layers of one kind of recurrent cell; dropout between layers as between dense layers."""

    def __init__(self, cell: Any, channels: int, config: _RecurrentConfig, *, both: bool) -> None:
        super().__init__()
        self.features = config.hidden * (2 if both else 1)
        # torch warns of a dropout that a single layer cannot apply
        between = config.dropout if config.layers > 1 else 0.0
        self.cell = cell(channels, config.hidden, config.layers, batch_first=True, bidirectional=both, dropout=between)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return features (batch, time, features) of inputs (batch, time, channels)."""
        return self.cell(inputs)[0]

    def step(self, inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the features of the next samples and the state after them; one direction only."""
        features, after = self.cell(inputs, state)
        return features, after

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters by layer, the last layer first."""
        by_layer: dict[int, list[nn.Parameter]] = {}
        for name, parameter in self.cell.named_parameters():
            # torch's names: weight_ih_l0, bias_hh_l1_reverse
            by_layer.setdefault(int(name.removesuffix("_reverse").rsplit("_l", 1)[1]), []).append(parameter)
        return [by_layer[k] for k in sorted(by_layer, reverse=True)]
