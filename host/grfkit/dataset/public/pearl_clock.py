"""Clocks of Pearl 2022: which time of the sensors is a time of each belt, by grf-sync and by the body's momentum.

Of 56 belts in 28 walks grf-sync aligns 53, each foot by its own shoe's turning (31 by the shocks of its landings),
none of them a step wrong; after one lag for all they differ from the reference lags by 9 ms (SD), within the
reference's own 15 ms.
Momentum gives 54 of 56 within 10 ms of the reference, which was found from the pelvis alone, so that the two are not
independent; the torso, which the reference did not use, agrees to 20 ms. It refuses one walk, which grf-sync aligns.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...arrays import Floats
from ...provenance import Provenance
from ...records import Channel, make_recording, make_stream
from ...records.clock import ClockMap, Segment
from ...signals.filters import lowpass
from ...sync import align
from ..motion import SIDES, Side
from .pearl_trials import RATE_HZ, WalkTrial

ClockSource = Literal["grf-sync", "momentum", "grf-sync or momentum", "momentum or grf-sync"]
CLOCKS: tuple[ClockSource, ...] = ("grf-sync", "momentum", "grf-sync or momentum", "momentum or grf-sync")
NO_CLOCK = "clock of the belt refused"
_BAND_HZ = 10.0
"""Cut-off (Hz) for acceleration of the trunk and force: beyond, the skin moves by itself. Chosen by hand."""
_REACH_S, _APART_S = 8.0, 0.5
"""Lags (s) that are searched, and how far the belts may be apart: less than half a stride, beyond which left and right
would change places. Chosen by hand."""
_RIVAL_S = 0.2
"""Lags (s) this near to the best are the same peak: a third of a walker's step. Chosen by hand."""
_LEAST_R, _LEAST_MARGIN, _AGREE_S = 0.5, 0.1, 0.025
"""Gates: correlation of a sensor's acceleration with the force on both feet, how much less it is at any other peak, and
how far the lags by pelvis and by torso may be apart (s). Chosen by hand, on this data set."""
_STRETCH_S, _STEADY_S, _LEAST_R_STRETCH = 8.0, 0.04, 0.4
"""Stretches (s) whose own lag is looked at; one that is further from the trial's lag (s), or correlates less, follows
no clock. Chosen by hand: some seven strides."""


_OFF_BELTS, _USUAL_S = 0.4, 2.0
"""Share by which the load of this many seconds (some two strides) differs from the usual one where a foot is off the
belts: one foot beside them halves it. Chosen by hand."""
MOMENTUM_MS = 25.0
"""Stated 95 % half-width (ms) of :func:`momentum_clocks`: how far pelvis and torso may be apart."""


def belt_clocks(trial: WalkTrial, source: ClockSource) -> dict[Side, ClockMap | None]:
    """Return for each belt how the sensors' time becomes the belt's; None where that is refused.

    * ``grf-sync``: the contacts that the foot's own shoe shows, against those of its belt
      (:func:`grfkit.sync.align`); each belt has a clock of its own.
    * ``momentum``: see :func:`momentum_clocks`.
    * ``grf-sync or momentum``: ``momentum`` where grf-sync refuses.
    """
    clocks: dict[Side, ClockMap | None] = dict.fromkeys(SIDES)
    for method in source.split(" or "):
        if None not in clocks.values():
            break
        if method == "momentum":
            more = momentum_clocks(trial)
        else:
            more = {side: None if clocks[side] else sync_clock(trial, side) for side in SIDES}
        clocks = {side: clocks[side] or more[side] for side in SIDES}
    return clocks


def sensor_times(clock: ClockMap, at_s: Floats) -> Floats:
    """Return the sensors' time of increasing times of a belt; all NaN unless they lie in one stretch of the map."""
    for stretch in clock.segments:
        at = stretch.inverse(at_s)
        if at[0] >= stretch.start_s and at[-1] <= stretch.end_s:
            return at
    return np.full_like(at_s, np.nan)


