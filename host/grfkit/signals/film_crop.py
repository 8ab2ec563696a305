"""The crop of a walker out of a picture: one scale for the clip, the floor at one row, the trunk in the middle."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats

CROP_PX = 40
"""Rows and columns of a picture of a clip, as in the published system."""
LEG_ROWS = 16.0
"""Rows that a leg (hip to ankle) is long: a body, 2.0 to 2.2 legs high, fills 32 to 36 of the 40. Chosen by hand."""
FLOOR_ROW = 38.0
"""Distance of the floor from the upper edge, rows."""


def crop_matrix(trunk_x_px: float, floor_y_px: float, leg_px: float, *, turned: bool) -> Floats:
    """Return the affine map (2, 3) from px of the film to those of the clip's picture.

    Parameters
    ----------
    trunk_x_px
        x of the middle of shoulders and hips.
    floor_y_px, leg_px
        y of the floor, and the length of a leg: one of each for the whole clip.
    turned
        Mirror the picture, so that a walker to the left goes to the right.
    """
    scale = LEG_ROWS / leg_px
    turn = -scale if turned else scale
    # a pixel's centre has whole coordinates: the picture's middle lies between columns 19 and 20
    across = [turn, 0.0, (CROP_PX - 1) / 2 - turn * trunk_x_px]
    return np.array([across, [0.0, scale, FLOOR_ROW - 0.5 - scale * floor_y_px]])
