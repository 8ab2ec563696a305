"""Small pictures of a walker: one scale for the clip, floor fixed, trunk centred, turned so as to go to the right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..records.film_streams import BACKGROUND
from ..signals.film_crop import CROP_PX, crop_matrix
from .follow import MASK_SIDE, KeptMask, Walker
from .pose import Picture, import_cv
from .walk import Walk, hips, shoulders

SIDE = CROP_PX
"""Rows and columns of a picture of a clip."""
PICTURES = ("silhouette", "grey", "full frame", BACKGROUND)
"""What the pictures of a clip may show."""


def crop_map(walk: Walk, centre_x: float) -> Floats:
    """Return the affine map (2, 3) from px of the film to those of the clip's picture, for a trunk at ``centre_x``."""
    return crop_matrix(centre_x, walk.floor_px, walk.leg_px, turned=walk.heading < 0)


def centres(walker: Walker) -> Floats:
    """Return x of the trunk's middle, px, shape (frames,), NaN where the walker is not found."""
    middle: Floats = (hips(walker)[:, 0] + shoulders(walker)[:, 0]) / 2
    return middle


def silhouette(mask: KeptMask, walk: Walk, centre_x: float) -> NDArray[np.uint8]:
    """Return the clip's picture of a mask, shape (40, 40), 255 where the walker is."""
    there: Floats = _lifted(crop_map(walk, centre_x)) @ _lifted(_from_mask(mask))
    return warped(mask.pixels(), there[:2])


def grey_crop(picture: Picture, walk: Walk, centre_x: float) -> NDArray[np.uint8]:
    """Return the clip's picture in grey, shape (40, 40), the walker's surroundings with it."""
    grey = import_cv().cvtColor(picture, import_cv().COLOR_RGB2GRAY)
    return warped(grey, crop_map(walk, centre_x))


def full_frame(picture: Picture, *, turned: bool) -> NDArray[np.uint8]:
    """Return the whole picture in grey, shape (40, 40), bilinear and without care for its proportions, as published.

    Parameters
    ----------
    turned
        Left and right exchanged: so that every walker goes to the right.
    """
    cv = import_cv()
    small: NDArray[np.uint8] = cv.resize(
        cv.cvtColor(picture, cv.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv.INTER_LINEAR
    )
    return np.ascontiguousarray(small[:, ::-1]) if turned else small


def silhouettes(walker: Walker, walk: Walk) -> NDArray[np.uint8]:
    """Return the silhouettes of all pictures, shape (frames, 40, 40); black where the walker is not found."""
    images = np.zeros((len(walker.times), SIDE, SIDE), dtype=np.uint8)
    for i, (mask, centre) in enumerate(zip(walker.masks, centres(walker))):
        if mask is not None and np.isfinite(centre):
            images[i] = silhouette(mask, walk, float(centre))
    return images


def _from_mask(mask: KeptMask) -> Floats:
    """Return the affine map from a kept mask's pixels to px of the film."""
    forward = _lifted(mask.region.to_crop(MASK_SIDE))
    back: Floats = np.linalg.inv(forward)[:2].astype(np.float64)
    return back


def _lifted(affine: Floats) -> Floats:
    """Return an affine map as a matrix (3, 3)."""
    return np.vstack([affine, [0.0, 0.0, 1.0]])


def warped(pixels: NDArray[np.uint8], there: Floats) -> NDArray[np.uint8]:
    """Return a (40, 40) picture of pixels, each the mean of about those it covers; black outside."""
    cv = import_cv()
    finer = max(1, round(1 / float(np.hypot(*there[:, 0]))))
    # drawn finer by a whole factor, then the mean of each block: a warp alone would pick single pixels
    big = there * finer
    big[:, 2] += (finer - 1) / 2
    drawn = cv.warpAffine(pixels, big, (SIDE * finer, SIDE * finer), flags=cv.INTER_LINEAR)
    small: NDArray[np.uint8] = cv.resize(drawn, (SIDE, SIDE), interpolation=cv.INTER_AREA)
    return small
