"""Which streams of a device sit on a foot, and which elsewhere on the body."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

FOOT = {"left": 0, "right": 1}
"""Foot of a contact by the side of its stream."""


def shoe_streams(streams: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Return the IMUs that sit on a foot."""
    return {n: s for n, s in streams.items() if s.attrs.get("kind") == "imu"}


def is_of_body_alone(streams: Mapping[str, xr.Dataset]) -> bool:
    """Return whether a device shows no foot, but the acceleration of the body."""
    kinds = {str(s.attrs.get("kind")) for s in streams.values()}
    return "body_imu" in kinds and not kinds & {"insole", "imu", "landmarks", "keypoints"}
