"""Which lags are worth a look: a smoothed histogram of all onset differences, by FFT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from ..arrays import Floats
from ..records import Prior
from ..signals.contacts import Contacts

BIN_S = 0.004
"""Width (s) of the histogram's bins; the reference design: a quarter of the smoothing of 15 ms."""
MOST_CANDIDATES = 40
"""Offsets that are matched and scored; the reference design."""
PRIOR_REACH_SDS = 6.0
"""Offsets farther than so many SDs from a prior's mean are no candidates: the prior alone costs them 18 nats."""
LEAST_VARIANCE = 1e-3
"""Least variance (coincidences squared), which keeps bins that expect none from dividing by zero."""


def surprise_nats(prior: Prior | None, range_s: float) -> float:
    """Return what a prior saves of the search: the log of how many times a range of offsets is as wide as the prior.

    Chance has as many tries as there are offsets; a Gaussian of SD s leaves it those of a width of s sqrt(2 pi). By so
    much less does "no alignment at all" have to be beaten. 0 without a prior, and where it is as wide as the range.
    """
    if prior is None:
        return 0.0
    return float(np.log(max(range_s / (prior.sd_s * np.sqrt(2.0 * np.pi)), 1.0)))


def candidate_offsets(
    reference: Contacts,
    device: Contacts,
    *,
    spread_s: float,
    shortest_overlap_s: float,
    prior: Prior | None = None,
    count: int = MOST_CANDIDATES,
) -> Floats:
    """Return the offsets (s) at which onsets coincide most beyond chance, best first.

    The number of coinciding onsets (within about ``spread_s``) is compared with the number expected at that
    overlap if the trains had nothing to do with each other; candidates are the peaks of the difference over its
    standard deviation.

    Parameters
    ----------
    spread_s
        SD (s) of a coincidence: jitter and unknown drift together.
    shortest_overlap_s
        Offsets at which less device time falls on covered reference time are no candidates.
    prior
        Offsets beyond ``PRIOR_REACH_SDS`` SDs are no candidates.
    """
    if not reference.size or not device.size:
        return np.zeros(0)
    score, first_lag = _score(reference, device, spread_s, shortest_overlap_s)
    if prior is not None:
        lags = first_lag + BIN_S * np.arange(score.size)
        score = np.where(np.abs(lags - prior.offset_s) <= PRIOR_REACH_SDS * prior.sd_s, score, -np.inf)
    tops, _ = signal.find_peaks(np.where(np.isfinite(score), score, -1e9))
    tops = tops[np.isfinite(score[tops]) & (score[tops] > 0)]
    best = tops[np.argsort(score[tops], kind="stable")[::-1][:count]]
    return np.asarray(first_lag + BIN_S * best, dtype=np.float64)


def _score(
    reference: Contacts, device: Contacts, spread_s: float, shortest_overlap_s: float
) -> tuple[NDArray[np.float32], float]:
    start_r = min(reference.covered_s[0, 0], reference.onset_s[0])
    start_d = min(device.covered_s[0, 0], device.onset_s[0])
    span_r = max(reference.covered_s[-1, 1], reference.onset_s[-1]) - start_r
    span_d = max(device.covered_s[-1, 1], device.onset_s[-1]) - start_d
    size_r, size_d = int(span_r / BIN_S) + 2, int(span_d / BIN_S) + 2
    # as long as both together, so that no lag wraps round onto another
    size = fft.next_fast_len(size_r + size_d, real=True)
    smooth = spread_s / BIN_S
    # smoothing one of the two trains smooths their correlation
    onsets_r = fft.rfft(ndimage.gaussian_filter1d(_binned(reference, start_r, size_r), smooth), size)
    onsets_d = np.conj(fft.rfft(_binned(device, start_d, size_d), size))
    together = fft.irfft(onsets_r * onsets_d, size)
    coverable = fft.irfft(fft.rfft(_cover(reference, start_r, size_r), size) * onsets_d, size)
    rate = reference.size / max(float(np.diff(reference.covered_s, axis=1).sum()), 1e-9) * BIN_S
    expected = np.maximum(coverable, 0.0) * rate
    # the smoothed histogram of independent trains has variance expected * (share of the kernel's energy)
    energy = 1.0 / (2.0 * np.sqrt(np.pi) * smooth)
    score = (together - expected) / np.sqrt(np.maximum(expected * energy, LEAST_VARIANCE))
    # lag index m: device bin 0 lies on reference bin m; negative lags are at the end
    ordered = np.concatenate([score[size - size_d :], score[:size_r]])
    shift = BIN_S * (np.arange(ordered.size) - size_d)
    overlap = np.minimum(span_r, span_d + shift) - np.maximum(0.0, shift)
    ordered = np.where(overlap >= shortest_overlap_s, ordered, -np.inf).astype(np.float32)
    return ordered, float(start_r - start_d - size_d * BIN_S)


def _binned(train: Contacts, start: float, size: int) -> NDArray[np.float32]:
    index = ((train.onset_s - start) / BIN_S).astype(int)
    return np.bincount(np.clip(index, 0, size - 1), minlength=size).astype(np.float32)


def _cover(train: Contacts, start: float, size: int) -> NDArray[np.float32]:
    edges = np.zeros(size + 1, dtype=np.float32)
    index = np.clip(((train.covered_s - start) / BIN_S).astype(int), 0, size)
    np.add.at(edges, index[:, 0], 1.0)
    np.add.at(edges, index[:, 1], -1.0)
    return np.minimum(np.cumsum(edges[:-1]), 1.0).astype(np.float32)
