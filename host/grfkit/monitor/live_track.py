"""The contacts of one foot in their order: which are known to follow each other, and since when it is in the air."""

from __future__ import annotations

import math
from collections import Counter, deque
from statistics import median

__all__ = ["Track"]

_CADENCE_S = 10.0
"""Cadence is of the strides of this time: some twelve of a runner, so that one odd stride does not move the median."""
_BEARS_OUT_S = 0.05
"""A contact is known this late at most: only after that time does its absence mean that there was none."""
_SAME_S = 0.06
"""Contacts of cells and of a model closer than this are the same; chosen by hand: the two detectors part by less."""
_MOST = 64
"""Contacts remembered: more than a foot makes in the time of a cadence."""
_NONE_YET = "no contact yet"


class Track:
    """The contacts that the sum of a foot's cells shows, whoever predicts their forces.

    A stride is counted only between two contacts that are known to follow each other: between them no sample was
    missing that is not bridged, no contact was refused, and the insole neither restarted nor jumped in time.

    Attributes
    ----------
    broken
        Why the last two contacts do not make a stride; None where they do.
    refused
        Contacts that were refused, counted by reason.
    """

    def __init__(self) -> None:
        self._strides: deque[tuple[float, float]] = deque(maxlen=_MOST)
        self._starts: deque[float] = deque(maxlen=_MOST)
        self._turns: deque[tuple[float, bool]] = deque(maxlen=_MOST)
        self._last: float | None = None
        self._samples_until_s = -math.inf
        self.broken: str | None = _NONE_YET
        self.refused: Counter[str] = Counter()

    def samples_until(self, until_s: float) -> None:
        """Note that samples came up to then (s of the host)."""
        self._samples_until_s = until_s

    def began(self, start_s: float) -> None:
        """Note an initial contact (s of the host)."""
        self._starts.append(start_s)
        self._turns.append((start_s, False))

    def ended(self, start_s: float, end_s: float, *, counted_s: float) -> None:
        """Take a contact.

        Parameters
        ----------
        start_s, end_s
            On the host's clock.
        counted_s
            Initial contact by sample number and period: a correction of the clock does not stretch a stride.
        """
        if self._last is not None:
            self._strides.append((start_s, counted_s - self._last))
            self.broken = None
        elif self.broken == _NONE_YET:
            self.broken = "one contact so far"
        self._last = counted_s
        self._turns.append((end_s, True))

    def broke(self, why: str, at_s: float) -> None:
        """Note that contacts may be missing here."""
        self._last, self.broken = None, why
        self._turns.append((at_s, False))

    def refuse(self, why: str, at_s: float) -> None:
        """Note a contact that is refused."""
        self.refused[why] += 1
        self.broke(f"a contact was refused ({why})", at_s)

    def cadence_per_min(self, now_s: float) -> float | None:
        """Return twice a foot's strides per minute, the median of the last ten seconds; None without a known stride."""
        strides = [stride for start_s, stride in self._strides if start_s > now_s - _CADENCE_S]
        # 60 s, and two steps to a stride; the median: one odd stride does not move it
        return 120.0 / median(strides) if strides else None

    def start_near(self, start_s: float) -> float | None:
        """Return the initial contact that whoever answered means; None where the cells show none."""
        near = [start for start in self._starts if abs(start - start_s) <= _SAME_S]
        return min(near, key=lambda start: abs(start - start_s), default=None)

    def in_air_since(self, at_s: float) -> float | None:
        """Return the toe-off before a time, if the foot is known to be in the air then."""
        if self._samples_until_s < at_s + _BEARS_OUT_S:
            return None
        before = [turn for turn in self._turns if turn[0] <= at_s]
        # by time, not by order: what was lost is noted at once, a contact only when it is known
        last = max(before, key=lambda turn: turn[0], default=(0.0, False))
        return last[0] if last[1] else None
