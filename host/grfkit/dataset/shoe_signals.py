"""Signals of the IMUs on both shoes, in axes that the walk itself shows: what windows and estimates read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.shoe_axes import shoe_axes
from ..signals.filters import lowpass
from .cut import LATERAL
from .motion import SIDES, Side
from .resample import resampled

OTHER = "other_toes_"
"""Before the names of the other shoe's channels."""
CHANNELS = tuple(f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz")
"""Of one shoe, in order."""
UNITS = {"acc": "m/s^2", "gyro": "rad/s"}
PITCH = CHANNELS.index("gyro_y")
"""The turning toe down, of axes of the walk."""
LOWPASS_HZ = 20.0
"""Cut-off of the signals where nobody said another: what the packaged model of walkers was trained with."""
_GAP_S = 0.05
"""Time (s) between two samples from which on they have a gap between them; chosen by hand: shorter ones move a contact
by a hundredth of a second at most."""


def names_of_both() -> tuple[str, ...]:
    """Return the channels of a foot's own shoe, then those of the other one."""
    return (*CHANNELS, *(f"{OTHER}{name}" for name in CHANNELS))


def units_of_both() -> list[str]:
    """Return their units."""
    return [UNITS["acc"] if "acc_" in name else UNITS["gyro"] for name in names_of_both()]


def shoes_of(streams: Mapping[str, xr.Dataset]) -> dict[Side, list[xr.Dataset]]:
    """Return the IMUs of each foot among a trial's streams."""
    return {
        side: [
            s
            for name, s in streams.items()
            if s.attrs.get("kind") == "imu" and s.attrs.get("side") == side and not name.startswith("reference/")
        ]
        for side in SIDES
    }


def check_shoe(stream: xr.Dataset, side: Side, *, taker: str) -> None:
    """Refuse an IMU that lacks a channel, or has one in another unit.

    Parameters
    ----------
    taker
        What takes the channels, for the message: ``the model``.

    Raises
    ------
    BadInputError
        Naming channel and unit.
    """
    for channel in CHANNELS:
        if channel not in stream:
            raise BadInputError(f"the {side} shoe's IMU has no channel {channel}, which {taker} takes")
        have, want = str(stream[channel].attrs.get("units", "")), UNITS[channel.partition("_")[0]]
        if have != want:
            raise BadInputError(
                f"channel '{channel}' of the {side} foot is in {have or 'no unit'}, but {taker} takes"
                f" {want}; calibrate or convert the recording first"
            )


def shoe_signals(stream: xr.Dataset, cutoff_hz: float) -> tuple[Floats, Floats]:
    """Return times and acceleration and angular velocity, (samples, 6), in the axes of the walk, low-passed.

    Where samples are missing, times are even, and the signals of a gap are NaN: no swing is guessed across it.

    Parameters
    ----------
    stream
        With every channel of :data:`CHANNELS`, its times increasing.
    cutoff_hz
        Zero-lag Butterworth; 0, and half the stream's rate or more, filters nothing.

    Raises
    ------
    BadInputError
        As :func:`~grfkit.gait.shoe_axes.shoe_axes`.
    """
    time = np.asarray(stream["time"].values, dtype=np.float64)
    raw = np.stack([np.asarray(stream[c].values, dtype=np.float64) for c in CHANNELS], axis=1)
    whole = np.isfinite(raw).all(axis=1)
    time, raw = time[whole], raw[whole]
    rate = float(stream.attrs["rate_hz"])
    acc, gyro = shoe_axes(raw[:, :3], raw[:, 3:], rate_hz=rate, axes="walking")
    both = np.concatenate([acc, gyro], axis=1)
    gaps = np.flatnonzero(np.diff(time) > max(_GAP_S, 1.5 / rate))
    if gaps.size:
        even = np.arange(time[0], time[-1], 1.0 / rate)
        lost = np.any([(even > time[g]) & (even < time[g + 1]) for g in gaps], axis=0)
        time, both = even, np.stack([np.interp(even, time, channel) for channel in both.T], axis=1)
    both = lowpass(both, rate_hz=rate, cutoff_hz=cutoff_hz) if 0 < cutoff_hz < rate / 2 else both
    if gaps.size:
        both[lost] = np.nan
    return time, both


def shoe_inputs(
    signals: Mapping[Side, tuple[Floats, Floats]], side: Side, at: Floats, *, channels: Sequence[str], mirror: bool
) -> Floats:
    """Return a window's inputs, shape (points, channels): the foot's own shoe and the other one.

    Parameters
    ----------
    signals
        Of each shoe (:func:`shoe_signals`).
    channels
        Some of :func:`names_of_both`, in the order wanted.
    mirror
        Turn a left foot into a right one.
    """
    other = SIDES[1 - SIDES.index(side)]
    sign = np.asarray([-1.0 if mirror and side == "left" and c in LATERAL else 1.0 for c in CHANNELS])
    own, beside = (resampled(*signals[s], at) * sign for s in (side, other))
    table = dict(zip(CHANNELS, own.T)) | {f"{OTHER}{c}": v for c, v in zip(CHANNELS, beside.T)}
    return np.stack([table[c] for c in channels], axis=1)


def has_both_shoes(streams: Mapping[str, xr.Dataset]) -> bool:
    """Return whether each foot has one IMU with all of :data:`CHANNELS`."""
    return all(len(found) == 1 and all(c in found[0] for c in CHANNELS) for found in shoes_of(streams).values())
