"""The device's clock as the host estimates it while packets come in: never backwards, with an uncertainty."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.clock_bounds import ONE_WAY_SLOPE_FROM_S, TWO_WAY_SLOPE_FROM_S, OffsetBand, one_way_band, two_way_band

_WINDOW_S = 300.0
"""How far back evidence goes: crystals wander over minutes, and a drift is fitted from 120 s of arrivals on."""
_BUCKET_S = 1.0
"""Arrivals are gathered over this time and only the least delayed is kept: the others bound the offset no better."""
_GENTLE, _FAST, _FAR_S = 1e-3, 5e-2, 5e-3
"""A correction is taken up at 1 ms a second, at 50 ms a second while it is more than 5 ms."""
_CATCH_UP_S = 1.0
"""Time in which a correction is taken up, as far as the two slopes above allow."""
_UNSURE_DRIFT, _SURE_DRIFT = 100e-6, 5e-6
"""By how much the uncertainty grows each second without evidence: two crystals of 50 ppm, and a fitted drift."""
_MOST_PIECES = 16
"""Straight pieces of the map that are remembered: each correction adds two, and stances look back some seconds."""
_RESTING_S = 5.0
"""A clock whose drift is known is looked at this often."""


class ClockEstimate:
    """Device microseconds (unwrapped) to host time (s of ``host_clock.host_ns``), for one session.

    The offset lies between what time syncs and arrivals leave possible (:mod:`grfkit.signals.clock_bounds`). What has
    been answered stays: a better offset is approached with a slope near 1, so time neither steps nor runs backwards.

    Parameters
    ----------
    not_before_s
        No host time is earlier than this, for a clock that follows another one.
    """

    def __init__(self, *, not_before_s: float | None = None) -> None:
        self._not_before_s = not_before_s
        # evidence, in s: device time with the bounds of host minus device, and with the least delay of arrivals
        self._syncs: deque[tuple[float, float, float]] = deque()
        self._least: deque[tuple[float, float]] = deque()
        self._bucket = -1
        self._band: OffsetBand | None = None
        # the map: from a device time on, the offset there and its slope
        self._pieces: deque[tuple[float, float, float]] = deque(maxlen=_MOST_PIECES)
        self._table: Floats | None = None
        self._latest_device_s = -np.inf
        self._evidence_s = -np.inf
        self._synced_s = -np.inf

    @property
    def latest_s(self) -> float | None:
        """Return the latest host time answered, None before the first."""
        return self._mapped_one(self._latest_device_s) if self._latest_device_s > -np.inf else None

    @property
    def drift_ppm(self) -> float:
        """Return how much faster the host's clock runs than the device's; 0 until it is known."""
        return self._band.slope * 1e6 if self._band else 0.0

    @property
    def uncertainty_ms(self) -> float:
        """Return the half-width around host times answered now.

        Half the round trip, drift since then, and what is not caught up yet.
        """
        if self._band is None:
            return float("inf")
        now = max(self._evidence_s, self._latest_device_s)
        since = now - (self._synced_s if self._band.two_way else self._evidence_s)
        drift = (_SURE_DRIFT if self._band.sloped else _UNSURE_DRIFT) * max(since, 0.0)
        behind = abs(float(self._band.offset_s(now)) - (self._mapped_one(now) - now))
        return 1e3 * (self._band.half_s + drift + behind)

    def arrived(self, sent_us: int, arrival_ns: int) -> None:
        """Take a packet: ready at ``sent_us`` of the device, with the host at ``arrival_ns``."""
        sent_s = sent_us * 1e-6
        delay = (arrival_ns - sent_us * 1000) * 1e-9
        self._evidence_s = max(self._evidence_s, sent_s)
        bucket = int(sent_s // _BUCKET_S)
        if bucket == self._bucket and self._least:
            if delay >= self._least[-1][1]:
                return
            self._least[-1] = (sent_s, delay)
        else:
            self._bucket = bucket
            self._least.append((sent_s, delay))
        if self._band is None or sent_s - self._band.at_s >= (_RESTING_S if self._band.sloped else _BUCKET_S):
            self._refit()

    def exchanged(self, t1_ns: int, t2_us: int, t3_us: int, t4_ns: int) -> None:
        """Take a time sync: t1 and t4 on the host's clock, t2 and t3 on the device's, unwrapped."""
        at_s = t2_us * 1e-6
        # t1 - t2 is below the offset by the delay of the way there, t4 - t3 above it by that of the way back
        self._syncs.append((at_s, (t1_ns - t2_us * 1000) * 1e-9, (t4_ns - t3_us * 1000) * 1e-9))
        self._synced_s = at_s
        self._evidence_s = max(self._evidence_s, at_s)
        self._refit()

    def host_s(self, device_us: NDArray[np.floating] | float, *, advance: bool = True) -> Floats:
        """Return host times (s) of device times (us, unwrapped), rising as these do, within a call and over calls.

        ``advance=False`` looks back (or ahead) without holding later answers to it.

        Raises
        ------
        ValueError
            Before the first packet or time sync.
        """
        if not self._pieces:
            raise ValueError("a device's clock was asked before anything came from the device")
        at = np.atleast_1d(np.asarray(device_us, dtype=np.float64)) * 1e-6
        if advance and at.size:
            self._latest_device_s = max(self._latest_device_s, float(at.max()))
        return self._mapped(at)

    def _mapped(self, at_s: Floats) -> Floats:
        if self._table is None:
            self._table = np.asarray(self._pieces).T
        begins, levels, rates = self._table
        k = np.maximum(begins.searchsorted(at_s, side="right") - 1, 0)
        return np.asarray(at_s + levels[k] + rates[k] * (at_s - begins[k]))

    def _mapped_one(self, at_s: float) -> float:
        """Return :meth:`_mapped` of one time, without the arrays."""
        begin, level, rate = next((piece for piece in reversed(self._pieces) if piece[0] <= at_s), self._pieces[0])
        return at_s + level + rate * (at_s - begin)

    def _refit(self) -> None:
        oldest = self._evidence_s - _WINDOW_S
        for queue in (self._syncs, self._least):
            # one stays, however old: there is always a band
            while len(queue) > 1 and queue[0][0] < oldest:
                queue.popleft()
        at = self._evidence_s
        if self._syncs:
            device, low, up = np.asarray(self._syncs).T
            self._band = two_way_band(device, low, up, at_s=at, slope_from_s=TWO_WAY_SLOPE_FROM_S)
        else:
            device, up = np.asarray(self._least).T
            self._band = one_way_band(device, up, at_s=at, slope_from_s=ONE_WAY_SLOPE_FROM_S)
        self._approach(self._band)

    def _approach(self, band: OffsetBand) -> None:
        """Turn towards the band's line, from the latest host time given on."""
        begin = self._latest_device_s
        if not self._pieces or begin == -np.inf:
            self._pieces.clear()
            self._table = None
            level = band.level_s
            if self._not_before_s is not None:
                level = max(level, self._not_before_s - band.at_s + 1e-6)
            self._pieces.append((band.at_s, level, band.slope))
            return
        level = self._mapped_one(begin) - begin
        error = float(band.offset_s(begin)) - level
        # a slope of 0.95 to 1.05 at most: host time rises with device time, whatever the correction
        limit = _FAST if abs(error) > _FAR_S else _GENTLE
        turn = float(np.clip(error / _CATCH_UP_S, -limit, limit))
        self._table = None
        # what an earlier correction had planned beyond the last answered time is replaced
        while self._pieces and self._pieces[-1][0] >= begin:
            self._pieces.pop()
        self._pieces.append((begin, level, band.slope + turn))
        # two pieces: the correction, then the band's own slope
        after = level + (band.slope + turn) * _CATCH_UP_S
        self._pieces.append((begin + _CATCH_UP_S, after, band.slope))
