"""True clocks of simulated devices: the exact map from stamps to reference time, and which samples never arrived."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .settings import ClockRanges, GapRanges, draw


@dataclass(frozen=True)
class TrueClock:
    """The exact map of a device clock to reference time.

    With ``s`` the device's running time since it was switched on (its first sample):
    ``t_reference = offset_s + (1 + drift_ppm*1e-6) s + warm-up + sinusoid``. A stamp ``t`` of the recording
    (counted from its first stamp) is ``s = t + first_stamp_s``, plus what was lost without a trace before it.

    Attributes
    ----------
    warm_up_ppm, warm_up_s
        Extra rate at switch-on and its time constant.
    sinusoid_ppm, sinusoid_s, sinusoid_phase
        Amplitude, period and phase of a slow wander of the rate.
    losses
        ``(t_device_s, lost_s)``: at this stamp of the recording, so many seconds are missing from the index.
    """

    offset_s: float
    drift_ppm: float
    warm_up_ppm: float = 0.0
    warm_up_s: float = 300.0
    sinusoid_ppm: float = 0.0
    sinusoid_s: float = 600.0
    sinusoid_phase: float = 0.0
    first_stamp_s: float = 0.0
    losses: tuple[tuple[float, float], ...] = field(default=())

    def running(self, s: Floats) -> Floats:
        """Return reference time (s) of the device's running time (s)."""
        # integrals of the rate: an exponential that dies away, and a sine, both zero at s = 0
        warm = self.warm_up_ppm * self.warm_up_s * -np.expm1(-s / self.warm_up_s)
        turn = 2 * np.pi / self.sinusoid_s
        slow = np.cos(self.sinusoid_phase) - np.cos(turn * s + self.sinusoid_phase)
        wander = warm + self.sinusoid_ppm / turn * slow
        return np.asarray(self.offset_s + s + 1e-6 * (self.drift_ppm * s + wander), dtype=np.float64)

    def t_reference(self, t_device_s: Floats) -> Floats:
        """Return the true reference time (s) of device times (s), both counted from the first stamp."""
        t = np.asarray(t_device_s, dtype=np.float64)
        s = t + self.first_stamp_s
        # what was lost without a trace before a stamp is missing from the count of samples
        for at, lost in self.losses:
            s = s + np.where(t >= at, lost, 0.0)
        return self.running(s)

    def t_running(self, t_reference_s: Floats) -> Floats:
        """Return the device's running time (s) at reference times (s); the inverse of :meth:`running`."""
        t = np.asarray(t_reference_s, dtype=np.float64)
        s = (t - self.offset_s) / (1 + self.drift_ppm * 1e-6)
        for _ in range(4):  # fixed point: each turn shrinks the error by the drift, 1e-4 or less
            s = s + (t - self.running(s))
        return np.asarray(s, dtype=np.float64)

    def started(self, first_stamp_s: float, losses: tuple[tuple[float, float], ...] = ()) -> TrueClock:
        """Return this clock for a recording with this first stamp and these silent losses."""
        return replace(self, first_stamp_s=first_stamp_s, losses=losses)

    def affine(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Return the best affine ``(offset_s, drift_ppm)`` over a stretch of device time (least squares)."""
        t = np.linspace(start_s, end_s, 400)
        extra = self.t_reference(t) - t
        # of the difference to device time: the slope is 1e-4 or less, and would drown in that of the times
        slope, level = np.polyfit(t, extra, 1)
        return float(level), float(slope) * 1e6


def draw_clock(rng: np.random.Generator, ranges: ClockRanges, *, offset_s: float, index_stamps: bool) -> TrueClock:
    """Return a clock drawn from ``ranges``; with ``index_stamps`` its rate is off by percents."""
    drift = draw(rng, ranges.drift_ppm)
    if index_stamps:
        # percent in ppm
        drift += 1e4 * draw(rng, ranges.index_rate_error_percent)
    return TrueClock(
        offset_s=offset_s,
        drift_ppm=drift,
        warm_up_ppm=draw(rng, ranges.warm_up_ppm),
        warm_up_s=draw(rng, ranges.warm_up_s),
        sinusoid_ppm=draw(rng, ranges.sinusoid_ppm),
        sinusoid_s=draw(rng, ranges.sinusoid_s),
        sinusoid_phase=float(rng.uniform(0, 2 * np.pi)),
    )


def draw_received(rng: np.random.Generator, ranges: GapRanges, *, samples: int, rate_hz: float) -> NDArray[np.bool_]:
    """Return which samples arrived: about 1 % of packets are lost, and now and then seconds at once."""
    received = np.ones(samples, dtype=bool)
    packet = max(1, round(draw(rng, ranges.packet_s) * rate_hz))
    lost = rng.random(-(-samples // packet)) < draw(rng, ranges.packet_loss)
    received &= ~np.repeat(lost, packet)[:samples]
    minutes = samples / rate_hz / 60
    for _ in range(int(rng.poisson(draw(rng, ranges.dropouts_per_min) * minutes))):
        length = round(draw(rng, ranges.dropout_s) * rate_hz)
        start = int(rng.integers(0, max(1, samples - length)))
        received[start : start + length] = False
    return received