def belt_times(clock: ClockMap, at_s: Floats) -> Floats:
    """Return the belt's time of the sensors' times, NaN outside the stretches of the map."""
    belt = np.full_like(at_s, np.nan)
    for stretch in clock.segments:
        inside = (at_s >= stretch.start_s) & (at_s <= stretch.end_s)
        belt[inside] = stretch.apply(at_s[inside])
    return belt


def sync_clock(trial: WalkTrial, side: Side) -> ClockMap | None:
    """Return the map that grf-sync finds for a foot's shoe against its belt; None if it is refused."""
    found = alignment_of(trial, side)
    return found if found.verdict == "aligned" else None


def alignment_of(trial: WalkTrial, side: Side) -> ClockMap:
    """Return grf-sync's map, or its refusal with reasons, of a foot's shoe against its belt."""
    acc, gyro = trial.of(f"toes_{side[0]}")
    forward, up, right = trial.force_n[:, SIDES.index(side)].T
    axes = [Channel(n, v, "N", "lab") for n, v in (("fx", forward), ("fy", -right), ("fz", up))]
    belt = make_stream(
        axes, trial.time_s, kind="force_plate", rate_hz=RATE_HZ, attrs={"vertical": "+z", "knows_feet": side}
    )
    channels = [Channel(f"acc_{c}", acc[:, i], "m/s^2", "sensor") for i, c in enumerate("xyz")]
    channels += [Channel(f"gyro_{c}", gyro[:, i], "rad/s", "sensor") for i, c in enumerate("xyz")]
    shoe = make_stream(channels, trial.time_s, kind="imu", side=side, rate_hz=RATE_HZ, clock="sensors")
    made = Provenance()
    reference = make_recording({f"belt_{side}": belt}, device="belt", reader="pearl", provenance=made)
    wearable = make_recording({f"imu_{side}": shoe}, device="imu", reader="pearl", provenance=made)
    result = align(reference, wearable, surface="treadmill", mass_kg=trial.mass_kg, speed_m_s=trial.speed_m_s)
    return result.maps[f"imu_{side}"]


def momentum_clocks(trial: WalkTrial) -> dict[Side, ClockMap | None]:
    """Return the clock of each belt from Newton's second law: the force on both feet is mass times acceleration.

    The lags of both belts are those at which the sum of both vertical forces correlates best with the acceleration
    that pelvis and torso show along its own mean direction, which is up; each belt has its own, as their clocks are
    apart. Nothing of the shoes is used, nor anything that was found by hand.

    Both belts are refused where pelvis and torso disagree, correlate too little, or nearly as well a fifth of a second
    or more away. Stretches of some eight seconds whose own lag is another (a break) or whose correlation is lost are
    left out of the map. What remains doubtful: skin and straps delay a trunk by ten milliseconds or so, the same for
    both belts, and steps between stretches smaller than 40 ms go unseen.
    """
    weight = _walked(trial)
    trunk = [_upward(trial.of(name)[0]) for name in ("pelvis", "torso")]
    found = [_best_lags(acc, weight) for acc in trunk]
    apart = np.abs(np.subtract(found[0].lags_s, found[1].lags_s))
    if apart.max() > _AGREE_S or min(f.r for f in found) < _LEAST_R or min(f.margin for f in found) < _LEAST_MARGIN:
        return dict.fromkeys(SIDES)
    lags = np.mean([f.lags_s for f in found], axis=0)
    steady = _steady_stretches(sum(trunk[1:], trunk[0]), weight, lags)
    return {side: _map_of(side, float(lag), steady) for side, lag in zip(SIDES, lags)}


@dataclass(frozen=True)
class _Lags:
    """Sensor time minus belt time of the left and the right belt (s), their correlation, and its lead over others."""

    lags_s: tuple[float, float]
    r: float
    margin: float


def _upward(acc: Floats) -> Floats:
    """Return the acceleration along its own mean, less that mean, low-passed, shape (samples,)."""
    mean = np.nanmean(acc, axis=0)
    up = lowpass(acc @ (mean / np.linalg.norm(mean)), rate_hz=RATE_HZ, cutoff_hz=_BAND_HZ)
    return np.asarray(up - up.mean())


