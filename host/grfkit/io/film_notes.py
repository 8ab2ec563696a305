"""What ``grf-inspect`` says of a film: its frames in time, who walks where, and the contacts that are seen."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..records import Recording
from ..signals.side_view import side_view

SLOWEST_HZ = 50.0
"""Pictures per second below which no force is estimated from a film: between two of 30 Hz a foot lands and is loaded to
half of the body's weight."""
ROUNDED_HZ = 0.1
"""By how much stamps that are rounded, and broadcast rates (50 / 1.001), make a rate seem smaller."""
_FEET = ("left", "right")
_HOLE = 1.5
"""Steps of time, in usual ones, from which on frames are missing."""


def film_notes(recording: Recording) -> list[str]:
    """Return notes on the keypoints of a film, none for other recordings."""
    streams = recording.of_kind("keypoints")
    return [note for stream in streams.values() for note in (_frames(stream), _walker(stream), *_contacts(stream))]


def _frames(stream: xr.Dataset) -> str:
    time = np.asarray(stream["time"].values, dtype=np.float64)
    steps = np.diff(time)
    if not steps.size:
        return "the film has one picture"
    mean, usual = (time.size - 1) / float(time[-1] - time[0]), float(np.median(steps))
    holes = steps[steps > _HOLE * usual]
    text = f"{time.size} pictures in {time[-1] - time[0]:.2f} s: {mean:.1f} a second, {1 / usual:.1f} usually"
    if holes.size:
        text += f"; frames are missing at {holes.size} places, {1e3 * holes.max():.0f} ms at most"
    if 1 / usual < SLOWEST_HZ - ROUNDED_HZ:
        text += f"; for a force at least {SLOWEST_HZ:g} are needed"
    return text


def _walker(stream: xr.Dataset) -> str:
    attrs = stream.attrs
    way = "right" if float(attrs.get("heading", 1.0)) > 0 else "left"
    people = int(attrs.get("people", 1))
    seen = "1 person seen" if people == 1 else f"{people} people (or passes) seen"
    leg_px = float(attrs.get("leg_px", float("nan")))
    return (
        f"the walker goes to the {way} of the picture, the {attrs.get('near_side', 'unknown')} side is near, a leg is"
        f" {leg_px:.0f} px long; {seen}"
    )


def _contacts(stream: xr.Dataset) -> list[str]:
    """Return a line for each foot: its landings, and its toe-offs where they are seen."""
    view = side_view(
        np.asarray(stream["time"].values, dtype=np.float64),
        np.asarray(stream["position"].values, dtype=np.float64),
        [str(name) for name in stream["landmark"].values],
        heading=float(stream.attrs.get("heading", 1.0)),
        leg_px=float(stream.attrs.get("leg_px", float("nan"))),
        visibility=np.asarray(stream["visibility"].values, dtype=np.float64),
        width_px=float(stream.attrs.get("width_px", float("nan"))),
    )
    lines = []
    for foot, side in enumerate(_FEET):
        seen = [s for s in view.stances if s.foot == foot and np.isfinite(s.ic_s) and not s.reason]
        times = ", ".join(f"{s.ic_s:.2f}-{s.to_s:.2f}" if np.isfinite(s.to_s) else f"{s.ic_s:.2f}-?" for s in seen)
        lines.append(f"{side} foot on the ground: {times or 'no whole contact seen'}{' s' if times else ''}")
    return lines
