"""The crop of a walker out of a picture: one scale for the clip, the floor at one row, the trunk in the middle."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats

CROP_PX = 40
"""Rows and columns of a picture that networks are given (Mochizuki et al. 2023 resized theirs to 40 x 40)."""
SIDE_LEGS = 2.4
"""Side of the square crop in lengths of the leg (hip to ankle). A body is about 2.04 of them high (Drillis and Contini,
in Winter, Biomechanics and Motor Control, 4th ed., fig. 4.1); at contact the feet take up about 1.2 of them."""
FLOOR_SHARE = 0.95
"""Where the floor lies in the crop, as a share of its side from above. Chosen by hand: shoes reach a little below."""


def crop_matrix(trunk_x_px: float, floor_y_px: float, leg_px: float, *, turned: bool, size: int = CROP_PX) -> Floats:
    """Return the affine map (2, 3) from pixels of the picture to pixels of the crop.

    Pixel centres have whole numbers in both. ``turned`` mirrors the picture, so that a walker to the left goes to the
    right.
    """
    scale = size / (SIDE_LEGS * leg_px)
    across = -scale if turned else scale
    middle, floor = (size - 1) / 2.0, FLOOR_SHARE * size - 0.5
    return np.asarray([[across, 0.0, middle - across * trunk_x_px], [0.0, scale, floor - scale * floor_y_px]])
