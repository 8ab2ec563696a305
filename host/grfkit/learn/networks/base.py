"""What all networks share: settings, shape, input dropout, statics and the dense head."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ...errors import BadInputError
from .statics import Film, tiled

Statics = Literal["tile", "concat", "film"]


class NetworkConfig(BaseModel):
    """What every network is asked for; each network's own configuration adds to it.

    Attributes
    ----------
    head
        Widths of the dense ReLU layers between the body and the output, applied at every time step.
    dropout_in, dropout
        Share of inputs, and of what enters each dense layer, set to zero while training.
    statics_by
        How static features enter: ``tile`` as constant channels, ``concat`` beside the body's features before the
        head, ``film`` as a gain and an offset of each of these features.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    head: tuple[int, ...] = (64,)
    dropout_in: float = Field(default=0.0, ge=0, lt=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    statics_by: Statics = "concat"

    @property
    def causal(self) -> bool:
        """Return whether an answer hangs on the past alone, so that the network can answer sample by sample."""
        return False

    def body(self, channels: int) -> Body:
        """Return the part between inputs and head, untrained."""
        raise NotImplementedError


class Shape(NamedTuple):
    """Numbers of input channels, of static features and of output axes."""

    channels: int
    statics: int
    axes: int


class Body(nn.Module):  # type: ignore[misc]
    """Maps (batch, time, channels) to (batch, time, ``features``)."""

    features: int

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters in groups, the group nearest the output first: the order of unfreezing."""
        return [list(self.parameters())]


class ForceNetwork(nn.Module):  # type: ignore[misc]
    """A body between input dropout and a dense head, with static features at the place the configuration names.

    Parameters
    ----------
    config
        Of one network of the registry.
    shape
        Sizes of inputs and outputs.
    """

    def __init__(self, config: NetworkConfig, shape: Shape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        tile = shape.statics if config.statics_by == "tile" else 0
        self.dropout_in = nn.Dropout(config.dropout_in)
        self.body = config.body(shape.channels + tile)
        width = self.body.features
        # after the body, before statics are added to the width: FiLM changes features and adds none
        self.film = Film(shape.statics, width) if config.statics_by == "film" and shape.statics else None
        width += shape.statics if config.statics_by == "concat" else 0
        layers: list[nn.Module] = [nn.Dropout(config.dropout)]
        for size in config.head:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(config.dropout)]
            width = size
        self.head = nn.Sequential(*layers, nn.Linear(width, shape.axes))

    def forward(self, inputs: Tensor, statics: Tensor | None = None) -> Tensor:
        """Return outputs of shape (batch, time, axes).

        Parameters
        ----------
        inputs
            Shape (batch, time, channels).
        statics
            Shape (batch, statics); may be left out where there are none.
        """
        if statics is None:
            statics = inputs.new_zeros(inputs.shape[0], 0)
        if inputs.shape[2] != self.shape.channels or statics.shape[1] != self.shape.statics:
            raise BadInputError(
                f"network '{self.config.name}' was built for {self.shape.channels} channels and {self.shape.statics}"
                f" statics, but is given {inputs.shape[2]} and {statics.shape[1]}"
            )
        over_time = tiled(statics, inputs.shape[1])
        if self.config.statics_by == "tile":
            inputs = torch.cat([inputs, over_time], dim=2)
        features = self.body(self.dropout_in(inputs))
        if self.film is not None:
            features = self.film(features, statics)
        if self.config.statics_by == "concat":
            features = torch.cat([features, over_time], dim=2)
        return self.head(features)

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters in groups from output to input: head (with FiLM), then the body's groups."""
        outer = list(self.head.parameters()) + (list(self.film.parameters()) if self.film is not None else [])
        return [outer, *self.body.stages()]
