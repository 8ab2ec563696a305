"""Stances of a film: what the side view of a stream of keypoints shows."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..signals.film_stream import side_view_of
from ..signals.side_foot import SideStance
from .contacts import BORDER, TOO_LONG, TOO_SHORT, UNCLEAR, UNLIKE, Rejection

FILM_DETECTOR = "side_view"
_REASONS = {"border": BORDER, "unclear": UNCLEAR, "unlike": UNLIKE, "too short": TOO_SHORT, "too long": TOO_LONG}


def film_stances(stream: xr.Dataset) -> tuple[list[SideStance], list[Rejection]]:
    """Return the stances that a film shows whole, and those of which an end is not seen or whose length is none's."""
    stances = side_view_of(stream).stances
    return [s for s in stances if not s.reason], [_rejection(s) for s in stances if s.reason]


def _rejection(one: SideStance) -> Rejection:
    """Return the rejection of a stance; what is not seen of it is taken to be its other end."""
    start, end = (a if np.isfinite(a) else b for a, b in ((one.ic_s, one.to_s), (one.to_s, one.ic_s)))
    return Rejection(float(start), float(end), _REASONS[one.reason])
