"""What all networks share: settings, shape, input dropout, statics and the dense head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn

from ...errors import BadInputError
from .linear import LinearPath
from .statics import Film, tiled

if TYPE_CHECKING:
    from ..batches import Windows

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
    linear
        A linear path beside the body, which starts from ridge regression; None: the body alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    head: tuple[int, ...] = (64,)
    dropout_in: float = Field(default=0.0, ge=0, lt=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    statics_by: Statics = "concat"
    linear: LinearPath | None = None

    @model_serializer(mode="wrap")
    def _without_default(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the settings without a path that is not there: so earlier models' documents keep their bytes."""
        settings: dict[str, Any] = handler(self)
        if settings.get("linear") is None:
            settings.pop("linear", None)
        return settings

    def for_windows(self, windows: Windows) -> NetworkConfig:
        """Return the settings for these windows of training: what the settings leave open is filled in."""
        if self.linear is None:
            return self
        window, points = windows.kind, windows.points
        kind = self.linear.kind if self.linear.kind != "auto" else "window" if window == "stance" else "lags"
        if kind == "window" and window != "stance":
            raise BadInputError(
                f"network '{self.name}': a linear path over the whole window needs time-normalised stances, and these"
                ' windows are continuous; set linear.kind = "lags"'
            )
        path = self.linear.model_copy(update={"kind": kind, "points": points if kind == "window" else 0})
        return self.model_copy(update={"linear": path})

    def module(self, shape: Shape) -> ForceNetwork:
        """Return the untrained network."""
        return ForceNetwork(self, shape)

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

    linear: Any

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
        self.linear = None
        if config.linear is not None:
            self.linear = config.linear.module(*shape, causal=config.causal)
            # the head adds nothing until training gives it something to add
            nn.init.zeros_(self.head[-1].weight)
            nn.init.zeros_(self.head[-1].bias)

    def forward(self, inputs: Tensor, statics: Tensor | None = None) -> Tensor:
        """Return outputs of shape (batch, time, axes).

        Parameters
        ----------
        inputs
            Shape (batch, time, channels).
        statics
            Shape (batch, statics); may be left out where there are none.
        """
        self.check(inputs, statics)
        if statics is None:
            statics = inputs.new_zeros(inputs.shape[0], 0)
        over_time = tiled(statics, inputs.shape[1])
        straight = 0.0 if self.linear is None else self.linear(inputs, statics)
        if self.config.statics_by == "tile":
            inputs = torch.cat([inputs, over_time], dim=2)
        features = self.body(self.dropout_in(inputs))
        if self.film is not None:
            features = self.film(features, statics)
        if self.config.statics_by == "concat":
            features = torch.cat([features, over_time], dim=2)
        return self.head(features) + straight

    def check(self, inputs: Tensor, statics: Tensor | None) -> None:
        """Refuse inputs of other sizes than the network was built for."""
        given = 0 if statics is None else statics.shape[1]
        if inputs.shape[2] != self.shape.channels or given != self.shape.statics:
            raise BadInputError(
                f"network '{self.config.name}' was built for {self.shape.channels} channels and {self.shape.statics}"
                f" statics, but is given {inputs.shape[2]} and {given}"
            )

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters in groups from output to input: head (with FiLM and linear path), then the body's."""
        beside = [part for part in (self.film, self.linear) if part is not None]
        outer = [parameter for part in (self.head, *beside) for parameter in part.parameters()]
        return [outer, *self.body.stages()]
