"""Painting: capsules as polygons, onto a picture or as a silhouette."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from .figure import PaintedPart

Picture = NDArray[np.uint8]
_SHIFT = 4
"""Fractional bits of a polygon's corners: edges lie to a sixteenth of a pixel."""
_ANGLES = np.linspace(0.0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_LEVELS = ((1.0, 0.0, 0.1), (0.76, 0.16, 0.55), (0.45, 0.36, 1.0))
"""Nested capsules that make a limb look round: share of the radius, shift towards the light as a share of the radius,
share of the contrast."""


def polygons(parts: Sequence[PaintedPart], frame: int) -> Iterator[Floats]:
    """Give each part's capsules as convex polygons (corners, 2) in px, in the order of painting."""
    for part in parts:
        for centres, radii in part.capsules(frame):
            yield outline(centres, radii)


def outline(centres: Floats, radii: Floats) -> Floats:
    """Return the hull of circles as a polygon (corners, 2)."""
    import cv2

    corners = _settled((centres[:, None, :] + radii[:, None, None] * _CIRCLE).reshape(-1, 2)).astype(np.float32)
    return np.asarray(cv2.convexHull(corners)[:, 0], dtype=np.float64)


def _settled(points_px: Floats) -> Floats:
    """Return points to 1/1024 px: sums in another order differ in their last bits, and a film must not."""
    # a hair beyond the half, so that points midway by symmetry do not go either way
    return np.asarray(np.floor(points_px * 1024 + 0.5 + 1e-4) / 1024)


def silhouettes(parts: Sequence[PaintedPart], maps: Floats, size: int, *, finer: int = 6) -> Picture:
    """Return pictures (frames, size, size) of 255 where the body is; each frame has an affine map (2, 3) of its own."""
    import cv2

    frames = maps.shape[0]
    pictures = np.zeros((frames, size, size), dtype=np.uint8)
    for i in range(frames):
        fine = np.zeros((size * finer, size * finer), dtype=np.uint8)
        for polygon in polygons(parts, i):
            place = polygon @ maps[i, :, :2].T + maps[i, :, 2]
            fill(fine, (place + 0.5) * finer - 0.5, 255)
        pictures[i] = cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)
    return pictures


def paint_body(
    picture: Picture, parts: Sequence[PaintedPart], frame: int, *, light: tuple[float, float], contrast: float
) -> None:
    """Paint the body over a picture (rows, columns, 3), lit from one side."""
    import cv2

    low = np.min([np.min(p.centres_px[frame] - p.radii_px[frame][:, None], axis=0) for p in parts], axis=0)
    high = np.max([np.max(p.centres_px[frame] + p.radii_px[frame][:, None], axis=0) for p in parts], axis=0)
    rows, columns = picture.shape[:2]
    left, top = np.maximum(np.floor(low).astype(int) - 4, 0)
    right, bottom = np.minimum(np.ceil(high).astype(int) + 5, [columns, rows])
    if left >= right or top >= bottom:
        return
    box = picture[top:bottom, left:right]
    colours, mask = box.copy(), np.zeros(box.shape[:2], dtype=np.uint8)
    corner = np.asarray([left, top], dtype=np.float64)
    towards = np.asarray(light)
    for part in parts:
        for share, shift, bright in _LEVELS:
            shade = 1.0 - contrast / 2 + contrast * bright
            colour = tuple(float(min(255.0, shade * c)) for c in part.colour)
            for centres, radii in part.capsules(frame):
                moved = centres - corner + towards * (shift * radii)[:, None]
                polygon = outline(moved, share * radii)
                fill(colours, polygon, colour)
                if share == 1.0:
                    fill(mask, polygon, 255)
    size = max(3, int(0.03 * (bottom - top)) // 2 * 2 - 3)
    soft = cv2.blur(colours, (size, size))
    blended = cv2.addWeighted(colours, 0.45, soft, 0.55, 0.0)
    share_of_body = cv2.GaussianBlur(mask, (3, 3), 0).astype(np.uint16)[..., None]
    box[:] = ((blended * share_of_body + box * (255 - share_of_body) + 127) // 255).astype(np.uint8)


def fill(picture: Picture, polygon: Floats, colour: Any) -> None:
    """Fill a convex polygon (corners, 2) in px."""
    import cv2

    corners = np.rint(polygon * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(picture, corners, colour, cv2.LINE_AA, _SHIFT)
