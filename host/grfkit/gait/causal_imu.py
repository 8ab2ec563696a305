"""Landings of a shoe or shank IMU as a device can find them: causal, with integers and shifts only.

The jerk is the sum over axes of ``|a[t] - a[t-1]|``, smoothed over ``2^smooth_shift`` samples by a ring sum. A burst
begins where it exceeds ``(high >> 8) * on_q8``; its highest sample is the landing, reported ``search`` samples
after the burst began. No other landing follows within ``refractory`` samples. ``high`` is the largest jerk, falling by
``high >> high_shift`` at the end of each block of ``2^block_shift`` samples. Missing samples repeat the last one.

For runners. A runner's push-off falls within the refractory time and the swing is longer than it, so the detector ends
up on the landings. In a walker's stride stance is the longer part: the rhythm of push-offs is as stable as that of
landings, and no refractory time tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BadInputError
from .causal import MISSING, Integers

LARGEST = 2**18
"""Largest magnitude of a sample per axis, so that the smoothed jerk of three axes fits 32 bits."""
_ON_Q8 = 102
"""Share of the high jerk, in 1/256 (0.4), above which a burst begins. Chosen by hand."""
_SMOOTHING_S, _BLOCKS_HZ, _SEARCH_S, _WARMUP_S = 0.008, 8.0, 0.040, 1.5
"""Smoothing (s, at most), blocks per second, time (s) in which a burst's peak is looked for, and time (s) before the
first landing. Chosen by hand: an impact and its ringing last some 40 ms."""


@dataclass(frozen=True)
class ImpactSettings:
    """The detector's integers: shifts, a share in 1/256, and numbers of samples."""

    smooth_shift: int
    block_shift: int
    high_shift: int
    on_q8: int
    search: int
    refractory: int
    warmup: int
    least: int

    @property
    def delay_samples(self) -> float:
        """Return the constant delay of the jerk (samples): half a difference and the smoothing's."""
        return 0.5 + ((1 << self.smooth_shift) - 1) / 2.0


def impact_settings(rate_hz: float, *, refractory_s: float = 0.4, least: int = 64) -> ImpactSettings:
    """Return the settings for a rate: 8 ms of smoothing at most, landings above 0.4 of the high jerk.

    Parameters
    ----------
    refractory_s
        Longer than a stance and shorter than a swing: 0.4 s suits runners.
    least
        Smoothed jerk (counts per sample) below which nothing is a landing.

    Raises
    ------
    BadInputError
        If the rate is not between 50 and 5000 Hz.
    """
    if not 50 <= rate_hz <= 5000:
        raise BadInputError(f"an impact detector at {rate_hz:g} Hz is not supported; expected 50 to 5000 Hz")
    return ImpactSettings(
        smooth_shift=min(4, max(0, int(np.floor(np.log2(_SMOOTHING_S * rate_hz))))),
        block_shift=max(1, round(np.log2(rate_hz / _BLOCKS_HZ))),
        high_shift=4,  # of 8 blocks a second: a time constant of 2^4 / 8 = 2 s
        on_q8=_ON_Q8,
        search=max(1, round(_SEARCH_S * rate_hz)),
        refractory=round(refractory_s * rate_hz),
        warmup=round(_WARMUP_S * rate_hz),
        least=least,
    )


class CausalImpacts:
    """The detector sample by sample: ``push`` returns the index of the landing that the sample completes, or None."""

    def __init__(self, settings: ImpactSettings) -> None:
        self.settings = settings
        self._ring = [0] * (1 << settings.smooth_shift)
        self._before: tuple[int, ...] = ()
        self._count = self._sum = self._high = self._block_high = self._on = 0
        self._top = self._top_at = self._burst_at = 0
        self._searching = False
        self._free_at = settings.warmup

    def push(self, sample: tuple[int, ...]) -> int | None:
        """Return the sample index of a landing that is certain now, or None, given the next sample's axes.

        Raises
        ------
        BadInputError
            If an axis is beyond +-2^18.
        """
        now = self._count
        self._count += 1
        # one axis missing drops the whole sample: the jerk of the others alone would be a smaller one
        if MISSING in sample:
            sample = self._before
        if any(abs(v) > LARGEST for v in sample):
            raise BadInputError(
                f"acceleration {max(sample, key=abs)} does not fit the detector's +-2^18; scale it down"
            )
        jerk = sum(abs(a - b) for a, b in zip(sample, self._before)) if self._before else 0
        self._before = sample
        slot = now & (len(self._ring) - 1)
        self._sum += jerk - self._ring[slot]
        self._ring[slot] = jerk
        landing = self._judge(now)
        self._track()
        return landing

    def _judge(self, now: int) -> int | None:
        loud = self._sum > max(self._on, self.settings.least << self.settings.smooth_shift)
        if not self._searching and loud and now >= self._free_at:
            self._searching, self._burst_at, self._top = True, now, 0
        if not self._searching:
            return None
        if self._sum > self._top:
            self._top, self._top_at = self._sum, now
        if now - self._burst_at < self.settings.search:
            return None
        self._searching = False
        self._free_at = self._top_at + self.settings.refractory
        return self._top_at

    def _track(self) -> None:
        self._block_high = max(self._block_high, self._sum)
        if self._count & ((1 << self.settings.block_shift) - 1) == 0:
            self._high = max(self._block_high, self._high - (self._high >> self.settings.high_shift))
            self._block_high = 0
            # shifted first: high times the share does not fit 32 bits
            self._on = (self._high >> 8) * self.settings.on_q8


def impacts_causal(acceleration: Integers, settings: ImpactSettings) -> Integers:
    """Return the sample indices of the landings in a whole record, shape (landings,).

    Parameters
    ----------
    acceleration
        Shape (samples, axes), integers within +-2^18; ``MISSING`` in an axis marks a missing sample.

    Raises
    ------
    BadInputError
        If it is not of integers, or of another shape.
    """
    if acceleration.ndim != 2 or acceleration.dtype.kind not in "iu":
        raise BadInputError(
            f"the detector takes integers of shape (samples, axes), got {acceleration.dtype} {acceleration.shape}"
        )
    detector = CausalImpacts(settings)
    landings = (detector.push(tuple(row)) for row in acceleration.tolist())
    return np.asarray([k for k in landings if k is not None], dtype=np.int64)
