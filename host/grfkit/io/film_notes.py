"""What ``grf-inspect`` says of a film: its frames in time, who walks where, and the contacts that are seen."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..records import Recording
from ..signals.film_pace import pace_of
from ..signals.film_stream import side_view_of
from ..signals.film_time import ROUNDED_HZ, SLOWEST_HZ, missing_pictures

_FEET = ("left", "right")


def film_notes(recording: Recording) -> list[str]:
    """Return notes on the keypoints of a film, none for other recordings."""
    streams = recording.of_kind("keypoints")
    return [
        note
        for stream in streams.values()
        for note in (_frames(stream), _walker(stream), *_pace(stream), *_contacts(stream))
    ]


def _frames(stream: xr.Dataset) -> str:
    time = np.asarray(stream["time"].values, dtype=np.float64)
    steps = np.diff(time)
    if not steps.size:
        return "the film has one picture"
    mean, usual = (time.size - 1) / float(time[-1] - time[0]), float(np.median(steps))
    missing = missing_pictures(time)
    text = f"{time.size} pictures in {time[-1] - time[0]:.2f} s: {mean:.1f} a second, {1 / usual:.1f} usually"
    if missing:
        text += f"; {missing} missing, the longest hole is {1e3 * steps.max():.0f} ms"
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


def _pace(stream: xr.Dataset) -> list[str]:
    pace = pace_of(stream)
    return [] if pace is None else [str(pace)]


def _contacts(stream: xr.Dataset) -> list[str]:
    """Return a line for each foot: its landings, and its toe-offs where they are seen."""
    view = side_view_of(stream)
    lines = []
    for foot, side in enumerate(_FEET):
        seen = [s for s in view.stances if s.foot == foot and np.isfinite(s.ic_s) and not s.reason]
        times = ", ".join(f"{s.ic_s:.2f}-{s.to_s:.2f}" if np.isfinite(s.to_s) else f"{s.ic_s:.2f}-?" for s in seen)
        lines.append(f"{side} foot on the ground: {times or 'no whole contact seen'}{' s' if times else ''}")
    return lines
