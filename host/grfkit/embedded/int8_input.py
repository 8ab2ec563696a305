"""Counts to the int8 numbers of a model's input, in integers: the twin of grf_input.c, number for number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError


@dataclass(frozen=True)
class Int8Channel:
    """How counts become int8: ``zero + round_half_up((raw - offset) * multiplier / 2**shift)``, saturated.

    ``points`` are offset and multiplier of each row of a window, in place of those of all; empty: none has its own.
    """

    offset: int
    multiplier: int
    shift: int
    zero: int
    points: tuple[tuple[int, int], ...] = ()


def int8_channel(*, centre: float, size: float, scale: float, zero: int) -> Int8Channel:
    """Return the integers of a z-score and an int8 tensor's scale.

    Parameters
    ----------
    centre, size
        Of the z-score, in counts; a negative size turns the channel round.
    scale, zero
        Of the input tensor.

    Raises
    ------
    BadInputError
        If a number is not finite, the size or scale is zero, or the factor does not fit 31 bits.
    """
    step = size * scale
    if not all(map(math.isfinite, (centre, step))) or step == 0 or scale <= 0:
        raise BadInputError(f"a channel of centre {centre:g}, size {size:g} and scale {scale:g} has no factor")
    _, power = math.frexp(abs(1.0 / step))
    # the largest shift, within the runtime's limits, with which the multiplier fits 31 bits
    shift = min(max(30 - power, 1), 46)
    multiplier = round((2**shift) / step)
    if not 0 < abs(multiplier) < 2**31 or abs(round(centre)) >= 2**31:
        raise BadInputError(f"a channel of centre {centre:g} and {1.0 / step:g} steps per count does not fit 32 bits")
    return Int8Channel(round(centre), multiplier, shift, zero)


def int8_points(channel: Int8Channel, *, centre: Floats, size: Floats, scale: float) -> Int8Channel:
    """Return a channel with the integers of each point, in 16 bits, and their common shift.

    Parameters
    ----------
    channel
        Of all points.
    centre, size
        Of the z-score at each point, in counts.
    scale
        Of the input tensor.

    Raises
    ------
    BadInputError
        If a number is not finite, a size is zero, or a centre lies beyond the counts.
    """
    steps = size * scale
    if not (np.isfinite(centre).all() and np.isfinite(steps).all() and (steps != 0).all()):
        raise BadInputError("a channel has a point without a centre or size; train the model again")
    factors = 1.0 / steps
    _, power = math.frexp(float(np.abs(factors).max()))
    # the greatest of them fits 15 bits and a sign, also where it is rounded up
    shift = min(max(14 - power, 1), 46)
    multipliers = np.rint(factors * 2.0**shift)
    if np.abs(multipliers).max() >= 2**15 or np.abs(centre).max() > 2**15 - 1:
        raise BadInputError(
            f"a channel whose points have centres up to {np.abs(centre).max():g} counts and up to"
            f" {np.abs(factors).max():g} steps per count does not fit 16 bits"
        )
    points = zip(np.rint(centre).astype(int).tolist(), multipliers.astype(int).tolist())
    return Int8Channel(channel.offset, channel.multiplier, shift, channel.zero, tuple(points))


def counts_to_int8(raw: NDArray[np.integer], channels: Sequence[Int8Channel]) -> NDArray[np.int8]:
    """Return counts (..., channels) as the model's int8; (..., T, channels) where points have their own integers."""
    shift, zero = (np.asarray([getattr(c, name) for c in channels], dtype=np.int64) for name in ("shift", "zero"))
    offset, multiplier = offsets_and_multipliers(channels)
    value = ((raw.astype(np.int64) - offset) * multiplier + (np.int64(1) << (shift - 1))) >> shift
    return np.asarray(np.clip(value + zero, -128, 127), dtype=np.int8)


def offsets_and_multipliers(channels: Sequence[Int8Channel]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return offsets and multipliers, shape (channels,), or (T, channels) where points have their own."""
    points = max((len(c.points) for c in channels), default=0)
    rows = [c.points or (((c.offset, c.multiplier),) * max(points, 1)) for c in channels]
    table = np.asarray(rows, dtype=np.int64)
    offset, multiplier = table[:, :, 0].T, table[:, :, 1].T
    return (offset, multiplier) if points else (offset[0], multiplier[0])
