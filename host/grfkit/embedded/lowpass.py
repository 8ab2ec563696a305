"""A device's zero-lag low-pass in integers: the twin of grf_lowpass.c, number for number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..signals.filters import corrected_cutoff_hz

__all__ = ["FRACTION", "LowpassSettings", "low_passed", "lowpass_settings"]

FRACTION = 12
"""Fractional bits of a count in the filter."""
_ONE, _MOST = 1 << 28, 1 << 30
"""The number 1 of the coefficients, and the largest magnitude of the filter's output: their product fits 64 bits."""


@dataclass(frozen=True)
class LowpassSettings:
    """The integers of ``grf_lowpass_settings_t``: ``a1``, ``a2`` in 1/2^28, ``pad`` samples, bits of channels."""

    a1: int
    a2: int
    pad: int
    channels: int

    def __post_init__(self) -> None:
        """Refuse settings that could exceed 64 bits."""
        if (
            abs(self.a1) > 2 * _ONE
            or abs(self.a2) > _ONE
            or not 0 <= self.pad < 65536
            or not 0 <= self.channels < 2**32
        ):
            raise BadInputError(
                f"a low-pass with {self} cannot be; expected |a1| <= 2^29, |a2| <= 2^28, 16 bits of pad"
            )

    @property
    def picked(self) -> list[int]:
        """Return the channels that are filtered."""
        return [k for k in range(32) if self.channels >> k & 1]


def lowpass_settings(
    cutoff_hz: float, *, rate_hz: float, channels: list[int], corrected: bool = True
) -> LowpassSettings:
    """Return the integers of :func:`grfkit.signals.filters.lowpass` at a rate.

    ``b0 = b2 = b1 / 2 = (1 + a1 + a2) / 4`` holds for a Butterworth low-pass; ``a2`` is rounded such that it does in
    integers, so that a constant is not changed.

    Parameters
    ----------
    channels
        Of the stance buffer, each below 32.
    corrected
        Whether the cut-off allows for the second pass.

    Raises
    ------
    BadInputError
        If the cut-off is not between 0 and half the rate, or the first 32 channels do not hold all.
    """
    from scipy.signal import butter

    if any(not 0 <= k < 32 for k in channels):
        raise BadInputError(f"a device filters channels 0 to 31 only, not {channels}")
    designed = corrected_cutoff_hz(cutoff_hz, rate_hz=rate_hz, passes=2 if corrected else 1)
    _, a = butter(2, designed, fs=rate_hz)
    a1 = round(float(a[1]) * _ONE)
    a2 = 4 * round((float(a[2]) * _ONE + a1) / 4) - a1
    pad = int(np.ceil(3.0 * rate_hz / cutoff_hz))
    return LowpassSettings(a1, a2, pad, sum(1 << k for k in channels))


def low_passed(rows: NDArray[np.integer], settings: LowpassSettings) -> NDArray[np.int64]:
    """Return counts (samples, channels) low-passed, in 1/4096 counts; fewer than four samples are not filtered."""
    values = rows.astype(np.int64) << FRACTION
    pad = min(settings.pad, len(values) - 1)
    if len(values) < 4:
        return values
    # padded by mirroring about each end, as scipy's filtfilt does, so that the filter has settled where the window
    # begins
    before = 2 * values[0] - values[pad:0:-1]
    after = 2 * values[-1] - values[-2 : -2 - pad : -1] if pad else values[:0]
    # the way back ends where the window begins, so that the mirrored samples before it are dropped
    forward = _one_way(np.concatenate([before, values, after]), settings)[len(before) :]
    return _one_way(forward[::-1], settings)[::-1][: len(values)]


def _one_way(values: NDArray[np.int64], settings: LowpassSettings) -> NDArray[np.int64]:
    b0 = (_ONE + settings.a1 + settings.a2) // 4
    filtered = np.empty_like(values)
    # as if the first value had lasted for ever: scipy's filtfilt starts in the same steady state
    x1 = x2 = y1 = y2 = values[0]
    for k, x in enumerate(values):
        y = (b0 * (x + 2 * x1 + x2) - settings.a1 * y1 - settings.a2 * y2 + _ONE // 2) >> 28
        y = np.clip(y, -_MOST, _MOST)
        filtered[k] = y
        x2, x1, y2, y1 = x1, x, y1, y
    return filtered
