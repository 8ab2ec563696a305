"""The feet of a recording of IMUs on both shoes, for a model that sees the other shoe, too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..dataset.cut import LATERAL
from ..dataset.resample import resampled, stance_times
from ..errors import BadInputError
from ..gait.contacts import rule_of
from ..gait.shoe_axes import shoe_axes
from ..gait.shoe_stances import stances_of_shoe
from ..gait.stances import Stance
from ..learn.spec import ModelSpec
from ..signals.filters import lowpass
from .feet import Foot, cut_findings, in_order
from .source import EstimateRequest, EstimateSource
from .types import SIDES, Side

BY_SHOES = "imu"
"""What cuts the stances: the turning of each shoe."""
_OTHER = "other_toes_"
_CHANNELS = tuple(f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz")
_UNITS = {"acc": "m/s^2", "gyro": "rad/s"}
_PITCH = _CHANNELS.index("gyro_y")
_GAP_S = 0.05
"""Time (s) between two samples from which on they have a gap between them; chosen by hand: shorter ones move a contact
by a hundredth of a second at most."""


def of_both_shoes(spec: ModelSpec) -> bool:
    """Return whether a model takes the IMUs of both shoes for each foot."""
    return any(c.startswith(_OTHER) for c in spec.scaler.channels)


def shoe_feet(spec: ModelSpec, source: EstimateSource, request: EstimateRequest, findings: list[str]) -> list[Foot]:
    """Return both feet with the inputs of their stances, in axes found from the walk itself.

    Raises
    ------
    BadInputError
        If a shoe's IMU is missing or in other units, its axes are not certain, or the model is of continuous windows.
    """
    if spec.window != "stance" or request.cut not in ("", BY_SHOES):
        raise BadInputError(
            "a model of both shoes takes stances that the shoes themselves show; leave out --cut (cut in Python)"
        )
    rule, cutoff = rule_of(str(spec.cut_told.get("rule", "5%BW walking"))), spec.cut_told.get("imu_lowpass_hz", 20.0)
    streams = {side: _shoe(source, side) for side in SIDES}
    signals = {side: _signals(stream, float(cutoff)) for side, stream in streams.items()}
    findings += cut_findings(spec, BY_SHOES, "the turning of the shoes")
    feet = []
    for side in SIDES:
        time, values = signals[side]
        found = stances_of_shoe(time, values[:, _PITCH], rule)
        stances = tuple(Stance(float(a), float(b), side, "imu", "turning of the shoe") for a, b in found.spans)
        windows = []
        for stance in stances:
            at = stance_times(stance.ic_s, stance.to_s, spec.points)
            windows.append((at, _inputs(spec, signals, side, at)))
        feet.append(Foot(side, {}, streams[side], stances, found.rejections, tuple(windows)))
    return feet


def _shoe(source: EstimateSource, side: Side) -> xr.Dataset:
    """Return the IMU of one shoe."""
    streams = {
        n: s
        for n, s in source.trial.streams.items()
        if s.attrs.get("kind") == "imu" and s.attrs.get("side") == side and not n.startswith("reference/")
    }
    if len(streams) != 1:
        held = ", ".join(source.trial.streams) or "nothing"
        raise BadInputError(
            f"{source.name}: holds {len(streams)} IMUs of the {side} foot, and the model takes one on each shoe (it"
            f" holds {held}); give both in one recording, or align them to one trial with grf-sync"
        )
    stream = in_order(next(iter(streams.values())))
    for channel in _CHANNELS:
        if channel not in stream:
            raise BadInputError(f"{source.name}: the {side} shoe's IMU has no channel {channel}, which the model takes")
        have, want = str(stream[channel].attrs.get("units", "")), _UNITS[channel.partition("_")[0]]
        if have != want:
            raise BadInputError(
                f"channel '{channel}' of the {side} foot is in {have or 'no unit'}, but the model was trained on"
                f" {want}; calibrate or convert the recording first"
            )
    return stream


def _signals(stream: xr.Dataset, cutoff_hz: float) -> tuple[Floats, Floats]:
    """Return times and acceleration and angular velocity, (samples, 6), in the axes of the walk, low-passed.

    Where samples are missing, times are even, and the signals of a gap are NaN: no swing is guessed across it.
    """
    time = np.asarray(stream["time"].values, dtype=np.float64)
    raw = np.stack([np.asarray(stream[c].values, dtype=np.float64) for c in _CHANNELS], axis=1)
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


def _inputs(spec: ModelSpec, signals: Mapping[Side, tuple[Floats, Floats]], side: Side, at: Floats) -> Floats:
    """Return a window's inputs, shape (points, channels), a left foot's mirrored."""
    other = SIDES[1 - SIDES.index(side)]
    sign = np.asarray([-1.0 if c in LATERAL and spec.mirrored and side == "left" else 1.0 for c in _CHANNELS])
    own, beside = (resampled(*signals[s], at) * sign for s in (side, other))
    table = dict(zip(_CHANNELS, own.T)) | {f"{_OTHER}{c}": v for c, v in zip(_CHANNELS, beside.T)}
    return np.stack([table[c] for c in spec.scaler.channels], axis=1)
