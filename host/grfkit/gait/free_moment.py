"""The free moment of a plate: what turns the foot about the vertical through its centre of pressure."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from .plate_force import PlateForce


def free_moment(stream: xr.Dataset, plate: PlateForce, up: Floats) -> Floats:
    """Return the moment about the vertical through the centre of pressure (samples,), on the foot, N m.

    Positive turns to the left, seen from above. NaN where it is not known: the plate gives neither moments with its
    corners nor a free moment of its own.

    Parameters
    ----------
    plate
        Of this stream; its force vector and its centre of pressure are needed, else all is NaN.
    up
        Unit vector upward, in the axes of the stream.
    """
    unknown = np.full(plate.time_s.size, np.nan)
    if plate.force_n is None or plate.cop_m is None:
        return unknown
    raw = np.stack([np.asarray(stream[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
    sign = -1.0 if np.nansum(raw * plate.force_n) < 0 else 1.0
    if all(f"m{a}" in stream for a in "xyz") and plate.corners_m is not None:
        moment = sign * np.stack([np.asarray(stream[f"m{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        arm = plate.cop_m - plate.corners_m.mean(axis=0)
        return np.asarray((moment - np.cross(arm, plate.force_n)) @ up)
    if "free_moment" in stream:
        return np.asarray(sign * np.asarray(stream["free_moment"].values, dtype=np.float64))
    return unknown
