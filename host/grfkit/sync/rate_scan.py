"""The rate of a clock whose stamps are sample counts: a scan about the nominal one."""

from __future__ import annotations

import numpy as np

from ..signals.contacts import Contacts
from .search import Limits, search

SCAN_S = 90.0
"""Length (s) of the stretch whose rate is scanned: at 500 ppm too fast its ends are 45 ms apart, more than jitter."""
SCAN_STEP = 5e-4
"""Step of the scanned rates; the reference design's 500 ppm."""
SCAN_RATE_PRIOR_PPM = 400.0
"""SD (ppm) of the rate about a scanned one: neighbouring scans overlap."""
SCAN_MARGIN = 10.0
"""Margin (nats) that a scanned rate needs; half of that of an alignment, which is still to come."""
SCAN_OVERLAP_S = 30.0
"""Overlap (s) that a scanned stretch needs at most; chosen by hand."""
MOST_WINDOWS = 8
"""Windows of a record that are tried at most, which bounds the time."""


def scan_rates(reference: Contacts, device: Contacts, limits: Limits, *, half_width: float) -> float | None:
    """Return the device's true rate over its nominal one, from a scan of ``1 +- half_width``; None if unclear.

    For stamps rebuilt from the sample index: a nominal 476 Hz may be 470. Stretches of ``SCAN_S`` of the device are
    searched at steps of 500 ppm, the middle first; the best rate's margin has to be ``SCAN_MARGIN``.
    """
    first, last = float(device.onset_s[0]), float(device.onset_s[-1])
    for start, end in windows_of(first, last, SCAN_S):
        part = device.between(start, end)
        rate = _scanned(reference, part, limits, half_width)
        if rate is not None:
            return rate
    return None


def _scanned(reference: Contacts, part: Contacts, limits: Limits, half_width: float) -> float | None:
    """Return the rate at which a stretch of the device fits the reference best, None where none fits clearly."""
    best: tuple[float, float] | None = None
    for step in np.arange(-half_width, half_width + 1e-9, SCAN_STEP):
        shortest_s = min(limits.shortest_overlap_s, SCAN_OVERLAP_S)
        near = Limits(limits.prior, 1.0 + float(step), SCAN_RATE_PRIOR_PPM, shortest_s)
        candidate = search(reference, part, near, plates=False)
        if candidate is None or candidate.margin < SCAN_MARGIN or candidate.log_likelihood_ratio <= 0:
            continue
        # by likelihood: at a wrong rate one wrong lag may stand out from the others by as wide a margin
        total = float(candidate.log_likelihood.max())
        if best is None or total > best[0]:
            best = (total, candidate.rate)
    return None if best is None else best[1]


def windows_of(first: float, last: float, length: float) -> list[tuple[float, float]]:
    """Return up to eight windows (s) of a length, the middle one first."""
    count = int(np.clip((last - first) / length, 1, MOST_WINDOWS))
    centres = np.linspace(first, last, 2 * count + 1)[1::2]
    ordered = sorted(centres, key=lambda c: abs(c - (first + last) / 2))
    return [(max(first, float(c) - length / 2), min(last, float(c) + length / 2)) for c in ordered]
