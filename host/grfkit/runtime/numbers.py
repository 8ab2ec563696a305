"""Real numbers as 8-bit ones and back: ``real = scale * (stored - zero point)``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.int8]
LOW, HIGH = -128, 127


class Port(NamedTuple):
    """Shape, type, scale and zero point of an input or output; scale 0 where it is not quantised or not known."""

    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class Saturated(NamedTuple):
    """8-bit numbers, and how many of them stand for a number beyond their range."""

    values: Bytes
    beyond: int


def to_int8(real: NDArray[Any], *, scale: float, zero_point: int) -> Saturated:
    """Return the nearest 8-bit numbers, halves rounded up, and how many real ones were out of range.

    Raises
    ------
    ValueError
        If a number is not finite: what is missing has to be filled before.
    """
    # not np.rint, which rounds halves to even: a device adds a half and shifts
    steps = np.floor(np.asarray(real, dtype=np.float64) / scale + 0.5) + zero_point
    if not np.isfinite(steps).all():
        raise ValueError(f"{int((~np.isfinite(steps)).sum())} of {steps.size} numbers are not finite; fill them first")
    out = int(((steps < LOW) | (steps > HIGH)).sum())
    return Saturated(np.clip(steps, LOW, HIGH).astype(np.int8), beyond=out)


def from_int8(stored: Bytes, *, scale: float, zero_point: int) -> NDArray[np.float64]:
    """Return the real numbers of 8-bit ones."""
    return (stored.astype(np.float64) - zero_point) * scale
