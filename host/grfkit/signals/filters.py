"""Zero-lag Butterworth low-pass whose cut-off means what it says, for signals with gaps."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .runs import true_runs


def corrected_cutoff_hz(cutoff_hz: float, *, rate_hz: float, order: int = 2, passes: int = 2) -> float:
    """Return the cut-off (Hz) of one pass such that ``passes`` of them are down 3 dB at ``cutoff_hz``.

    ``C = (2^(1/passes) - 1)^(1/(2 order))`` is applied on the warped frequency: ``tan(pi f'/fs) = tan(pi
    fc/fs) / C`` (Winter, Biomechanics and Motor Control of Human Movement, 4th ed., 2009, section 2.2.4.4;
    Robertson and Dowling, J Electromyogr Kinesiol 13, 2003). ``C`` is 0.8022 for second order run twice.

    Raises
    ------
    BadInputError
        If the cut-off is not between 0 and half the rate.
    """
    if not 0 < cutoff_hz < rate_hz / 2:
        raise BadInputError(
            f"filter cut-off {cutoff_hz:g} Hz does not fit a rate of {rate_hz:g} Hz;"
            f" expected more than 0 and less than {rate_hz / 2:g} Hz"
        )
    correction = (2.0 ** (1.0 / passes) - 1.0) ** (1.0 / (2.0 * order))
    warped = np.tan(np.pi * cutoff_hz / rate_hz) / correction
    return float(np.arctan(warped) * rate_hz / np.pi)


def lowpass(values: Floats, *, rate_hz: float, cutoff_hz: float, order: int = 2) -> Floats:
    """Return the signal low-passed forward and backward: no lag, 3 dB down at ``cutoff_hz`` in all.

    Parameters
    ----------
    values
        Shape (samples,) or (samples, channels). Each stretch between NaN is filtered on its own, and NaN
        stay NaN; a stretch of fewer than four samples is left as it is.
    order
        Of one pass; the usual "fourth-order zero-lag" filter is ``order=2``.

    Raises
    ------
    BadInputError
        If the cut-off is not between 0 and half the rate.
    """
    from scipy.signal import butter

    designed = corrected_cutoff_hz(cutoff_hz, rate_hz=rate_hz, order=order)
    sections = np.asarray(butter(order, designed, fs=rate_hz, output="sos"), dtype=np.float64)
    # a copy: the stretches are filtered in place
    data = np.array(values, dtype=np.float64)
    columns = data.reshape(data.shape[0], -1)
    # samples reflected at either end: in three periods of the cut-off the filter's transient has died down
    pad = int(np.ceil(3.0 * rate_hz / cutoff_hz))
    for channel in range(columns.shape[1]):
        for start, end in true_runs(np.isfinite(columns[:, channel])):
            columns[start:end, channel] = _both_ways(sections, columns[start:end, channel], pad)
    return columns.reshape(data.shape)


def _both_ways(sections: Floats, run: Floats, pad: int) -> Floats:
    from scipy.signal import sosfiltfilt

    if run.size < 4:
        return run
    return np.asarray(sosfiltfilt(sections, run, padlen=min(pad, run.size - 1)), dtype=np.float64)
