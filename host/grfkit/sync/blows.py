"""Blows, jumps and steps that a plate and a device both felt, and how much later the device shows each of them.

What is measured is what the alignment sees: loads are cut by :func:`~grfkit.signals.contacts.load_contacts` at the
levels of ``contact_events``, shoes' shocks are peaks of the jerk's envelope, steps are those of ``device_train``. A
hammer's blow is too short for a contact and too rare for a rhythm, so each is looked at in a stretch of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.clocks import dejittered
from ..signals.contacts import Contacts, load_contacts, smoothed
from ..signals.impacts import jerk_envelope, peak_times
from ..signals.robust import MAD_TO_SD
from .contact_events import (
    EARLY_LEVEL,
    INSOLE_LEVEL,
    LONGEST_STANCE_S,
    LoadSignal,
    device_loads,
    device_train,
    merge_any,
    resting_level,
    vertical,
)

Method = Literal["blows", "jumps", "steps"]

LARGEST_LAG_S = 0.25
"""Lags (s) that are looked for: radios buffer for a tenth of a second and more."""
STEP_SHARE = 0.45
"""Of steps, that share of the time from one to the next at most: half of it is as near to the other."""
NEAR_S = 0.045
"""Time (s) about the usual lag in which one blow's is looked for; that of a shock in the stride (``impacts``)."""
BEFORE_S, AFTER_S = 0.3, 0.5
"""Stretch (s) about a blow in which its levels are taken; blows have to be further apart than its end."""
LEAST_HEIGHT = 0.15
"""Share of the hardest blow's height that another needs; chosen by hand."""
REST_PERCENT, QUIET_SHARE = 1.0, 0.1
"""Percentile that is a load's rest, and share of the height above it that is still rest; chosen by hand: jumpers are in
the air for 2 % of the time and more."""
NOISE_SDS = 12.0
"""Height of a blow in SDs of the load at rest, at the least; chosen by hand, no noise of an hour reaches it."""
LEAST_FORCE_N = 20.0
"""Height (N) of a blow on a plate in newtons, at the least; chosen by hand: a tap with a finger."""
BLOW_S = 0.08
"""Loads that usually last less than this (s) are blows: the shortest contact of a foot (``signals.contacts``)."""
JUMPS_SHARE = 0.2
"""Share of contacts beyond a stance's length from which on they are landings of jumps; chosen by hand."""
PULSE_HZ = 40.0
"""Low-pass (Hz) under which blows are looked for: that of the contacts."""
ENVELOPE_GRID_S = 0.002
"""Steps (s) in which the usual lag of shocks is looked for."""


@dataclass(frozen=True)
class LoadEvents:
    """When a load rose: blows, jumps or steps.

    Attributes
    ----------
    onset_s
        Shape (events,), on the clock of the load.
    peak
        Shape (events,): the load's height, own unit.
    contacts
        The events as contacts; of steps the usual stance is taken from them.
    """

    method: Method
    onset_s: Floats
    peak: Floats
    contacts: Contacts


@dataclass(frozen=True)
class Pairs:
    """Events that both saw: the reference's onset (s), how much later (s) the device shows it, foot and height."""

    onset_s: Floats
    lag_s: Floats
    foot: NDArray[np.int64]
    peak: Floats


def all_plates(streams: Mapping[str, xr.Dataset]) -> list[LoadSignal]:
    """Return the vertical load of every plate, also of those that bear a load for an instant only."""
    loads = []
    for name, stream in streams.items():
        if stream.attrs.get("kind") == "force_plate":
            value, turned = vertical(stream)
            time_s = np.asarray(stream["time"].values, dtype=np.float64)
            loads.append(LoadSignal(name, time_s, value, -1, float(stream.attrs["rate_hz"]), turned))
    return loads


