"""Single pictures of a film, cut around the walker, as files in memory: what a report shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats, PathLike
from .decode import open_film

HEIGHT_PX = 220
"""Height of a picture."""
_SIDE_LEGS, _ABOVE_LEGS, _BELOW_LEGS = 1.1, 2.4, 0.3
"""What it shows, in legs: to either side of the hips, above the floor, and below it. Chosen by hand."""
_AFTER_S = 0.5
"""Seconds of film behind the last picture that are looked at, should stamps not be in order. Chosen by hand."""


def stills(path: PathLike, keypoints: xr.Dataset, times_s: Floats) -> list[bytes]:
    """Return the film's pictures nearest to some times (of the keypoints), around the walker, as JPEG.

    Parameters
    ----------
    keypoints
        The stream that was read from the film.
    """
    first = float(keypoints["time_raw"].values[0] - keypoints["time"].values[0])
    gaps = np.full(len(times_s), np.inf)
    best: list[NDArray[Any]] = [np.zeros((2, 2, 3), dtype=np.uint8)] * len(times_s)
    for frame in open_film(path).frames():
        away = np.abs(frame.time_s - first - times_s)
        for i in np.flatnonzero(away < gaps):
            gaps[i], best[i] = away[i], frame.image
        if frame.time_s - first > float(np.max(times_s)) + _AFTER_S:
            break
    return [_jpeg(_around(image, keypoints, float(at))) for image, at in zip(best, times_s)]


def enlarged(image: NDArray[np.uint8]) -> bytes:
    """Return a small grey picture, its pixels enlarged, as PNG."""
    large = cv2.resize(image, (HEIGHT_PX, HEIGHT_PX), interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode(".png", large)[1].tobytes())


def _jpeg(image: NDArray[Any]) -> bytes:
    width = max(1, round(image.shape[1] * HEIGHT_PX / image.shape[0]))
    small = cv2.resize(image, (width, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1].tobytes())


def _around(image: NDArray[Any], keypoints: xr.Dataset, at_s: float) -> NDArray[Any]:
    """Return the part of a picture around the hips, from the head to below the floor."""
    names = [str(n) for n in keypoints["landmark"].values]
    hips = [names.index(f"hip_{side}") for side in ("left", "right")]
    way = np.asarray(keypoints["position"].values, dtype=np.float64)[:, hips, 0].mean(axis=1)
    time, seen = np.asarray(keypoints["time"].values), np.isfinite(way)
    middle, leg = float(np.interp(at_s, time[seen], way[seen])), float(keypoints.attrs["leg_px"])
    floor, (rows, columns) = float(keypoints.attrs["floor_px"]), image.shape[:2]
    left, right = (int(np.clip(middle + sign * _SIDE_LEGS * leg, 0, columns)) for sign in (-1, 1))
    top, bottom = int(np.clip(floor - _ABOVE_LEGS * leg, 0, rows)), int(np.clip(floor + _BELOW_LEGS * leg, 0, rows))
    return image[top:bottom, left:right] if right > left + 1 and bottom > top + 1 else image
