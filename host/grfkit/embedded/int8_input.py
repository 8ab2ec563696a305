"""Counts to the int8 numbers of a model's input, in integers: the twin of grf_input.c, number for number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError


@dataclass(frozen=True)
class Int8Channel:
    """How counts become int8: ``zero + round_half_up((raw - offset) * multiplier / 2**shift)``, saturated."""

    offset: int
    multiplier: int
    shift: int
    zero: int


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


def counts_to_int8(raw: NDArray[np.integer], channels: Sequence[Int8Channel]) -> NDArray[np.int8]:
    """Return counts (..., channels) as the model's int8."""
    offset, multiplier, shift, zero = (
        np.asarray([getattr(c, name) for c in channels], dtype=np.int64)
        for name in ("offset", "multiplier", "shift", "zero")
    )
    value = ((raw.astype(np.int64) - offset) * multiplier + (np.int64(1) << (shift - 1))) >> shift
    return np.asarray(np.clip(value + zero, -128, 127), dtype=np.int8)
