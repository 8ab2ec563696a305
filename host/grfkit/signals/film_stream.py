"""A stream of keypoints as arrays: what the side view shows of it, and where its walker leaps."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from .film_time import Leap, leaps, slowed, trunk_of
from .side_legs import LEGS_PUT_RIGHT
from .side_view import SideView, side_view


def side_view_of(stream: xr.Dataset) -> SideView:
    """Return what the side view of a stream of keypoints shows, on the stream's clock.

    Parameters
    ----------
    stream
        Of kind ``keypoints``, with the attributes ``heading`` and ``leg_px`` (see ``grfkit/video/README.md``).
    """
    position = stream["position"]
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    stamped = np.isfinite(time_s)
    return side_view(
        time_s[stamped],
        np.asarray(position.values, dtype=np.float64)[stamped],
        [str(n) for n in position["landmark"].values],
        heading=float(stream.attrs.get("heading", 1.0)),
        leg_px=float(stream.attrs.get("leg_px", float("nan"))),
        visibility=np.asarray(stream["visibility"].values, dtype=np.float64)[stamped]
        if "visibility" in stream
        else None,
        width_px=float(stream.attrs.get("width_px", float("nan"))),
        legs_known=LEGS_PUT_RIGHT in stream.attrs,
    )


def slowed_of(stream: xr.Dataset) -> float:
    """Return how many times slower than its camera states that it filmed a stream is stamped; 1 where it is not."""
    return slowed(np.asarray(stream["time"].values, dtype=np.float64), float(stream.attrs.get("captured_hz", np.nan)))


def leaps_of(stream: xr.Dataset) -> list[Leap]:
    """Return where the walker of a stream of keypoints leaps across the picture; none where no length is known."""
    leg_px = float(stream.attrs.get("leg_px", float("nan")))
    if not leg_px > 0.0:
        return []
    across: Floats = np.asarray(stream["position"].values, dtype=np.float64)[..., 0] / leg_px
    trunk = trunk_of(across, [str(n) for n in stream["landmark"].values])
    return leaps(np.asarray(stream["time"].values, dtype=np.float64), trunk)