def load_events(loads: Sequence[LoadSignal], *, level: float, method: Method | None, newtons: bool) -> LoadEvents:
    """Return the events of loads: blows where they are too short for a foot, else contacts.

    Parameters
    ----------
    level
        Share of the loaded level at which an event begins: ``EARLY_LEVEL`` of a plate, ``INSOLE_LEVEL`` of an insole.
    method
        What was done; None: blows if the loads are usually shorter than 80 ms, else jumps if at least a fifth of the
        contacts last longer than a stance, else steps.
    newtons
        Whether the loads are in N, so that a least force can be asked for.
    """
    found = [_pulses(load, newtons) for load in loads]
    lengths = np.concatenate([length for _, length in found]) if found else np.zeros(0)
    if method is None and lengths.size and np.median(lengths) < BLOW_S:
        method = "blows"
    if method == "blows":
        parts = [_blow_contacts(load, at, level) for load, (at, _) in zip(loads, found)]
    else:
        enough = [load for load, (at, _) in zip(loads, found) if at.size]
        parts = [load_contacts(p.time_s, p.value, foot=p.foot, level=level, longest_s=np.inf) for p in enough]
    contacts = merge_any(parts)
    if method is None:
        long = contacts.duration_s > LONGEST_STANCE_S
        method = "jumps" if long.size and long.mean() >= JUMPS_SHARE else "steps"
    peak = np.max([_heights(load, contacts.onset_s) for load in loads], axis=0) if loads else np.zeros(0)
    return LoadEvents(method, contacts.onset_s, np.asarray(peak), contacts)


def _pulses(load: LoadSignal, newtons: bool) -> tuple[Floats, Floats]:
    """Return when a load rises well above its rest, and for how long (s) it stays there."""
    value = np.nan_to_num(load.value, nan=resting_level(load.value[np.isfinite(load.value)]) if load.value.size else 0)
    if value.size < 3:
        return np.zeros(0), np.zeros(0)
    smooth = smoothed(value, load.rate_hz, PULSE_HZ)
    # the emptiest, not the usual level: who jumps stands on the plate for most of the time
    rest = float(np.percentile(smooth, REST_PERCENT))
    top = float(smooth.max()) - rest
    empty = smooth[smooth < rest + QUIET_SHARE * top]
    quiet = MAD_TO_SD * float(np.median(np.abs(empty - np.median(empty)))) if empty.size else 0.0
    height = max(LEAST_HEIGHT * top, min(NOISE_SDS * quiet, 0.5 * top), LEAST_FORCE_N if newtons else 0.0)
    if top < height or top <= 0:
        return np.zeros(0), np.zeros(0)
    above = np.concatenate([[False], smooth > rest + height, [False]])
    first, last = np.flatnonzero(above[1:] & ~above[:-1]), np.flatnonzero(above[:-1] & ~above[1:])
    inner = (first > 0) & (last < value.size)
    at = load.time_s[first[inner]]
    length = load.time_s[np.minimum(last[inner], value.size - 1)] - at
    apart = np.concatenate([[True], np.diff(at) > AFTER_S]) if at.size else np.zeros(0, dtype=bool)
    return at[apart], length[apart]


def _blow_contacts(load: LoadSignal, at_s: Floats, level: float) -> Contacts:
    """Return each blow as a contact, its levels taken from the stretch about it."""
    onset, offset, strength = [], [], []
    for at in at_s:
        near = slice(*np.searchsorted(load.time_s, [at - BEFORE_S, at + AFTER_S]))
        part = load_contacts(load.time_s[near], load.value[near], level=level, longest_s=np.inf, shortest_s=0.0)
        if not part.size:
            continue
        # the first within reach: a hammer that bounces strikes again
        first = int(np.argmin(np.abs(part.onset_s - at)))
        onset.append(part.onset_s[first])
        offset.append(part.offset_s[first])
        strength.append(part.strength[first])
    feet = np.full(len(onset), load.foot, dtype=np.int64)
    covered = np.asarray([[load.time_s[0], load.time_s[-1]]]) if load.time_s.size else np.zeros((0, 2))
    return Contacts(np.asarray(onset), np.asarray(offset), np.asarray(strength), feet, covered)


