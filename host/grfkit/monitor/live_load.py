"""The load on one foot from its cells alone: unloaded level, tared sum, and contacts as they become known."""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..gait.causal import IC, MISSING, TO, CausalContacts, ContactEvent, causal_settings
from ..gait.contacts import underloaded
from ..wire import CELLS
from .live_contact import POINTS, Contact
from .live_track import Track

__all__ = ["CellContacts", "SampleTimes", "TareLevel"]

Counts = NDArray[np.uint16]
TARE_SAMPLES = 100
"""Quiet samples that a tare averages, as the profile's TARE has it."""
_UNLOADED_PERCENT, _REMEMBERED_S, _EVERY = 2.0, 30.0, 4
"""The level is this percentile of the last seconds, of every 4th sample: a runner's foot is mostly in the air."""
_QUIET_SHARE = 0.005
"""Of a cell's full range: a sample is quiet where no cell moved more since the one before, as on the insole."""
_LEAST_QUIET_COUNTS = 2.0
"""A cell may move so much in a quiet sample whatever its range; chosen by hand: noise of few bits."""
_AT_ONCE = 40
"""Samples looked at together: eight packets, or 0.2 s at 200 Hz."""
_SHORTEST_S, _LONGEST_S = 0.08, 2.0
"""Contacts of a step: a sprinter's last 0.08 s, a slow walker's less than 2 s."""
_KNOWN_LATE_S = 0.5
"""Samples are kept so much longer than the longest contact; by hand: a toe-off is known far sooner after it."""
BEYOND = "beyond the calibration's range"
"""Why a contact has no calibrated load: a cell was loaded more than the document's law was fitted to."""
_STEPS = 25
"""Contacts before that a peak is compared with, as :func:`grfkit.gait.contacts.underloaded` needs them."""


class TareLevel:
    """The unloaded level of each cell.

    Until the first tare: the 2nd percentile of the last 30 s, computed anew every second, as on an insole with a model.
    Then: the median of the last 100 quiet samples at that moment (no cell moved by more than 0.5 % of its range), those
    that the insole waited for.
    """

    def __init__(self, rate_hz: float, adc_bits: int = 12) -> None:
        self._rows: deque[Counts] = deque(maxlen=round(_REMEMBERED_S * rate_hz / _EVERY))
        self._last: deque[Counts] = deque(maxlen=TARE_SAMPLES)
        self._count, self._next_level, self._each = 0, 0, round(rate_hz)
        self._quiet, self._before = (
            max(_LEAST_QUIET_COUNTS, _QUIET_SHARE * (1 << adc_bits)),
            np.zeros((0, CELLS), np.uint16),
        )
        self._gathered: list[Counts] = []
        self._waiting = 0
        self.level: Floats = np.zeros(CELLS)
        self.tared = False

    def push(self, cells: Counts) -> None:
        """Take samples (n, 16); they are looked at some at a time, which is cheaper, and before they are needed."""
        self._gathered.append(cells)
        self._waiting += len(cells)
        if self._waiting >= _AT_ONCE or (not self.tared and self._count + self._waiting >= self._next_level):
            self._take()

    def _take(self) -> None:
        """Look at the samples gathered."""
        cells = np.concatenate(self._gathered)
        self._gathered, self._waiting = [], 0
        # signed: a difference of unsigned counts would wrap
        rows = np.concatenate([self._before, cells]).astype(np.int32)
        still = (np.abs(rows[1:] - rows[:-1]) <= self._quiet).all(axis=1)
        if still.any():
            self._last.extend(cells[-len(still) :][still])
        self._before = cells[-1:]
        if not self.tared:
            # every 4th of all samples, wherever one call ends and the next begins
            self._rows.extend(cells[-self._count % _EVERY :: _EVERY])
        self._count += len(cells)
        if not self.tared and self._rows and self._count >= self._next_level:
            self._next_level = self._count + self._each
            self.level = np.asarray(np.percentile(_table(self._rows), _UNLOADED_PERCENT, axis=0), dtype=np.float64)

    def now(self) -> None:
        """Take the last quiet samples as unloaded."""
        if self._gathered:
            self._take()
        if self._last:
            self.level, self.tared = np.asarray(np.median(_table(self._last), axis=0), dtype=np.float64), True
            self._rows.clear()


def _table(rows: deque[Counts]) -> Counts:
    """Return rows as one array: what ``np.stack`` gives of these, which looks at each by itself."""
    return np.concatenate(rows).reshape(-1, CELLS)


class SampleTimes:
    """When the last samples were taken, by their number; a missing one lies a period after the one before."""

    def __init__(self, keep: int, period_s: float) -> None:
        self._times_s = np.full(keep, np.nan)
        self.period_s = period_s
        self.count = 0

    def push(self, host_s: Floats) -> None:
        """Take samples' times."""
        for time_s in host_s:
            self._times_s[self.count % len(self._times_s)] = time_s
            self.count += 1

    def miss(self, count: int) -> None:
        """Take note of missing samples."""
        last = self.at(self.count - 1.0) if self.count else np.nan
        self.push(np.asarray(last + self.period_s * np.arange(1, count + 1), dtype=np.float64))

    def at(self, number: float) -> float:
        """Return the time at a place between samples; NaN where it is forgotten."""
        low = int(np.floor(number))
        if not self.count - len(self._times_s) <= low < self.count:
            return float("nan")
        begin = float(self._times_s[low % len(self._times_s)])
        end = float(self._times_s[(low + 1) % len(self._times_s)]) if low + 1 < self.count else begin + self.period_s
        return begin + (number - low) * (end - begin)


