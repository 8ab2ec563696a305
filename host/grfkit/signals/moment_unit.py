"""Whether a plate's moments fit its forces: a wrong unit freezes the centre of pressure in the middle of the plate."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from .plates import plate_frame, upward

FROZEN_M = 0.002
"""Distance (m) of the centre of pressure from the sensor's origin that 99 % of loaded samples stay below where moments
in N m are taken for N mm: a thousandth of a plate's half length, 0.9 m at the most. Real loads are 4 mm and more away
(130 recordings)."""
MOVING_M = 0.02
"""The same of the other axis from which on a single frozen one is none of a weight that lies in the middle."""
_LOADED, _LEAST_LOAD_N = 0.2, 50.0
"""Share of the largest load, and load (N), above which a centre of pressure is judged; chosen by hand."""
_FEWEST = 50
"""Loaded samples that are judged at the least. Chosen by hand."""


def moment_doubt(force_n: Floats, moment_n_m: Floats, *, corners_m: Floats, origin_m: Floats, vertical: str) -> str:
    """Return what is wrong with moments that are far too small for the forces; "" where nothing is.

    Judged is the moment about the sensor's origin, as it was recorded: about the surface, the horizontal force over the
    depth of the sensor hides moments that are too small. An axis whose moment is 0 throughout was not measured.

    Parameters
    ----------
    force_n, moment_n_m
        Shape (samples, 3), global axes, the moment about the middle of the surface.
    corners_m
        Shape (12,) or (4, 3).
    origin_m
        C3D's ORIGIN in plate axes, zeros where there is none.
    vertical
        ``"+z"``...

    Raises
    ------
    BadInputError
        If the corners make no surface.
    """
    frame = plate_frame(corners_m)
    up = upward(frame, vertical)
    load = force_n @ up
    top = float(np.nanmax(np.abs(load), initial=0.0))
    loaded = np.isfinite(load) & np.isfinite(moment_n_m).all(axis=1)
    loaded &= np.abs(load) >= max(_LOADED * top, _LEAST_LOAD_N)
    if loaded.sum() < _FEWEST:
        return ""
    recorded = moment_n_m[loaded] - np.cross(force_n[loaded], frame.axes @ np.asarray(origin_m, dtype=np.float64))
    arm = np.abs((np.cross(up, recorded) / load[loaded, None]) @ frame.axes)[:, :2]
    reach = np.percentile(arm, 99.0, axis=0)
    measured = arm.max(axis=0) > 0
    frozen = measured & (reach < FROZEN_M)
    if not frozen.any() or (not frozen[measured].all() and reach[~frozen].max() < MOVING_M):
        return ""
    axes = " and ".join(name for name, still in zip("xy", frozen) if still)
    reach_mm = 1000.0 * float(reach[frozen].max())
    return (
        f"the centre of pressure stays within {reach_mm:.2g} mm of the plate's sensor along its {axes} under"
        f" {top:.0f} N; moments in N m that are stated as N mm do that (a thousand times too small), or a weight that"
        " lies in the very middle: check the unit of the moments"
    )
