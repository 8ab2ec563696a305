"""Contacts of landmarks (markers, markerless), and by which feature they are timed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..signals.contacts import Contacts
from ..signals.landmark_contacts import landmark_contacts, shows_speed

SPEED, FEET_ALONE = "speed", "kinematic"
"""The features' names in the lag table: the foot's speed under the body, and, of feet alone, their braked fall."""


def landmark_trains(streams: Iterable[xr.Dataset]) -> tuple[list[Contacts], str]:
    """Return the contacts of each foot in streams of landmarks, and the feature that times them."""
    parts = [_parts(stream) for stream in streams]
    trains = [train for time_s, position, names in parts for train in landmark_contacts(time_s, position, names)]
    by_speed = all(shows_speed(position, names) for _, position, names in parts)
    return trains, SPEED if by_speed else FEET_ALONE


def _parts(stream: xr.Dataset) -> tuple[Floats, Floats, list[str]]:
    position = stream["position"]
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    return time_s, np.asarray(position.values, dtype=np.float64), [str(n) for n in position["landmark"].values]
