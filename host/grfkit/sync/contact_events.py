"""From streams to contact trains: what each device says about when a foot met the ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.clocks import dejittered
from ..signals.contacts import Contacts, load_contacts, merge
from ..signals.film_stream import side_view_of
from ..signals.impacts import Impacts, impacts
from .landmark_trains import landmark_trains
from .worn_on import FOOT, shoe_streams

LONGEST_STANCE_S = 1.2
"""Contact time (s) beyond which a contact is no stance of gait; the reference design."""
EARLY_LEVEL = 0.05
"""Share of the loaded level at which the reference's contact begins: low, so that steepness matters least."""
INSOLE_LEVEL = 0.1
"""The same of an insole, whose swing is never quite empty."""
TWIN_CORRELATION = 0.998
"""Correlation of two loads that no insole reaches with a plate, and a second force plate does; chosen by hand."""
TWIN_SPAN_S, TWIN_STEP_S, FEWEST_TWIN_SAMPLES = 20.0, 0.005, 1000
"""Length (s) of the course that is correlated, in the middle of the overlap; its grid (s); samples needed."""
TWIN_LAG_S = 0.006
"""Largest lag (s) of a twin that is tried, in steps of 1 ms: what the table took for the device's lag may be wrong."""
SAME_LANDING_S = 0.06
"""Time (s) within which two plates see one landing: a foot across their border; no step is as short."""
SAMPLE_SIZE = 20_000
"""Samples that a signal's levels are taken from, evenly spread; enough for a percentile, however long the record is."""
SIGNED_MEAN = 0.2
"""Share of a force's range beyond which its mean is a body weight, whose sign is known; chosen by hand."""
LOPSIDED = 1.2
"""A tail so many times as far from the resting level as the other is the loaded one; chosen by hand."""
TAIL_PERCENT, RARE_PERCENT = (0.5, 99.5), (0.02, 99.98)
"""Percentiles that are a force's tails, and those of a plate that is loaded for less than a hundredth of the time."""
RARE_HIT = 5.0
"""Range so many times that of the inner 99 % which tells a plate that is hit once or twice; chosen by hand."""
LOADED_SHARE = 0.1
"""Share of the most loaded plate's load that another needs to be one of the trial's; chosen by hand."""
LOADED_S = 0.05
"""Time (s) in all for which it needs it: less than a single stance."""
FLIGHT_FLOOR, FLIGHT_SHARE = 0.03, 1.0 / 12.0
"""Share of a force's range that is its floor, and of time on it: flights 0.19 to 0.49 (RBDS), a walk's dips 0.04."""
FLIGHT_PERCENT = (1, 95)
"""Percentiles between which that range is taken."""
LEAST_COVERED = 0.05
"""Share of an insole's samples that a channel needs to stand for its load."""
TWIN_LEVEL = 0.2
"""Share of the loaded level at which contacts of both sides begin where the device is a force plate's twin: one level
for both, so that equal signals have no lag."""


@dataclass(frozen=True)
class LoadSignal:
    """A load-like signal of one foot or plate for alignment: its own time (s), value (any unit), side.

    ``inverted`` says that the sign was turned.
    """

    name: str
    time_s: Floats
    value: Floats
    foot: int
    rate_hz: float
    inverted: bool = False


@dataclass(frozen=True)
class DeviceTrain:
    """The contacts of one clock, and by which feature they were found.

    Attributes
    ----------
    device_class
        ``insole``, ``imu``, ``landmarks`` or ``film``, as in the lag table.
    feature
        ``onset``, ``jerk``, ``turning``, ``speed``, ``kinematic`` or ``side``.
    landing_evidence
        How clearly landings differ from push-offs: the magnitude of that of
        :class:`~grfkit.signals.impacts.Impacts`, of the foot where it is least; NaN for other features or where it is
        unknown.
    """

    contacts: Contacts
    device_class: str
    feature: str
    rate_hz: float
    loads: tuple[LoadSignal, ...]
    streams: tuple[str, ...]
    stamp_source: str
    start_s: float
    end_s: float
    landing_evidence: float = float("nan")