class CellContacts:
    """The contacts that the sum of the cells shows, each with its tared sum as the curve.

    What is turned down is counted in the track: contacts too short or too long, those of which samples were lost, and
    underloaded ones (:func:`grfkit.gait.contacts.underloaded`; a shoe pressed on the foot in the air).
    """

    def __init__(self, rate_hz: float, times: SampleTimes, track: Track | None = None) -> None:
        self._times, self._track = times, track or Track()
        self._detector = CausalContacts(causal_settings(rate_hz))
        size = round((_LONGEST_S + _KNOWN_LATE_S) * rate_hz)
        self._sums, self._lines = np.full(size, np.nan), np.zeros(size, dtype=bool)
        self._loads_n: Floats | None = None
        self._peaks: deque[float] = deque(maxlen=_STEPS)
        self._pushed = self._first = times.count
        self._level = 0.0
        self._contact: ContactEvent | None = None

    def push(
        self, cells: Counts, level: Floats, arrival_ns: int, *, bridged: bool = False, load_n: Floats | None = None
    ) -> list[Contact]:
        """Take samples (n, 16), after their times; return the contacts that became known.

        Parameters
        ----------
        level
            Unloaded level of each cell; that of a contact's end holds for all of it.
        bridged
            Whether they lie on a straight line over a gap.
        load_n
            The calibrated load of each sample: what curves are of. Contacts are found by the counts.
        """
        self._level = float(level.sum())
        contacts = []
        if load_n is not None and self._loads_n is None:
            self._loads_n = np.full(len(self._sums), np.nan)
        for k, value in enumerate(cells.sum(axis=1, dtype=np.int64).tolist()):
            if self._loads_n is not None:
                self._loads_n[self._pushed % len(self._sums)] = np.nan if load_n is None else load_n[k]
            contact = self._contact_of(self._take(value, value, bridged), arrival_ns)
            if contact is not None:
                contacts.append(contact)
        self._track.samples_until(self._times.at(self._pushed - 1.0))
        return contacts

    def miss(self, count: int) -> None:
        """Take note of missing samples that are not bridged."""
        self._track.broke("samples were lost", self._times.at(self._pushed - 1.0))
        for _ in range(count):
            self._contact_of(self._take(np.nan, MISSING, True), 0)

    def forget(self, why: str) -> None:
        """Lose the contact under way, and do not compare with the steps before."""
        self._track.broke(why, self._times.at(self._pushed - 1.0))
        self._contact = None
        self._peaks.clear()

    def bridged(self, start: float, end: float) -> int:
        """Return how many samples between two places are not measured."""
        return int(self._lines[_numbers(start, end) % len(self._lines)].sum())

    def _take(self, value: float, sample: int, bridged: bool) -> ContactEvent | None:
        slot = self._pushed % len(self._sums)
        self._sums[slot], self._lines[slot] = value, bridged
        self._pushed += 1
        return self._detector.push(sample)

    def _contact_of(self, event: ContactEvent | None, arrival_ns: int) -> Contact | None:
        if event is None:
            return None
        before, self._contact = self._contact, event if event[0] == IC else None
        if event[0] == IC:
            self._track.began(self._times.at(self._place(event)))
        if event[0] == IC or before is None:
            return None
        start, end = self._place(before), self._place(event)
        end_s = self._times.at(min(end, self._pushed - 1.0))
        if event[0] != TO:
            self._track.refuse("samples lost", end_s)
            return None
        contact = self._cut(start, end, arrival_ns)
        why = contact if isinstance(contact, str) else self._wrong(contact)
        if isinstance(contact, str) or why is not None:
            self._track.refuse(why or "", end_s)
            return None
        self._track.ended(contact.start_s, end_s, counted_s=start * self._times.period_s)
        return contact

    def _cut(self, start: float, end: float, arrival_ns: int) -> Contact | str:
        """Return the contact between two places, or why it has none."""
        contact_s = (end - start) * self._times.period_s
        if contact_s > _LONGEST_S:
            return "too long"
        numbers = _numbers(start, end)
        slots = numbers % len(self._sums)
        sums = self._sums[slots] - self._level
        finite = np.isfinite(sums)
        unit: Literal["count", "N"] = "count"
        if self._loads_n is not None:
            sums, unit = self._loads_n[slots], "N"
            if not np.isfinite(sums[finite]).all():
                # a line over what the calibration does not know would be a wrong peak
                return BEYOND
        curve = np.interp(np.linspace(start, end, POINTS), numbers[finite], sums[finite])
        missed = self.bridged(start, end)
        return Contact(self._times.at(start), contact_s, {"v": curve}, unit, "cells", missed, arrival_ns)

    def _wrong(self, contact: Contact) -> str | None:
        """Return why a contact is no step; None where it is one."""
        if contact.contact_s < _SHORTEST_S:
            return "too short"
        # the contact itself is the last of the peaks that are compared
        self._peaks.append(float(contact.axes["v"].max()))
        return "faint" if underloaded(np.asarray(self._peaks))[-1] else None

    def _place(self, event: ContactEvent) -> float:
        """Return where an event lies, in samples as the times count them."""
        # as grfkit.gait.causal places an event, less the delay of its smoothing
        return self._first + event[2] - 1 + event[1] / 256 - self._detector.settings.delay_samples


def _numbers(start: float, end: float) -> NDArray[np.int64]:
    """Return the samples from the one at or before a place to the one at or after another."""
    return np.arange(int(np.floor(start)), int(np.ceil(end)) + 1)
