"""Streams of a film: where the walker's points are in the pictures, and the pictures of the walker themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .gaps import find_gaps
from .streams import Channel, check_names_of_points, check_stamps, median_rate

FILM_CLOCK = "film"
"""The clock of every stream of one film: the time stamps of its frames."""
BACKGROUND = "background silhouette"
"""Pictures by background subtraction (:mod:`grfkit.video.background`): never those of a pose model."""


def make_keypoints(
    positions: Floats,
    names: Sequence[str],
    time: Floats,
    *,
    visibility: Floats | None = None,
    rate_hz: float | None = None,
    clock: str = FILM_CLOCK,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return a stream of kind ``keypoints``: ``position`` (time, landmark, plane) in px of the upright picture.

    ``x`` points to the right and ``y`` down, from the upper left corner of the picture's first pixel. Pixels are no
    metres: no consumer of landmarks takes them, and so they are a kind of their own.

    Parameters
    ----------
    positions
        Shape (frames, landmarks, 2), NaN where a landmark is not seen.
    time
        Shape (frames,), s, of the film's own stamps.
    visibility
        Shape (frames, landmarks), 0 to 1; 1 where a position is given if None.

    Raises
    ------
    BadInputError
        If there is no landmark or frame, shapes differ, names repeat, or time goes backwards, stands or leaps.
    """
    values, stamps = np.asarray(positions, dtype=np.float64), np.asarray(time, dtype=np.float64)
    if values.ndim != 3 or values.shape[2] != 2 or values.shape[1] != len(names) or not len(names):
        raise BadInputError(f"keypoint positions have shape {values.shape}, expected (frames, {len(names)}, 2)")
    check_names_of_points(names)
    check_stamps(stamps, [Channel("position", values[:, 0, 0], "1")], "keypoints")
    hidden = np.asarray(np.isnan(values).any(axis=2), dtype=bool)
    seen = np.where(hidden, 0.0, 1.0) if visibility is None else np.asarray(visibility, dtype=np.float64)
    if seen.shape != hidden.shape:
        raise BadInputError(f"visibility has shape {seen.shape}, expected {hidden.shape}")
    return xr.Dataset(
        {
            "position": (("time", "landmark", "plane"), values, {"units": "px", "raw_units": "px", "frame": "image"}),
            "visibility": (("time", "landmark"), seen, {"units": "1"}),
            "time_raw": ("time", stamps.copy(), {"units": "s"}),
        },
        coords={
            "time": ("time", stamps, {"units": "s"}),
            "landmark": ("landmark", np.asarray(list(names), dtype=object)),
            "plane": ("plane", np.asarray(["x", "y"], dtype=object)),
        },
        attrs=_about("keypoints", stamps, int(hidden.all(axis=1).sum()), rate_hz, clock) | dict(attrs or {}),
    )


def make_images(
    images: NDArray[np.uint8],
    time: Floats,
    *,
    picture: str,
    rate_hz: float | None = None,
    clock: str = FILM_CLOCK,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return a stream of kind ``images``: ``image`` (time, row, column), 0 to 255.

    Parameters
    ----------
    images
        Shape (frames, rows, columns), uint8; row 0 is the uppermost, and the walker walks to the right.
    picture
        What they show: ``silhouette`` (crop, 255 is the walker), ``grey`` (crop), ``full frame`` (grey) or
        ``background silhouette`` (by background subtraction).

    Raises
    ------
    BadInputError
        If there is no frame, the shape is another, they are not 8-bit, or time goes backwards, stands or leaps.
    """
    values, stamps = np.asarray(images), np.asarray(time, dtype=np.float64)
    if values.ndim != 3 or values.dtype != np.uint8 or not values.size or values.shape[0] != stamps.size:
        raise BadInputError(
            f"images have shape {values.shape} and type {values.dtype}, expected ({stamps.size}, rows, columns) uint8"
        )
    check_stamps(stamps, [Channel("image", values[:, 0, 0].astype(np.float64), "1")], "images")
    about = _about("images", stamps, 0, rate_hz, clock) | {"picture": picture} | dict(attrs or {})
    return xr.Dataset(
        {
            "image": (("time", "row", "column"), values, {"units": "1", "raw_units": "1", "frame": "image"}),
            "time_raw": ("time", stamps.copy(), {"units": "s"}),
        },
        coords={"time": ("time", stamps, {"units": "s"})},
        attrs=about,
    )


def _about(kind: str, stamps: Floats, missing: int, rate_hz: float | None, clock: str) -> dict[str, Any]:
    about: dict[str, Any] = {"kind": kind, "side": "both", "clock": clock, "stamp_source": "crystal"}
    about |= {"rate_hz": float(rate_hz or median_rate(stamps)), "missing_samples": missing}
    return about | {"gaps": int(find_gaps(stamps).holes.sum())}