def _walked(trial: WalkTrial) -> Floats:
    """Return both belts' vertical force less its mean, 0 where the person is not on the belts, shape (samples, 2)."""
    up = lowpass(trial.force_n[:, :, 1], rate_hz=RATE_HZ, cutoff_hz=_BAND_HZ)
    width = round(_USUAL_S * RATE_HZ)
    total = np.convolve(up.sum(axis=1), np.ones(width) / width, mode="same")
    on_belts = np.abs(total / np.median(total) - 1.0) < _OFF_BELTS
    return np.where(on_belts[:, None], up - up[on_belts].mean(axis=0), 0.0)


def _best_lags(acc: Floats, force: Floats) -> _Lags:
    """Return the two lags at which the belts' sum correlates best with the acceleration, by FFT over all lags."""
    count = len(acc)
    size = 1 << (2 * count).bit_length()
    a, left, right = (np.fft.rfft(v, size) for v in (acc, force[:, 0], force[:, 1]))
    reach = min(round(_REACH_S * RATE_HZ), count // 2)
    apart = round(_APART_S * RATE_HZ)
    lags = np.arange(-reach - apart, reach + apart + 1)
    with_left, with_right = (np.fft.irfft(a * np.conj(f), size)[lags] for f in (left, right))
    between = np.fft.irfft(left * np.conj(right), size)
    power = float((force**2).sum())
    shifts = np.arange(-apart, apart + 1)
    core = np.arange(apart, len(lags) - apart)
    # of left lag l and right lag l + d: covariances add up, and the sum's power depends on d alone
    r = np.stack([with_left[core] + with_right[core + d] for d in shifts], axis=1)
    r /= np.sqrt((power + 2.0 * between[shifts]) * float((acc**2).sum()))
    best, shift = np.unravel_index(int(r.argmax()), r.shape)
    far = np.abs(np.arange(len(r)) - best) > round(_RIVAL_S * RATE_HZ)
    lag = float(lags[core[best]]) / RATE_HZ
    top = float(r[best, shift])
    return _Lags((lag, lag + float(shifts[shift]) / RATE_HZ), top, top - float(r[far].max()))


def _steady_stretches(acc: Floats, force: Floats, lags_s: Floats) -> list[tuple[float, float]]:
    """Return from when to when (s, sensors) the acceleration follows both belts at these lags."""
    time = np.arange(len(acc)) / RATE_HZ
    total = sum(np.interp(time - lag, time, force[:, k], left=0.0, right=0.0) for k, lag in enumerate(lags_s))
    width, slack = round(_STRETCH_S * RATE_HZ), round(0.3 * RATE_HZ)
    good = []
    for begin in range(0, len(acc) - width // 2, width):
        # the last stretch takes the rest with it
        end = begin + width if begin + width + width // 2 <= len(acc) else len(acc)
        piece = np.asarray(total)[begin:end]
        shifts = [s for s in range(-slack, slack + 1) if begin + s >= 0 and end + s <= len(acc)]
        r = [_correlation(acc[begin + s : end + s], piece) for s in shifts]
        lag = abs(shifts[int(np.argmax(r))]) / RATE_HZ
        good.append((begin / RATE_HZ, end / RATE_HZ, lag <= _STEADY_S and max(r) >= _LEAST_R_STRETCH))
    runs = (list(run) for keep, run in itertools.groupby(good, key=lambda g: g[2]) if keep)
    return [(run[0][0], run[-1][1]) for run in runs]


def _correlation(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    power = float((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / np.sqrt(power)) if power > 0 else 0.0


def _map_of(side: Side, lag_s: float, stretches: list[tuple[float, float]]) -> ClockMap | None:
    """Return a belt's map of its steady stretches; None where there are none."""
    segments = [Segment(start_s=a, end_s=b, offset_s=-lag_s, drift_ppm=0.0) for a, b in stretches]
    if not segments:
        return None
    return ClockMap(
        source="sensors",
        target=f"belt_{side}",
        verdict="aligned",
        offset_s=-lag_s,
        drift_ppm=0.0,
        segments=segments,
        uncertainty_ms=MOMENTUM_MS,
        lag_source="momentum of the trunk",
    )
