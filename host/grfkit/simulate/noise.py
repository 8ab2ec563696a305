"""Correlated noise, and the low-pass of a slow sensor."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats


def ar1(rng: np.random.Generator, count: int, coefficient: float, columns: int | None = None) -> Floats:
    """Return a stationary AR(1) series of SD 1."""
    from scipy.signal import lfilter

    shape = (count,) if columns is None else (count, columns)
    noise = rng.normal(0, 1, shape)
    # the first value keeps SD 1: the series is stationary from its start, without a run-in
    noise[1:] *= np.sqrt(1 - coefficient**2)
    return np.asarray(lfilter([1.0], [1.0, -coefficient], noise, axis=0))


def lowpass(values: Floats, rate_hz: float, time_constant_s: float) -> Floats:
    """Return a causal first-order low-pass along the first axis."""
    from scipy.signal import lfilter

    a = float(np.exp(-1 / (rate_hz * time_constant_s)))
    return np.asarray(lfilter([1 - a], [1.0, -a], values, axis=0))
