"""Landings in a shoe IMU alone: after a landing the foot rests on the ground, before it the foot swings.

Where another device states the contact time :mod:`grfkit.signals.impacts` tells landings from push-offs by that. Here
nothing is needed but the acceleration itself: its power is small while the foot stands and large while it swings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .contacts import bridged, empty_contacts
from .impacts import (
    FEWEST_PEAKS,
    USUAL_STRIDE_S,
    Impacts,
    envelope_period,
    rhythmic_peaks,
    shocks_in,
    stamped,
)

AFTER = (0.07, 0.27)
"""Part of the stride after a landing in which the foot stands, as shares of it: past the shock, and before a runner's
push-off at a quarter to two fifths. The same part before a landing is swing. Chosen by hand; on 77 simulated shoes of
tuning seeds the log ratio of the usual powers was 1.3 and more."""
MOST_REST = 1.5
"""Log ratio of power that counts for a single peak at the most: as much as a shock 4.5 times as high.
Chosen by hand."""
CLEAR_REST = 0.5
"""Usual log ratio of the powers before and after a shoe's contacts from which they are landings; chosen by hand below
the 1.3 of simulated shoes."""


def shoe_landings(time_s: Floats, acceleration: Floats, *, foot: int = -1) -> Impacts:
    """Return the landings that a shoe IMU shows by itself.

    The path of even peaks of the jerk is taken as in :func:`~grfkit.signals.impacts.impacts`, where a peak counts the
    more, the more the foot swings before it and stands after it.

    Parameters
    ----------
    time_s
        Shape (samples,), increasing.
    acceleration
        Shape (samples, axes), any unit, NaN where missing.

    Returns
    -------
    Impacts
        ``landing_evidence`` is the median log ratio of the power before the contacts to that after them; small where
        the shoe does not show which are landings, NaN where it has no rhythm.
    """
    parts = shocks_in(time_s, acceleration)
    if parts is None:
        return Impacts(empty_contacts(), float("nan"))
    period = envelope_period(parts.envelope, parts.rate_hz)
    stride_s = period if np.isfinite(period) else USUAL_STRIDE_S
    rest = _rest(_power(time_s, acceleration, parts.missing), stride_s * parts.rate_hz)
    peaks = rhythmic_peaks(parts.envelope, parts.rate_hz, period, np.clip(rest, -MOST_REST, MOST_REST))
    evidence = float(np.median(rest[peaks])) if peaks.size >= FEWEST_PEAKS else float("nan")
    return stamped(time_s, parts, peaks, evidence, foot)


def _power(time_s: Floats, acceleration: Floats, missing: NDArray[np.bool_]) -> Floats:
    columns = [bridged(time_s, acceleration[:, k], missing) for k in range(acceleration.shape[1])]
    return np.asarray(np.sum(np.square(columns), axis=0))


def _rest(power: Floats, stride: float) -> Floats:
    """Return the log ratio of the power before each sample to that after it; 0 at the record's ends.

    Parameters
    ----------
    stride
        Its length in samples.
    """
    near, far = (max(1, round(share * stride)) for share in AFTER)
    total = np.concatenate([[0.0], np.cumsum(power)])
    rest = np.zeros(power.size)
    at = np.arange(far, power.size - far)
    if far > near and at.size:
        before, after = total[at - near + 1] - total[at - far + 1], total[at + far] - total[at + near]
        rest[at] = np.log(np.maximum(before, 1e-30) / np.maximum(after, 1e-30))
    return rest
