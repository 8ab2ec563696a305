"""How far one detector's contacts are from another's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .causal import Integers
from .contacts import ContactTimes


@dataclass(frozen=True)
class DetectorOffset:
    """Times of a detector's contacts minus the reference's: median and interquartile range (ms), and counts."""

    matched: int
    missed: int
    extra: int
    ic_median_ms: float
    ic_iqr_ms: float
    to_median_ms: float
    to_iqr_ms: float
    contact_median_ms: float
    contact_iqr_ms: float

    def __str__(self) -> str:
        """Return the offset as it is printed."""
        return (
            f"contact {self.ic_median_ms:+.1f} ms (IQR {self.ic_iqr_ms:.1f}), toe-off {self.to_median_ms:+.1f} ms"
            f" (IQR {self.to_iqr_ms:.1f}), {self.matched} matched, {self.missed} missed, {self.extra} extra"
        )


def detector_offset(reference: ContactTimes, detected: ContactTimes, *, within_s: float = 0.1) -> DetectorOffset:
    """Return how far a detector's contacts are from the reference's, over pairs that are each other's nearest.

    Compare over the time that both detectors saw: where the spans differ, cut one to the other first.

    Parameters
    ----------
    within_s
        Largest distance of a pair (s); contacts without a partner so near are missed or extra.
    """
    pairs = _nearest(reference.ic_s, detected.ic_s, within_s)
    a, b = pairs[:, 0], pairs[:, 1]
    ic, to = detected.ic_s[b] - reference.ic_s[a], detected.to_s[b] - reference.to_s[a]
    spread = [_median_iqr_ms(v) for v in (ic, to, to - ic)]
    return DetectorOffset(
        len(pairs), reference.size - len(pairs), detected.size - len(pairs), *spread[0], *spread[1], *spread[2]
    )


def _nearest(a: Floats, b: Floats, within_s: float) -> Integers:
    """Return the index pairs of times that are each other's nearest, shape (pairs, 2)."""
    if not a.size or not b.size:
        return np.zeros((0, 2), dtype=np.int64)
    to_b, to_a = _closest(a, b), _closest(b, a)
    index = np.arange(a.size)
    # mutual: an extra contact beside a true one must not be matched to the same reference
    keep = (to_a[to_b] == index) & (np.abs(b[to_b] - a) <= within_s)
    return np.stack([index[keep], to_b[keep]], axis=1).astype(np.int64)


def _closest(a: Floats, b: Floats) -> Integers:
    """Return for each of ``a`` the index of the nearest in ``b``, which is sorted."""
    right = np.clip(np.searchsorted(b, a), 0, b.size - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(b[left] - a) <= np.abs(b[right] - a), left, right).astype(np.int64)


def _median_iqr_ms(values: Floats) -> tuple[float, float]:
    if not values.size:
        return float("nan"), float("nan")
    low, middle, high = np.percentile(values, [25, 50, 75]) * 1e3
    return float(middle), float(high - low)