def _heights(load: LoadSignal, at_s: Floats) -> Floats:
    """Return the load's highest value in the quarter of a second after each event, above its rest."""
    rest = resting_level(load.value[np.isfinite(load.value)])
    bounds = np.searchsorted(load.time_s, np.stack([at_s - 0.01, at_s + 0.25], axis=1))
    return np.asarray([float(np.nanmax(load.value[a:b], initial=rest)) - rest for a, b in bounds])


def insole_pairs(streams: Mapping[str, xr.Dataset], events: LoadEvents, shift_s: float) -> Pairs:
    """Return the events that insoles show, by the onset of their load; ``shift_s`` is reference minus device time."""
    loads = device_loads(streams)
    if events.method != "blows":
        return _contact_pairs(device_train(streams, plates=True).contacts, events, shift_s)
    reach = LARGEST_LAG_S
    parts = []
    for load in loads:
        at, _ = _pulses(load, newtons=False)
        struck = at[[bool(np.abs(events.onset_s - t - shift_s).min(initial=np.inf) < reach) for t in at]]
        parts.append(_blow_contacts(load, struck, INSOLE_LEVEL))
    return _contact_pairs(merge_any(parts), events, shift_s)


def landmark_pairs(streams: Mapping[str, xr.Dataset], events: LoadEvents, shift_s: float) -> Pairs:
    """Return the events that heels and toes show."""
    return _contact_pairs(device_train(streams, plates=True).contacts, events, shift_s)


def imu_pairs(streams: Mapping[str, xr.Dataset], events: LoadEvents, shift_s: float, stance_s: float) -> Pairs:
    """Return the events that shoe IMUs show, by the peak of the jerk: of steps in the rhythm, else near each event."""
    if events.method == "steps":
        return _contact_pairs(device_train(streams, plates=True, stance_s=stance_s).contacts, events, shift_s)
    feet = {"left": 0, "right": 1}
    parts = [_shock_pairs(s, events, shift_s, feet.get(str(s.attrs.get("side", "")), -1)) for s in streams.values()]
    parts = [part for part in parts if part.onset_s.size]
    if not parts:
        return no_pairs()
    joined = Pairs(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("onset_s", "lag_s", "foot", "peak")))
    # two shoes of one jump: the plate shows the one that lands first
    order = np.lexsort((joined.lag_s, joined.onset_s))
    first = np.concatenate([[True], np.diff(joined.onset_s[order]) > 0])
    kept = order[first]
    return Pairs(joined.onset_s[kept], joined.lag_s[kept], joined.foot[kept], joined.peak[kept])


def _shock_pairs(stream: xr.Dataset, events: LoadEvents, shift_s: float, foot: int) -> Pairs:
    """Return the shocks of one shoe near each event: the envelope's highest sample about the usual lag."""
    names = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream and np.isfinite(stream[n].values).any()]
    if not names or not events.onset_s.size:
        return no_pairs()
    time_s = dejittered(np.asarray(stream["time"].values, dtype=np.float64))
    values = np.stack([stream[n].values for n in names], axis=1)
    missing = np.asarray(~np.isfinite(values).all(axis=1), dtype=bool)
    envelope = jerk_envelope(time_s, values, missing, 1.0 / float(np.median(np.diff(time_s))))
    at = events.onset_s - shift_s
    inside = (at > time_s[0] + LARGEST_LAG_S) & (at < time_s[-1] - LARGEST_LAG_S)
    usual = _usual_lag_s(time_s, envelope, at[inside])
    floor = float(np.median(envelope))
    rows = []
    for number in np.flatnonzero(inside):
        near = slice(*np.searchsorted(time_s, [at[number] + usual - NEAR_S, at[number] + usual + NEAR_S]))
        if near.stop - near.start < 3 or missing[near].any():
            continue
        top = near.start + int(np.argmax(envelope[near]))
        rows.append((number, top, envelope[top] - floor))
    if not rows:
        return no_pairs()
    heights = np.asarray([height for _, _, height in rows])
    strong = heights > LEAST_HEIGHT * heights.max()
    number = np.asarray([n for n, _, _ in rows])[strong]
    shock_s = peak_times(time_s, envelope, np.asarray([top for _, top, _ in rows])[strong])
    lag = shock_s - at[number]
    seen = np.isfinite(lag)
    number = number[seen]
    return Pairs(events.onset_s[number], lag[seen], np.full(number.size, foot), events.peak[number])


