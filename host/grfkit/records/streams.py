"""One stream of a recording: channels in SI on a device clock, gaps as NaN, raw time kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .. import units
from ..arrays import Floats
from ..errors import BadInputError
from .gaps import find_gaps, is_regular, median_step, set_by, usual_step, with_missing_rows

StreamKind = Literal["force_plate", "insole", "imu", "body_imu", "landmarks", "keypoints", "images", "analog", "events"]
"""``imu`` sits on a foot, ``body_imu`` on pelvis, torso, thigh or shank (attribute ``place``); ``keypoints`` (px) and
``images`` are of a film (:mod:`grfkit.records.film_streams`)."""
Side = Literal["left", "right", "both", "unknown"]
StampSource = Literal["crystal", "host", "index", "unknown"]
Frame = Literal["raw", "sensor", "foot", "plate", "global", "lab", "landing", "image"]
"""``global`` is the file's own laboratory frame; ``lab`` is grfkit's: X forward, Y left, Z up; ``image`` a picture's:
x to the right, y down, px."""
Surface = Literal["treadmill", "overground"]

# One day: no recording pauses longer, so a wrong or a repaired clock is the likelier reason.
_LONGEST_JUMP_S = _DAY_S = 86400.0
# Samples with one stamp: live exports stamp bursts of up to 50 alike; more of them is a clock that stands.
_MOST_PER_STAMP = 50
_MASKED = ("cop_", "free_moment")
"""Channels masked on purpose, where a foot or plate is not loaded: that is no gap."""


@dataclass(frozen=True)
class Channel:
    """One channel as a file holds it; :func:`make_stream` converts it to SI once.

    Attributes
    ----------
    name
        grfkit's name: ``fx fy fz mx my mz cop_x cop_y cop_z free_moment`` (plate), ``force``, ``zone_heel
        zone_medial zone_lateral``, ``cell_01``... (insole), ``acc_x``... ``gyro_x``... ``mag_x``... (IMU),
        or the file's own name where none of these fits.
    values
        Shape (samples,), missing samples NaN.
    unit
        As in the file; any spelling :mod:`grfkit.units` knows. ``count`` for uncalibrated values.
    frame
        What the axes are relative to.
    raw_name
        The file's own name, where it differs.
    """

    name: str
    values: Floats
    unit: str
    frame: Frame = "raw"
    raw_name: str = ""


def make_stream(
    channels: Sequence[Channel],
    time: Floats,
    *,
    kind: StreamKind,
    side: Side = "unknown",
    time_unit: str = "s",
    rate_hz: float | None = None,
    stamp_source: StampSource = "unknown",
    clock: str = "device",
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return one stream: SI channels on the device clock, gaps filled with NaN rows, raw time kept.

    Where the stamps are regular (nine in ten differences within a fifth of the median), a hole of up to 10 s
    gets one NaN row per missing sample and a longer one a single NaN row; irregular stamps (bursts, host
    arrival times) are left as they are. What is missing :func:`grfkit.records.gaps.find_gaps` says: late and doubled
    stamps are no losses, their number is the attribute ``late_stamps`` where there are any. ``time`` (s) is complete;
    ``time_raw`` holds the file's own column, NaN in the added rows.

    Parameters
    ----------
    channels
        At least one, all as long as ``time``.
    time
        Shape (samples,), in ``time_unit``, never decreasing.
    rate_hz
        Nominal rate where the file states it; estimated from the stamps otherwise.
    clock
        Streams of one recording with the same ``clock`` share a clock and are aligned together.
    attrs
        Further attributes (numbers, strings, lists of numbers), e.g. ``corners_m``.

    Raises
    ------
    BadInputError
        If there is no sample, lengths differ, a stamp is missing, or time goes backwards, stands or leaps by
        more than a day.
    """
    stamps = units.to_si(np.asarray(time, dtype=np.float64), time_unit)
    check_stamps(stamps, channels, kind)
    holes = find_gaps(stamps)
    filled, source = with_missing_rows(stamps, holes)
    data, absent = _spread_channels(channels, source, kind)
    raw = _spread(np.asarray(time, dtype=np.float64), source)
    data["time_raw"] = ("time", raw, {"units": units.canonical_name(time_unit), "long_name": "as recorded"})
    about: dict[str, Any] = {"kind": kind, "side": side, "rate_hz": float(rate_hz or median_rate(stamps))}
    about |= {"stamp_source": stamp_source, "clock": clock}
    # rows added for lost samples are absent too where any channel is: they are counted once
    missing = int(absent.sum()) - int((source < 0).sum() if absent.any() else 0)
    about["missing_samples"] = int(holes.missing.sum()) + max(missing, 0)
    about |= {"gaps": _runs(absent | (source < 0))} | ({"late_stamps": holes.late} if holes.late else {})
    about |= dict(attrs or {})
    return xr.Dataset(data, coords={"time": ("time", filled, {"units": "s"})}, attrs=about)


