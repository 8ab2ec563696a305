"""Where on the body an IMU sits that is on no foot."""

from __future__ import annotations

from typing import Literal, get_args

BodyPlace = Literal["foot", "pelvis", "torso", "thigh", "shank"]
"""A sacrum's sensor is a pelvis's, a sternum's or chest's a torso's."""
PLACES: tuple[BodyPlace, ...] = get_args(BodyPlace)
PLACE_WORDS: dict[str, BodyPlace] = {
    "pelvis": "pelvis", "sacrum": "pelvis", "torso": "torso", "sternum": "torso", "chest": "torso",
    "thigh": "thigh", "femur": "thigh", "shank": "shank", "tibia": "shank",
}  # fmt: skip
"""Words in names of columns that name such a place."""
