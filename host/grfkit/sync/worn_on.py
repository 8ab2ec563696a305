"""Which streams of a device sit on a foot, and which elsewhere on the body."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from ..records.body import place_of

FOOT = {"left": 0, "right": 1}
"""Foot of a contact by the side of its stream."""


def shoe_streams(streams: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Return the IMUs that sit on a foot: all that do not state another place on the body."""
    return {n: s for n, s in streams.items() if s.attrs.get("kind") == "imu" and place_of(s) == "foot"}
