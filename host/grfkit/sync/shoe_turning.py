"""A walker's contacts by the turning of the shoes: a landing's shock is soft, a foot's leaving is clear.

A shoe IMU with a gyroscope shows a walker's toe-off to 5 ms (SD within a recording; 28 real walks at 100 Hz, Pearl
2024), where the jerk of its landings scatters by 3 to 20 ms and is sometimes another shock. What is timed is the middle
of the contact, half the usual contact time before its end, on both devices: shoes turn late where they land early, so
that the middle's lag differs least from walk to walk (SD 10 ms; 15 ms of the end or the beginning alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.contacts import rule_of
from ..gait.shoe_axes import shoe_axes
from ..gait.shoe_stances import stances_of_shoe
from ..signals.clocks import dejittered
from ..signals.contacts import Contacts, covered_stretches, merge
from .contact_events import DeviceTrain
from .worn_on import FOOT, shoe_streams

TURNING = "turning"
"""The feature's name in the lag table."""
RULE = "5%BW walking"
"""Limits of a contact; the level plays no part."""
BRIDGE_S = 0.05
"""Hole (s) that hides no turning point; chosen by hand: the turning is low-passed at 10 Hz."""
LEAST_SHARE = 0.7
"""Contacts found, as a share of those that a foot at its usual stride makes in the time; chosen by hand."""
LIKE = 1.4
"""The shoe's usual contact time is that of the reference within this factor; in the real walks within 1.1."""
FEWEST = 6
"""Contacts that can show whether a foot stands still in them; chosen by hand."""
STANDS = 0.4
"""A foot turns in the middle of its contacts by less than this share of what it turns in swing: .03 to .26 in the real
walks; .9 and more where swings were taken for contacts."""
_CHANNELS = tuple(f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz")


def by_turning(streams: Mapping[str, xr.Dataset], shocks: DeviceTrain, stance_s: float) -> DeviceTrain | None:
    """Return the train of a walker's shoes by their turning; None where they do not show it.

    Parameters
    ----------
    streams
        Of one clock.
    shocks
        The same shoes' landings by their shocks.
    stance_s
        The person's usual contact time (s) by the reference.
    """
    contacts = turning_contacts(streams)
    if contacts is None or not 1.0 / LIKE < float(np.median(contacts.duration_s)) / stance_s < LIKE:
        return None
    return replace(shocks, contacts=middles(contacts), feature=TURNING)


def turning_contacts(streams: Mapping[str, xr.Dataset]) -> Contacts | None:
    """Return the contacts that the turning of a walker's shoes shows; None where one of them does not show it."""
    feet = [_contacts(stream) for stream in shoe_streams(streams).values()]
    if not feet or any(foot is None for foot in feet):
        return None
    return merge([foot for foot in feet if foot is not None])


def middles(contacts: Contacts) -> Contacts:
    """Return contacts timed by their middle: half the usual contact time before their end; durations stay."""
    known = contacts.subset(np.isfinite(contacts.offset_s))
    if not known.size:
        return known
    known = known.subset(np.argsort(known.offset_s, kind="stable"))
    middle_s = known.offset_s - 0.5 * float(np.median(known.duration_s))
    return replace(known, onset_s=middle_s, offset_s=middle_s + known.duration_s)


def _contacts(stream: xr.Dataset) -> Contacts | None:
    """Return the contacts that one shoe's turning shows, None where it has no gyroscope or no walker's turning."""
    if any(name not in stream for name in _CHANNELS) or str(stream["gyro_x"].attrs.get("units")) != "rad/s":
        return None
    time_s = dejittered(np.asarray(stream["time"].values, dtype=np.float64))
    values = np.stack([np.asarray(stream[name].values, dtype=np.float64) for name in _CHANNELS], axis=1)
    known = np.asarray(np.isfinite(values).all(axis=1), dtype=bool)
    pitch: Floats = np.full(time_s.size, np.nan)
    try:
        turned = shoe_axes(values[known, :3], values[known, 3:], rate_hz=float(stream.attrs["rate_hz"]), axes="walking")
    except BadInputError:
        return None
    pitch[known] = turned[1][:, 1]
    speed = np.linalg.norm(values[:, 3:], axis=1)
    # which way is toe down is doubtful where a foot turns most across its length; the foot that stands tells
    found = [stances_of_shoe(time_s, sign * pitch, rule_of(RULE)).spans for sign in (1.0, -1.0)]
    unrest = [_unrest(time_s, speed, spans) for spans in found]
    spans = found[int(np.argmin(unrest))]
    covered = covered_stretches(time_s, np.asarray(~known, dtype=bool), BRIDGE_S)
    walked_s = float(np.sum(covered[:, 1] - covered[:, 0]))
    if not min(unrest) < STANDS or len(spans) < LEAST_SHARE * walked_s / float(np.median(np.diff(spans[:, 0]))):
        return None
    foot = np.full(len(spans), FOOT.get(str(stream.attrs.get("side", "")), -1), dtype=np.int64)
    return Contacts(spans[:, 0], spans[:, 1], np.full(len(spans), np.nan), foot, covered)


def _unrest(time_s: Floats, speed_rad_s: Floats, spans: Floats) -> float:
    """Return how fast a foot turns in the middle of its contacts, as a share of how fast it does between them."""
    if len(spans) < FEWEST:
        return float("inf")
    start, end = spans.T
    middle = [_mean(time_s, speed_rad_s, a + 0.3 * (b - a), b - 0.3 * (b - a)) for a, b in spans]
    between = [_mean(time_s, speed_rad_s, a, b) for a, b in zip(end[:-1], start[1:])]
    return float(np.nanmedian(middle) / max(np.nanmedian(between), 1e-9))


def _mean(time_s: Floats, values: Floats, start_s: float, end_s: float) -> float:
    """Return the mean of the known values from one time to another, NaN where there are none."""
    first, last = np.searchsorted(time_s, (start_s, end_s))
    part = values[first:last]
    part = part[np.isfinite(part)]
    return float(part.mean()) if part.size else float("nan")