def _usual_lag_s(time_s: Floats, envelope: Floats, at_s: Floats) -> float:
    """Return the lag (s) at which the envelope, each blow's scaled to its own height, is highest over all blows."""
    grid = np.arange(-LARGEST_LAG_S, LARGEST_LAG_S, ENVELOPE_GRID_S)
    if not at_s.size:
        return 0.0
    course = np.stack([np.interp(at + grid, time_s, envelope) for at in at_s])
    course = course / np.maximum(course.max(axis=1, keepdims=True), 1e-12)
    return float(grid[int(np.argmax(np.mean(course, axis=0)))])


def _contact_pairs(device: Contacts, events: LoadEvents, shift_s: float) -> Pairs:
    """Return, for every event, the device's contact of it: the nearest to its foot's usual lag, of jumps the earliest.

    Raises
    ------
    BadInputError
        If the two feet show their contacts further apart than one feature does.
    """
    if not device.size or not events.onset_s.size:
        return no_pairs()
    lag = device.onset_s[None, :] + shift_s - events.onset_s[:, None]
    usual = _usual_by_foot(lag, device.foot, _largest_lag_s(events))
    if not np.isfinite(usual).any():
        return no_pairs()
    off = np.abs(lag - usual[None, :])
    allowed = off < NEAR_S
    score = np.where(allowed, lag if events.method == "jumps" else off, np.inf)
    best = np.argmin(score, axis=1)
    row = np.flatnonzero(np.isfinite(score[np.arange(lag.shape[0]), best]))
    # a device's contact belongs to one event alone
    _, once = np.unique(best[row], return_index=True)
    row = row[np.sort(once)]
    chosen = best[row]
    return Pairs(events.onset_s[row], lag[row, chosen], device.foot[chosen], events.peak[row])


def _largest_lag_s(events: LoadEvents) -> float:
    """Return the lag (s) that is looked for at most: of steps less than half of the time from one to the next."""
    if events.method != "steps" or events.onset_s.size < 2:
        return LARGEST_LAG_S
    return min(LARGEST_LAG_S, STEP_SHARE * float(np.median(np.diff(events.onset_s))))


def _usual_by_foot(lag_s: Floats, foot: NDArray[np.int64], largest_s: float) -> Floats:
    """Return for each of the device's contacts the usual lag (s) of its foot; NaN where that has none.

    Parameters
    ----------
    lag_s
        Shape (events, contacts).
    """
    usual, found = np.full(foot.size, np.nan), {}
    for side in np.unique(foot):
        own = lag_s[:, foot == side]
        nearest = own[np.arange(own.shape[0]), np.argmin(np.abs(own), axis=1)]
        close = nearest[np.abs(nearest) < largest_s]
        if close.size:
            found[int(side)] = usual[foot == side] = float(np.median(close))
    if 0 in found and 1 in found and abs(found[0] - found[1]) > NEAR_S:
        raise BadInputError(
            f"the left foot shows contacts {1e3 * found[0]:+.0f} ms and the right one {1e3 * found[1]:+.0f} ms after"
            " the plates: they show different features of a contact, and have no lag in common"
        )
    return usual


def no_pairs() -> Pairs:
    """Return no pair."""
    none = np.zeros(0)
    return Pairs(none, none, np.zeros(0, dtype=np.int64), none)


REFERENCE_LEVEL = {"force_plate": EARLY_LEVEL, "insole": INSOLE_LEVEL}
"""Level at which the load of either begins."""
