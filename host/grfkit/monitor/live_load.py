"""The load on one foot from its cells alone: unloaded level, tared sum, and contacts as they become known."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..gait.causal import IC, MISSING, TO, CausalContacts, Event, causal_settings
from ..wire import CELLS
from .live_contact import Contact

__all__ = ["Load", "Tare", "Times"]

Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]
TARE_SAMPLES = 100
_UNLOADED_PERCENT, _REMEMBERED_S, _EVERY = 2.0, 30.0, 4
_QUIET_SHARE = 0.005
_SHORTEST_S, _LONGEST_S, _MOST_MISSED_S = 0.08, 2.0, 0.02


class Tare:
    """The unloaded level of each cell.

    Until somebody tares: the 2nd percentile of the last 30 s, taken anew every second, as an insole's own model has it.
    Then: the median of the last 100 quiet samples at that moment (no cell moved by more than 0.5 % of its range), those
    that the insole waited for.
    """

    def __init__(self, rate_hz: float, adc_bits: int = 12) -> None:
        self._rows: deque[Counts] = deque(maxlen=round(_REMEMBERED_S * rate_hz / _EVERY))
        self._last: deque[Counts] = deque(maxlen=TARE_SAMPLES)
        self._seen, self._due, self._each = 0, 0, round(rate_hz)
        self._quiet, self._before = max(2.0, _QUIET_SHARE * (1 << adc_bits)), np.zeros((0, CELLS), np.uint16)
        self.level: Floats = np.zeros(CELLS)
        self.tared = False

    def push(self, cells: Counts) -> None:
        """Take samples (n, 16)."""
        rows = np.concatenate([self._before, cells])
        moved = np.abs(np.diff(rows.astype(np.int64), axis=0)).max(axis=1, initial=0)
        self._last.extend(rows[1:][moved <= self._quiet])
        self._before = rows[-1:]
        if not self.tared:
            self._rows.extend(cells[-self._seen % _EVERY :: _EVERY])
        self._seen += len(cells)
        if not self.tared and self._rows and self._seen >= self._due:
            self._due = self._seen + self._each
            self.level = np.asarray(np.percentile(np.stack(self._rows), _UNLOADED_PERCENT, axis=0), dtype=np.float64)

    def now(self) -> None:
        """Take the last quiet samples as unloaded."""
        if self._last:
            self.level, self.tared = np.asarray(np.median(np.stack(self._last), axis=0), dtype=np.float64), True
            self._rows.clear()


class Times:
    """When the last samples were taken, by their number; a missing one lies a period after the one before."""

    def __init__(self, keep: int, period_s: float) -> None:
        self._held = np.full(keep, np.nan)
        self._period_s = period_s
        self.count = 0

    def push(self, host_s: Floats) -> None:
        """Take samples' times."""
        for one in host_s:
            self._held[self.count % len(self._held)] = one
            self.count += 1

    def miss(self, count: int) -> None:
        """Take note of missing samples."""
        last = self.at(self.count - 1.0) if self.count else np.nan
        self.push(np.asarray(last + self._period_s * np.arange(1, count + 1), dtype=np.float64))

    def at(self, number: float) -> float:
        """Return the time at a place between samples; NaN where it is forgotten."""
        low = int(np.floor(number))
        if not self.count - len(self._held) <= low < self.count:
            return float("nan")
        begin = float(self._held[low % len(self._held)])
        end = float(self._held[(low + 1) % len(self._held)]) if low + 1 < self.count else begin + self._period_s
        return begin + (number - low) * (end - begin)


class Load:
    """The contacts that the sum of the cells shows, each with its tared sum as the curve."""

    def __init__(self, rate_hz: float, times: Times) -> None:
        self._rate_hz, self._times = rate_hz, times
        self._detector = CausalContacts(causal_settings(rate_hz))
        self._sums = np.full(round((_LONGEST_S + 0.5) * rate_hz), np.nan)
        self._pushed = times.count
        self._contact: Event | None = None
        self._first = times.count

    def push(self, cells: Counts, level: Floats, arrival_ns: int) -> list[Contact]:
        """Take samples (n, 16), after their times; return the contacts that became known."""
        raw = cells.sum(axis=1, dtype=np.int64)
        tared = raw - level.sum()
        found = []
        for value, above in zip(raw, tared):
            self._sums[self._pushed % len(self._sums)] = above
            self._pushed += 1
            contact = self._heard(self._detector.push(int(value)), arrival_ns)
            if contact is not None:
                found.append(contact)
        return found

    def miss(self, count: int) -> None:
        """Take note of missing samples."""
        for _ in range(count):
            self._sums[self._pushed % len(self._sums)] = np.nan
            self._pushed += 1
            self._heard(self._detector.push(MISSING), 0)

    def _heard(self, event: Event | None, arrival_ns: int) -> Contact | None:
        if event is None:
            return None
        before, self._contact = self._contact, event if event[0] == IC else None
        if event[0] != TO or before is None:
            return None
        start, end = self._place(before), self._place(event)
        start_s, end_s = self._times.at(start), self._times.at(end)
        if not _SHORTEST_S <= end_s - start_s <= _LONGEST_S:
            return None
        at = np.linspace(start, end, 101)
        numbers = np.arange(int(np.floor(start)), int(np.ceil(end)) + 1)
        held = self._sums[numbers % len(self._sums)]
        known = np.isfinite(held)
        missed = int((~known).sum())
        if missed > _MOST_MISSED_S * self._rate_hz:
            return None
        curve = np.interp(at, numbers[known], held[known])
        return Contact(start_s, end_s - start_s, {"v": curve}, "count", "cells", missed, arrival_ns)

    def _place(self, event: Event) -> float:
        """Return where an event lies, in samples as the times count them."""
        return self._first + event[2] - 1 + event[1] / 256 - self._detector.settings.delay_samples
