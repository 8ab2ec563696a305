"""Time from counters and rounded stamps."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

HIGHEST_RATE_HZ = 1e6
"""A stated rate (Hz) from this on is damage or another quantity; chosen by hand: no sensor of gait comes near it."""
# How far a stamp printed to the millisecond may be from the exact time (s): a whole unit of its last digit, since some
# programs cut instead of rounding; and never half a step, or another sample's stamp would fit as well
_ROUNDED_S, _OF_A_STEP = 0.00101, 0.45

# Where clocks start anew: counters of 16, 24 and 32 bits in the usual ticks, and the time of day (s)
_WRAPS = (
    (86400.0, "a time of day at midnight"),
    (2**32 * 1e-6, "a 32-bit counter of microseconds"),
    (2**32 * 1e-3, "a 32-bit counter of milliseconds"),
    (2**32 / 32768, "a 32-bit counter of 32,768 Hz"),
    (2**24 * 1e-6, "a 24-bit counter of microseconds"),
    (2**24 / 32768, "a 24-bit counter of 32,768 Hz"),
    (2**16 * 1e-3, "a 16-bit counter of milliseconds"),
)
# Samples at most between the last stamp before such a start and the start, and from there to the next; chosen by hand
_WRAP_SAMPLES = 50


def without_wraps(stamps_s: Floats) -> tuple[Floats, str]:
    """Return stamps counted on where their clock starts anew, and which clock does that ("" if none).

    Only where each step back leads from the very end of such a clock's range to its very beginning: a time of day
    (0 to 86,400 s), a counter of microseconds with 32 bits (0 to 4,294.967 s, or from minus to plus half of it), ...
    """
    steps = np.diff(stamps_s)
    back = np.flatnonzero(steps < 0)
    if not back.size or not np.isfinite(stamps_s).all():
        return stamps_s, ""
    near = _WRAP_SAMPLES * float(np.median(steps))
    before, after = stamps_s[back], stamps_s[back + 1]
    for span, what in _WRAPS:
        for low in (0.0, -span / 2):
            at_end = (before >= low + span - near) & (before <= low + span) & (after >= low) & (after <= low + near)
            if 0 < near < span / 2 and at_end.all():
                return stamps_s + np.concatenate([[0.0], np.cumsum(np.where(steps < 0, span, 0.0))]), what
    return stamps_s, ""


def exact_time(count: Floats, printed_s: Floats, rate_hz: float) -> Floats | None:
    """Return ``count / rate_hz`` where every printed stamp is that, rounded; None otherwise.

    Parameters
    ----------
    count
        Shape (samples,): sample number from 0, none missing; where the stamps start at another time, that is kept.
    """
    tolerance = min(_ROUNDED_S, _OF_A_STEP / rate_hz)
    for rebuilt in (count / rate_hz, printed_s[0] + (count - count[0]) / rate_hz):
        if np.nanmax(np.abs(rebuilt - printed_s)) <= tolerance:
            return np.asarray(rebuilt, dtype=np.float64)
    return None


def unwrapped(counter: Floats, modulus: int) -> Floats:
    """Return a counter that wraps at ``modulus`` without its wraps.

    Raises
    ------
    BadInputError
        If it goes back by less than half its range, is missing, negative, not whole, or reaches ``modulus``.
    """
    bad = ~((counter >= 0) & (counter < modulus) & (counter == np.floor(counter)))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadInputError(f"sample counter is {counter[row]:g} in row {row + 1}, expected 0 to {modulus - 1}")
    steps = np.diff(counter)
    back = np.flatnonzero((steps < 0) & (steps > -modulus / 2))
    if back.size:
        row = int(back[0])
        raise BadInputError(f"sample counter goes back from {counter[row]:g} to {counter[row + 1]:g} at row {row + 2}")
    return np.concatenate([counter[:1], counter[0] + np.cumsum(np.where(steps < 0, steps + modulus, steps))])
