"""Where on the body an IMU sits."""

from __future__ import annotations

import re
from typing import Literal, get_args

import xarray as xr

BodyPlace = Literal["foot", "pelvis", "torso", "thigh", "shank"]
"""A sacrum's sensor is a pelvis's, a sternum's or chest's a torso's."""
PLACES: tuple[BodyPlace, ...] = get_args(BodyPlace)
PLACE_WORDS: dict[str, BodyPlace] = {
    "pelvis": "pelvis", "sacrum": "pelvis", "torso": "torso", "sternum": "torso", "chest": "torso",
    "thigh": "thigh", "femur": "thigh", "shank": "shank", "tibia": "shank",
}  # fmt: skip
"""Words in names of columns and streams that name a place other than the foot."""
_WORD = re.compile(rf"(?:^|_)({'|'.join(PLACE_WORDS)})(?:_|$)")


def place_of(stream: xr.Dataset) -> BodyPlace:
    """Return where an IMU's stream says that it sits (attribute ``place``); on a foot where it says nothing."""
    return PLACE_WORDS.get(str(stream.attrs.get("place", "")), "foot")


def place_in_name(name: str) -> BodyPlace:
    """Return the place in a column's or stream's name, ``imu_pelvis`` or ``left_shank_acc_x``; else the foot."""
    found = _WORD.search(name.lower())
    return PLACE_WORDS[found[1]] if found else "foot"
