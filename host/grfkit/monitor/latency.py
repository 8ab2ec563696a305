"""How late packets are, in the last minute and since the beginning, in memory that does not grow."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

_STEP_S, _BINS = 5e-5, 40_000
"""The histogram since the beginning: 0.05 ms to 2 s; later ones count as 2 s."""
_LATEST = 4096
"""Packets remembered: more than the minute that is shown has, at 40 to 66 a second."""


class Latency:
    """Arrival after the last sample of a packet was taken."""

    def __init__(self) -> None:
        self._bins: NDArray[np.int64] = np.zeros(_BINS, dtype=np.int64)
        self._latest: deque[float] = deque(maxlen=_LATEST)

    def add(self, late_s: float) -> None:
        """Count a packet."""
        self._latest.append(late_s)
        self._bins[min(max(int(late_s / _STEP_S), 0), _BINS - 1)] += 1

    def recent_ms(self, packets: int) -> dict[str, float]:
        """Return p50 and p99 of the last packets; empty without any."""
        if not self._latest:
            return {}
        recent = np.asarray(self._latest)[-max(1, packets) :]
        p50, p99 = np.percentile(recent, [50, 99]) * 1e3
        return {"p50": float(p50), "p99": float(p99)}

    def all_ms(self) -> dict[str, float | None]:
        """Return p50 and p99 since the beginning, to 0.05 ms; None without a packet."""
        total = np.cumsum(self._bins)
        if not total[-1]:
            return {"p50": None, "p99": None}
        return {
            # the middle of the bin in which so large a share is reached
            name: round(1e3 * _STEP_S * (0.5 + float(np.searchsorted(total, share * total[-1]))), 3)
            for name, share in (("p50", 0.5), ("p99", 0.99))
        }