def is_masked(channel: str) -> bool:
    """Return whether a channel is NaN on purpose where nothing is loaded: centres of pressure and free moments."""
    return channel.startswith(_MASKED)


def _spread_channels(
    channels: Sequence[Channel], source: NDArray[np.int64], kind: str
) -> tuple[dict[str, tuple[str, Floats, dict[str, Any]]], NDArray[np.bool_]]:
    """Return the channels in SI over the complete rows, and the rows in which a channel is absent."""
    data: dict[str, tuple[str, Floats, dict[str, Any]]] = {}
    absent = np.zeros(source.size, dtype=bool)
    for channel in channels:
        values = _spread(units.to_si(np.asarray(channel.values, dtype=np.float64), channel.unit), source)
        gaps = np.isnan(values)
        if not is_masked(channel.name) and not gaps.all():  # a dead cell is no gap
            absent |= gaps
        meta = {"units": units.parse_unit(channel.unit).canonical, "frame": channel.frame}
        meta |= {"raw_units": channel.unit, "raw_name": channel.raw_name or channel.name}
        if channel.name in data:
            raise BadInputError(f"channel '{channel.name}' stands twice in one {kind} stream")
        data[channel.name] = ("time", values, meta)
    return data, absent


def make_landmarks(
    positions: NDArray[np.float64],
    names: Sequence[str],
    time: Floats,
    *,
    unit: str,
    frame: Frame = "global",
    rate_hz: float | None = None,
    clock: str = "device",
    stamp_source: StampSource = "index",
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return a landmarks stream: ``position`` (time, landmark, axis) in metres, missing points NaN.

    Parameters
    ----------
    positions
        Shape (samples, landmarks, 3), in ``unit``.

    Raises
    ------
    BadInputError
        If there is no landmark or sample, names repeat, or time goes backwards, stands or leaps.
    """
    values = units.to_si(np.asarray(positions, dtype=np.float64), unit)
    units.require(unit, "m", what="landmark position")
    stamps = np.asarray(time, dtype=np.float64)
    _check_landmarks(values, names)
    check_stamps(stamps, [Channel("position", values[:, 0, 0], unit)], "landmarks")
    hidden = np.asarray(np.isnan(values).any(axis=2), dtype=bool)
    meta: dict[str, Any] = {"kind": "landmarks", "side": "both", "clock": clock, "stamp_source": stamp_source}
    meta |= {"rate_hz": float(rate_hz or median_rate(stamps)), "missing_samples": int(hidden.sum())}
    # a landmark that is never seen is no gap of the recording
    absent = np.asarray(hidden[:, ~hidden.all(axis=0)].any(axis=1), dtype=bool)
    meta |= {"gaps": int(find_gaps(stamps).holes.sum()) + _runs(absent)} | dict(attrs or {})
    position = (("time", "landmark", "axis"), values, {"units": "m", "raw_units": unit, "frame": frame})
    return xr.Dataset(
        {"position": position, "time_raw": ("time", stamps.copy(), {"units": "s"})},
        coords={
            "time": ("time", stamps, {"units": "s"}),
            "landmark": ("landmark", np.asarray(list(names), dtype=object)),
            "axis": ("axis", np.asarray(["x", "y", "z"], dtype=object)),
        },
        attrs=meta,
    )


def _check_landmarks(values: Floats, names: Sequence[str]) -> None:
    if values.ndim != 3 or values.shape[2] != 3 or values.shape[1] != len(names) or not len(names):
        raise BadInputError(f"landmark positions have shape {values.shape}, expected (samples, {len(names)}, 3)")
    check_names_of_points(names)


def check_names_of_points(names: Sequence[str]) -> None:
    """Refuse names of landmarks that repeat."""
    if len(set(names)) != len(names):
        repeated = sorted({n for n in names if list(names).count(n) > 1})
        raise BadInputError(f"landmark names stand twice: {', '.join(repeated)}")


def check_stamps(stamps: Floats, channels: Sequence[Channel], kind: str) -> None:
    """Refuse time that is missing, goes backwards, stands or leaps, and channels of another length."""
    if stamps.ndim != 1 or not stamps.size:
        raise BadInputError(f"the {kind} stream holds no sample")
    if not channels:
        raise BadInputError(f"the {kind} stream holds no channel")
    for channel in channels:
        if np.shape(channel.values) != stamps.shape:
            raise BadInputError(
                f"channel '{channel.name}' has {np.size(channel.values)} samples, its time {stamps.size}"
            )
    if not np.isfinite(stamps).all():
        row = int(np.flatnonzero(~np.isfinite(stamps))[0])
        raise BadInputError(f"the {kind} stream has no time stamp in row {row + 1}")
    back = np.flatnonzero(np.diff(stamps) < 0)
    if back.size:
        at, step = int(back[0]), float(stamps[back[0] + 1] - stamps[back[0]])
        raise BadInputError(
            f"time of the {kind} stream goes back by {-step:.6g} s at row {at + 2} ({back.size} such rows)"
            f"{_how_set(step, median_step(stamps))}; cut the file there or repair its clock first"
        )
    _check_moving(stamps, kind)


def _how_set(step: float, period: float) -> str:
    """Return what a step back says of the clock, as a clause: set by daylight saving time, a new day, or nothing."""
    moved = -set_by(step, period)
    if moved <= 0:
        return ""
    why = "a time of day does at midnight" if moved == _DAY_S else "a clock does that was set back (daylight saving)"
    return f", as {why}: add {moved:.0f} s to the time from there on"


def _check_moving(stamps: Floats, kind: str) -> None:
    """Refuse a clock that stands (bursts of up to 50 samples with one stamp are none) or leaps by over a day."""
    steps = np.diff(stamps)
    moves = int(np.count_nonzero(steps))
    if steps.size and (not moves or stamps.size > _MOST_PER_STAMP * (moves + 1)):
        raise BadInputError(
            f"time of the {kind} stream stands: {moves + 1} different stamps in {stamps.size} rows, the first"
            f" {stamps[0]:g} s; export it with a time stamp per sample, or without its time column and state the rate"
        )
    far = np.flatnonzero(steps > _LONGEST_JUMP_S)
    if far.size:
        at = int(far[0])
        raise BadInputError(
            f"time of the {kind} stream jumps by {steps[at]:.6g} s at row {at + 2} (from {stamps[at]:.10g} s to"
            f" {stamps[at + 1]:.10g} s), more than a day; cut the file there or repair its clock first"
        )


def median_rate(stamps: Floats) -> float:
    """Return the sampling rate (Hz) from the stamps: usual step where regular, count over span otherwise."""
    if is_regular(stamps):
        return 1.0 / usual_step(stamps)
    span = float(stamps[-1] - stamps[0])
    return float((stamps.size - 1) / span) if span > 0 else 0.0


def _runs(flag: NDArray[np.bool_]) -> int:
    """Return how many unbroken runs of True there are."""
    return int(np.count_nonzero(np.diff(flag.astype(np.int8), prepend=0) == 1))


def _spread(values: Floats, source: NDArray[np.int64]) -> Floats:
    if source.size == values.size:
        return np.array(values)
    spread = np.full(source.size, np.nan)
    spread[source >= 0] = values
    return spread
