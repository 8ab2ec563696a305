"""Linear paths: from the whole stance to the whole curve through a few numbers, or from a sample's neighbours to it."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

EVERY, LEAST = 4, 21
"""Every how many-th point of the window is a feature, and how few are left of a short one: as in ridge regression."""


class LinearPath(BaseModel):
    """A linear map beside a network's body, whose answer is added to the head's.

    It starts from ridge regression (:mod:`grfkit.learn.linear_start`) and the head from zero, so that an untrained
    network answers as ridge does.

    Attributes
    ----------
    kind
        ``window``: all of the inputs of a stance, with its statics, to all of its curve, through ``rank`` numbers;
        ``lags``: each sample from the inputs at some samples around it; ``auto``: the first for stances, the second
        for continuous windows.
    rank
        Of ``window``: chosen by hand, as many as the curves of a gait hardly need.
    points
        Of ``window``: samples of the window; filled in when training begins.
    lags, step
        Of ``lags``: how many samples before, and after, and how far apart; a network of the past looks back only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["auto", "window", "lags"] = "auto"
    rank: int = Field(default=32, ge=1, le=1024)
    points: int = Field(default=0, ge=0)
    lags: int = Field(default=5, ge=0, le=200)
    step: int = Field(default=4, ge=1, le=50)

    def module(self, channels: int, statics: int, axes: int, *, causal: bool) -> WindowLinear | LaggedLinear:
        """Return the path, which answers 0 until it is given weights."""
        if self.kind == "lags":
            return LaggedLinear(channels, axes, self, causal=causal)
        return WindowLinear(channels, statics, axes, self)


class WindowLinear(nn.Module):  # type: ignore[misc]
    """From every ``every``-th sample of a window, and statics, to all samples of the curve, in two dense maps."""

    def __init__(self, channels: int, statics: int, axes: int, path: LinearPath) -> None:
        super().__init__()
        self.points, self.axes = path.points, axes
        self.every = feature_step(path.points)
        self.down = nn.Linear(feature_count(path.points, channels, statics), path.rank, bias=False)
        self.up = nn.Linear(path.rank, path.points * axes)
        for parameter in (self.down.weight, self.up.weight, self.up.bias):
            nn.init.zeros_(parameter)

    def features(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return one row of features for every window, shape (batch, features)."""
        return stance_features(inputs, statics, self.every)

    def forward(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return (batch, time, axes)."""
        return self.up(self.down(self.features(inputs, statics))).view(-1, self.points, self.axes)


class LaggedLinear(nn.Module):  # type: ignore[misc]
    """From the inputs at some samples around each sample to its answer; beyond the window the border value stands."""

    def __init__(self, channels: int, axes: int, path: LinearPath, *, causal: bool) -> None:
        super().__init__()
        self.offsets = lag_offsets(path, causal=causal)
        self.pad = (-self.offsets[0], self.offsets[-1])
        self.conv = nn.Conv1d(channels, axes, len(self.offsets), dilation=path.step)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, inputs: Tensor, statics: Tensor) -> Tensor:  # noqa: ARG002
        """Return (batch, time, axes); statics have no part in it."""
        return self.conv(functional.pad(inputs.transpose(1, 2), self.pad, mode="replicate")).transpose(1, 2)


def feature_step(points: int) -> int:
    """Return every how many-th of ``points`` samples is a feature."""
    return max(1, min(EVERY, (points - 1) // (LEAST - 1)))


def feature_count(points: int, channels: int, statics: int) -> int:
    """Return how many features a window of ``points`` samples has."""
    return len(range(0, points, feature_step(points))) * channels + statics


def stance_features(inputs: Tensor, statics: Tensor, every: int) -> Tensor:
    """Return one row of features for every window: every ``every``-th sample of its channels, then its statics."""
    return torch.cat([inputs[:, ::every].flatten(1), statics], dim=1)


def lag_offsets(path: LinearPath, *, causal: bool) -> tuple[int, ...]:
    """Return the offsets in samples, the earliest first; of the past only twice as many of it."""
    first, last = (-2 * path.lags, 0) if causal else (-path.lags, path.lags)
    return tuple(k * path.step for k in range(first, last + 1))
