"""A torch network's linear path -> layers of a plan: convolutions of the whole window, or of a sample's neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInputError
from ..learn.networks.linear import LaggedLinear, WindowLinear
from .layers import Conv, Hold, Layer, Reshape, Singles
from .plan import INPUT

ROWS = "all_rows"
"""The input as (points, 1, width), which convolutions take."""


def path_layers(path: Any, points: int, width: int, *, channels: int) -> list[Layer]:
    """Return the layers of a linear path; the last one is its answer, (points, axes).

    Parameters
    ----------
    points, width
        Of the plan's input: channels, then statics repeated over time.
    channels
        Channels of the network, without statics.

    Raises
    ------
    BadInputError
        If the path is over a window of another length.
    """
    rows = Reshape(ROWS, (INPUT,), (points, 1, width))
    if isinstance(path, WindowLinear):
        return [rows, *_window(path, points, width, channels)]
    assert isinstance(path, LaggedLinear)
    weight, bias = _array(path.conv.weight), _array(path.conv.bias)
    held: list[Layer] = [Hold("held", (ROWS,), path.pad)] if any(path.pad) else []
    kernel = np.zeros((weight.shape[2], 1, width, len(bias)), dtype=np.float32)
    kernel[:, 0, :channels] = weight.transpose(2, 1, 0)
    near = Conv("near", (held[0].name if held else ROWS,), kernel, bias, path.conv.dilation[0])
    return [rows, *held, near, Reshape("straight", (near.name,), (points, len(bias)))]


def _window(path: WindowLinear, points: int, width: int, channels: int) -> list[Layer]:
    """Return a convolution that spans the window, so that it has one row, and one of that row.

    A slice would copy bytes; a convolution picks every so many-th sample by its dilation, and each of the ``rank``
    numbers has a scale of its own for its weights.
    """
    if path.points != points:
        raise BadInputError(
            f"the network's linear path is over windows of {path.points} samples, not of {points}; train it on"
            " windows of that length"
        )
    picks = len(range(0, points, path.every))
    weight = _array(path.down.weight)
    rank = len(weight)
    # one tap more, of zeros, where samples are left over after the last one that is picked: one row comes out
    span = (picks - 1) * path.every + 1
    taps = picks + (span < points)
    kernel = np.zeros((taps, 1, width, rank), dtype=np.float32)
    kernel[:picks, 0, :channels] = weight[:, : picks * channels].reshape(rank, picks, channels).transpose(1, 2, 0)
    _spread(kernel[:picks, 0], weight[:, picks * channels :], channels)
    pad = (0, (taps - 1) * path.every + 1 - points)
    down = Conv("down", (ROWS,), kernel, np.zeros(rank, dtype=np.float32), path.every, pad)
    up = Conv("up", (down.name,), _array(path.up.weight).T[None, None], _array(path.up.bias))
    return [down, up, Reshape("straight", (up.name,), (points, path.axes))]


def _spread(kernel: Singles, statics: Singles, channels: int) -> None:
    """Give the weights of statics, which every row repeats, to so many rows that none exceeds the channels' weights.

    All weights of one number share a scale in eight bits, and a static's would else set it.
    """
    most = np.abs(kernel).max(axis=(0, 1))
    for k, weights in enumerate(statics.T):
        shares = np.clip(np.ceil(np.abs(weights) / np.maximum(most, 1e-12)), 1, len(kernel))
        # the rows that take a share lie evenly over the window
        for number, count in enumerate(shares.astype(int)):
            at = np.linspace(0, len(kernel) - 1, count).round().astype(int)
            kernel[at, channels + k, number] = weights[number] / count


def _array(tensor: Any) -> Singles:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float32)
