"""Notes on time: pauses of a recording, clocks that were set, and stamps that were late or stand twice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording
from ..records.gaps import median_step, set_by

# A gap (s) that a person should know of: about one stride; chosen by hand
LONG_GAP_S = 1.0
# A pause is longer than so many periods too, or a slow sensor would be one long row of pauses; chosen by hand
_PAUSE_PERIODS = 20.0
# Pauses named one by one, the longest ones; the rest is counted; chosen by hand
_MOST_NAMED = 3


def pauses(recording: Recording) -> list[str]:
    """Return a note for each gap of more than 1 s, each clock that was set, and for late or doubled stamps.

    Events come when they come, and have no gaps.
    """
    notes: dict[str, list[str]] = {}
    for name, stream in recording.streams.items():
        if stream.attrs["kind"] == "events":
            continue
        for note in (*_of_stream(stream), *_late(stream), *_doubled(stream)):
            notes.setdefault(note, []).append(name)
    return [f"{', '.join(names)}: {note}" for note, names in notes.items()]


def _of_stream(stream: xr.Dataset) -> Iterable[str]:
    recorded = np.isfinite(stream["time_raw"].values)
    time: Floats = stream["time"].values[recorded]
    steps, period = np.diff(time), median_step(time)
    long = np.flatnonzero(steps > max(LONG_GAP_S, _PAUSE_PERIODS * period))
    longest = sorted(long[np.argsort(-steps[long], kind="stable")][:_MOST_NAMED])
    for row in longest:
        yield _pause(float(steps[row]), float(time[row]), period, bool(stream.attrs["gaps"]))
    if long.size > _MOST_NAMED:
        yield f"{long.size - _MOST_NAMED} further gaps of more than {LONG_GAP_S:g} s"


def _pause(step_s: float, after_s: float, period_s: float, is_regular: bool) -> str:
    moved = set_by(step_s, period_s)
    if moved > 0 and is_regular:
        return (
            f"time leaps by {moved:.0f} s ({_in_hours(moved)}) at {after_s:.6g} s, as a clock does that is set"
            " (daylight saving time): no sample is counted as missing there; if the recording went on without a pause,"
            f" take {moved:.0f} s off the later stamps"
        )
    return f"a gap of {step_s:.6g} s without a sample after {after_s:.6g} s: the recording paused, or its clock was set"


def _in_hours(seconds: float) -> str:
    hours = seconds / 3600.0
    return "1 hour" if hours == 1 else f"{hours:g} hours"


def _late(stream: xr.Dataset) -> Iterable[str]:
    late = int(stream.attrs.get("late_stamps", 0))
    if late:
        yield (
            f"stamps are late or stand twice at {late} places: no sample is counted as missing there, and their time is"
            " kept as it is"
        )


def _doubled(stream: xr.Dataset) -> Iterable[str]:
    """Give how many samples have the stamp of the one before, unless stamps are arrivals, which come in bursts."""
    raw = np.asarray(stream["time_raw"].values, dtype=np.float64)
    doubled = int(np.count_nonzero(np.diff(raw[np.isfinite(raw)]) == 0))
    # where the next stamps make up for it, it stands among the late ones already
    if doubled and stream.attrs.get("stamp_source") != "host" and not stream.attrs.get("late_stamps", 0):
        yield (
            f"{doubled} samples have the stamp of the sample before: rows that stand twice, or a clock coarser than the"
            " rate; they are kept as they are"
        )