def vertical(stream: xr.Dataset) -> tuple[Floats, bool]:
    """Return the vertical force of a plate stream, upward load positive, any zero; and whether it was turned.

    The axis is the stream's ``vertical`` attribute if it has one, else the axis that carries the load. Where the
    force doctor has seen the plate its sign stands; otherwise it is the one that makes the loaded level positive.
    """
    axis = str(stream.attrs.get("vertical", ""))
    names = [n for n in ("fx", "fy", "fz") if n in stream]
    if not names:
        raise BadInputError("a force plate stream without force channels cannot be aligned")
    if axis and f"f{axis[-1]}" in names:
        name = f"f{axis[-1]}"
    else:
        name = max(
            names, key=lambda n: float(np.nanstd(stream[n].values[:: max(1, stream.sizes["time"] // SAMPLE_SIZE)]))
        )
    values = np.asarray(stream[name].values, dtype=np.float64)
    if axis and stream.attrs.get("doctor") == "examined":
        return (-values if axis.startswith("-") else values), False
    down = _holds_down(values)
    return (-values if down else values), down


def _holds_down(force: Floats) -> bool:
    """Return whether a force carries the body downwards: its mean is a body weight and tells, where it is large.

    Over plates that are empty most of the time the mean is near zero and the tails decide.
    """
    sample = force[:: max(1, force.size // SAMPLE_SIZE)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return False
    low, high = _tails(sample)
    mean = float(sample.mean())
    return mean < 0 if abs(mean) > SIGNED_MEAN * (high - low) else points_down(force)


def upright(values: Floats) -> Floats:
    """Return the values, sign turned if the load points down."""
    return -values if points_down(values) else values


def points_down(values: Floats) -> bool:
    """Return whether load is negative: whether the lower tail is the one farther from the resting level."""
    sample = values[:: max(1, values.size // SAMPLE_SIZE)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return False
    low, high = _tails(sample)
    rest = resting_level(sample)
    return bool(rest - low > LOPSIDED * (high - rest))


def _tails(sample: Floats) -> tuple[float, float]:
    """Return a sample's lowest and highest half per cent; of a plate that is hit once or twice, its extremes."""
    low, high = np.percentile(sample, TAIL_PERCENT)
    lowest, highest = np.percentile(sample, RARE_PERCENT)
    rare = highest - lowest > RARE_HIT * (high - low)
    return (float(lowest), float(highest)) if rare else (float(low), float(high))


def resting_level(sample: Floats) -> float:
    """Return the value a signal rests at: the middle of its shortest interval holding a fifth of the samples."""
    # the densest place, not the median: a walker's insole is loaded most of the time
    ordered = np.sort(sample)
    count = max(2, ordered.size // 5)
    widths = ordered[count - 1 :] - ordered[: ordered.size - count + 1]
    shortest = int(np.argmin(widths))
    return float(ordered[shortest] + widths[shortest] / 2.0)


def plate_loads(streams: Mapping[str, xr.Dataset]) -> list[LoadSignal]:
    """Return the vertical load of every plate that is ever loaded."""
    loads = []
    for name, stream in streams.items():
        if stream.attrs.get("kind") != "force_plate":
            continue
        foot = FOOT.get(str(stream.attrs.get("knows_feet", "")), -1)
        time_s = np.asarray(stream["time"].values, dtype=np.float64)
        value, turned = vertical(stream)
        loads.append(LoadSignal(name, time_s, value, foot, float(stream.attrs["rate_hz"]), turned))
    return _loaded(loads)


def _loaded(loads: list[LoadSignal]) -> list[LoadSignal]:
    """Return the plates that for 50 ms in all bear at least a tenth of what the most loaded one does."""
    spread = [_reach(p) for p in loads]
    top = max(spread, default=0.0)
    return [p for p, s in zip(loads, spread) if s > LOADED_SHARE * top and s > 0]


def _reach(load: LoadSignal) -> float:
    """Return how far a load rises above its lowest fiftieth for 50 ms, however long the record is."""
    value = load.value[np.isfinite(load.value)]
    count = max(1, round(LOADED_S * load.rate_hz))
    if value.size <= count:
        return 0.0
    return float(np.partition(value, value.size - count)[value.size - count] - np.percentile(value, 2))


def insole_load(stream: xr.Dataset) -> Floats | None:
    """Return an insole's total load: force, else pressure sum, else zones, else cells; None if it has none."""
    for name in ("force", "pressure_sum"):
        if name in stream and np.isfinite(stream[name].values).mean() > LEAST_COVERED:
            return np.asarray(stream[name].values, dtype=np.float64)
    for start in ("zone_", "cell_"):
        names = [str(n) for n in stream.data_vars if str(n).startswith(start)]
        if names:
            total = np.zeros(stream.sizes["time"])
            for name in names:
                if np.isfinite(stream[name].values).any():  # a dead cell adds nothing
                    total += stream[name].values
            return total
    return None


def reference_train(
    streams: Mapping[str, xr.Dataset], *, plates: bool, level: float = EARLY_LEVEL
) -> tuple[Contacts, list[LoadSignal]]:
    """Return the reference's contacts and its loads.

    On a treadmill a total force with flight phases is cut as one signal (a runner's feet never overlap, and a foot
    may land across two belts); without flight each belt is cut on its own. Separate plates are cut one by one.

    Raises
    ------
    BadInputError
        If no plate (nor an insole standing in for one) holds a load.
    """
    loads = plate_loads(streams)
    if not loads:
        loads = [load for load in device_loads(streams) if load.value.size]
        if not loads:
            raise BadInputError("the reference holds no force plate (nor an insole); nothing to align to")
    longest = np.inf if plates else LONGEST_STANCE_S
    if plates or any(load.foot >= 0 for load in loads):
        trains = [load_contacts(p.time_s, p.value, foot=p.foot, level=level, longest_s=longest) for p in loads]
        return merge_any(trains), loads
    if len(loads) > 1 and all(p.time_s.size == loads[0].time_s.size for p in loads):
        total = np.sum([p.value for p in loads], axis=0)
        if has_flight(total):
            return load_contacts(loads[0].time_s, total, level=level), loads
    return merge_any([load_contacts(p.time_s, p.value, foot=p.foot, level=level) for p in loads]), loads


def merge_any(trains: list[Contacts]) -> Contacts:
    """Return all contacts of plates in one train; a landing that two plates see counts once."""
    joined = merge([t for t in trains if t.covered_s.size])
    if joined.size < 2:
        return joined
    # of plates that know their feet two landings so close are a jump's, and both count
    twice = np.concatenate([[False], np.diff(joined.onset_s) < SAME_LANDING_S])
    unknown = joined.foot < 0
    return joined.subset(~(twice & unknown))


def hides_feet(loads: Sequence[LoadSignal]) -> bool:
    """Return whether a treadmill's force is one signal without flight: nobody sees in it which foot lands, or when."""
    return len(loads) == 1 and loads[0].foot < 0 and not has_flight(loads[0].value)


def has_flight(total: Floats) -> bool:
    """Return whether a total force lies flat on its floor for at least a twelfth of the time.

    A runner's flights do, a walker's dips do not.
    """
    part = total[:: max(1, total.size // SAMPLE_SIZE)]
    low, high = np.nanpercentile(part, FLIGHT_PERCENT)
    return bool(np.nanmean(part < low + FLIGHT_FLOOR * (high - low)) > FLIGHT_SHARE)


def device_loads(streams: Mapping[str, xr.Dataset], *, inverted: bool = False) -> list[LoadSignal]:
    """Return the load of every insole stream, stamps de-jittered; ``inverted`` takes less as more load."""
    loads = []
    for name, stream in streams.items():
        if stream.attrs.get("kind") != "insole":
            continue
        value = insole_load(stream)
        if value is None or not np.isfinite(value).any():
            continue
        foot = FOOT.get(str(stream.attrs.get("side", "")), -1)
        time_s = dejittered(np.asarray(stream["time"].values, dtype=np.float64))
        rate = float(stream.attrs["rate_hz"])
        loads.append(LoadSignal(name, time_s, -value if inverted else value, foot, rate, inverted))
    return loads


def device_train(
    streams: Mapping[str, xr.Dataset],
    *,
    plates: bool = False,
    level: float = INSOLE_LEVEL,
    inverted: bool = False,
    stance_s: float = float("nan"),
) -> DeviceTrain:
    """Return the contacts of the streams of one clock, from the best feature they hold.

    Insoles first, then landmarks, films and IMUs. Where the reference is separate ``plates`` contacts of any length are
    kept: the landing of a jump begins a long one. ``stance_s`` is the reference's usual contact time, which tells
    an IMU's landings from push-offs; ``inverted`` takes less as more load, and push-offs as landings.

    Raises
    ------
    BadInputError
        If none of the streams can show a contact.
    """
    # insoles show durations and strengths besides times; landmarks no shock that may be a push-off
    loads = device_loads(streams, inverted=inverted)
    if loads:
        longest = np.inf if plates else LONGEST_STANCE_S
        trains = [load_contacts(p.time_s, p.value, foot=p.foot, level=level, longest_s=longest) for p in loads]
        return _train(streams, merge(trains), "insole", "onset", loads[0].rate_hz, loads=tuple(loads))
    landmarks = [s for s in streams.values() if s.attrs.get("kind") == "landmarks"]
    trains, feature = landmark_trains(landmarks)
    if trains:
        return _train(streams, merge(trains), "landmarks", feature, float(landmarks[0].attrs["rate_hz"]))
    films = [s for s in streams.values() if s.attrs.get("kind") == "keypoints"]
    if films:
        seen = [side_view_of(film).contacts() for film in films]
        return _train(streams, merge(seen), "film", "side", float(films[0].attrs["rate_hz"]))
    shoes = list(shoe_streams(streams).values())
    shocks = [shock for s in shoes for shock in _imu(s, stance_s, inverted)]
    if shocks:
        evidence = float(np.min(np.abs([shock.landing_evidence for shock in shocks])))
        feet, rate_hz = merge([shock.contacts for shock in shocks]), float(shoes[0].attrs["rate_hz"])
        return _train(streams, feet, "imu", "jerk", rate_hz, landing_evidence=evidence)
    kinds = ", ".join(f"{n} ({s.attrs.get('kind')})" for n, s in streams.items())
    raise BadInputError(f"no insole load, acceleration, heel and toe landmarks or film to align by in: {kinds}")


def _train(
    streams: Mapping[str, xr.Dataset],
    contacts: Contacts,
    device_class: str,
    feature: str,
    rate_hz: float,
    *,
    loads: tuple[LoadSignal, ...] = (),
    landing_evidence: float = float("nan"),
) -> DeviceTrain:
    """Return the train of a device with what all its streams say of time."""
    times = [stream["time"].values for stream in streams.values()]
    return DeviceTrain(
        contacts,
        device_class,
        feature,
        rate_hz,
        loads,
        streams=tuple(streams),
        stamp_source=str(next(iter(streams.values())).attrs.get("stamp_source", "unknown")),
        start_s=min(float(time_s[0]) for time_s in times),
        end_s=max(float(time_s[-1]) for time_s in times),
        landing_evidence=landing_evidence,
    )


def _imu(stream: xr.Dataset, stance_s: float, other: bool) -> list[Impacts]:
    names = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream and np.isfinite(stream[n].values).any()]
    if not names:
        return []
    time_s = dejittered(np.asarray(stream["time"].values, dtype=np.float64))
    values = np.stack([stream[n].values for n in names], axis=1)
    foot = FOOT.get(str(stream.attrs.get("side", "")), -1)
    return [impacts(time_s, values, foot=foot, stance_s=stance_s, other=other)]


def follows_force(plates: list[LoadSignal], device: Sequence[LoadSignal], mapped_s: Callable[[Floats], Floats]) -> bool:
    """Return whether a device's total load is the reference's own force: so highly correlated for 20 s.

    No insole is (``TWIN_CORRELATION``); another force plate is, or the same one recorded by another system. Such a twin
    has no sensor lag worth a table.

    Parameters
    ----------
    mapped_s
        Reference time of device time.
    """
    device_s = np.asarray(device[0].time_s)
    at = mapped_s(device_s)
    start, end = max(at[0], plates[0].time_s[0]), min(at[-1], plates[0].time_s[-1])
    grid = np.arange((start + end) / 2 - TWIN_SPAN_S / 2, (start + end) / 2 + TWIN_SPAN_S / 2, TWIN_STEP_S)
    grid = grid[(grid > start) & (grid < end)]
    if grid.size < FEWEST_TWIN_SAMPLES:
        return False
    total, good = np.zeros(grid.size), np.ones(grid.size, dtype=bool)
    for load in device:
        mapped = mapped_s(load.time_s)
        index = np.clip(np.searchsorted(mapped, grid), 1, load.time_s.size - 1)
        good &= np.isfinite(load.value[index]) & np.isfinite(load.value[index - 1])
        total += np.interp(grid, mapped, np.nan_to_num(load.value))
    if good.sum() < FEWEST_TWIN_SAMPLES:
        return False
    best = 0.0
    for shift in np.arange(-TWIN_LAG_S, TWIN_LAG_S + 1e-4, 0.001):
        force = np.sum([np.interp(grid + shift, p.time_s, np.nan_to_num(p.value)) for p in plates], axis=0)
        best = max(best, float(np.corrcoef(force[good], total[good])[0, 1]))
    return best > TWIN_CORRELATION
