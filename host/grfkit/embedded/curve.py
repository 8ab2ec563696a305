"""A network's int8 outputs as the int8 curve of a stance report, in integers: the twin of tell() in grf_insole.c."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..runtime.manifest import Manifest

_SHIFT = 16
"""The integers of a curve are in 1/65536: a step of the curve is then off by 1/256 at most."""


def curve_integers(manifest: Manifest) -> NDArray[np.int64] | None:
    """Return multiplier and addend of each point and axis, shape (T, axes, 2); None where curves are sent as they are.

    A report has one offset and one scale for each axis, from its centre and size: what lies between two steps of the
    model's output is rounded to them.

    Raises
    ------
    BadInputError
        If a number does not fit 32 bits.
    """
    if not any(axis.points for axis in manifest.axes):
        return None
    rows = np.zeros((manifest.points, len(manifest.axes), 2), dtype=np.float64)
    scale, zero = manifest.output.scale, manifest.output.zero_point
    for k, axis in enumerate(manifest.axes):
        centre, size = (axis.points.centre, axis.points.size) if axis.points else (axis.centre, axis.size)
        # centre + size * scale * (q - zero) of a point is axis.centre + axis.size * scale * (curve - zero)
        share = np.asarray(size) / axis.size
        rows[:, k, 0] = share
        rows[:, k, 1] = zero - zero * share + (np.asarray(centre) - axis.centre) / (axis.size * scale)
    integers = np.rint(rows * 2.0**_SHIFT)
    integers[:, :, 1] += 2 ** (_SHIFT - 1)
    if not (128 * np.abs(integers[:, :, 0]) + np.abs(integers[:, :, 1]) < 2**31).all():
        raise BadInputError("a point of an axis is too far from its centre for a report's curve; train the model again")
    return np.asarray(integers, dtype=np.int64)


def curve_of(manifest: Manifest, stored: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return what a report sends of int8 outputs (T, axes)."""
    integers = curve_integers(manifest)
    if integers is None:
        return stored
    steps = (stored.astype(np.int64) * integers[:, :, 0] + integers[:, :, 1]) >> _SHIFT
    return np.asarray(np.clip(steps, -128, 127), dtype=np.int8)
