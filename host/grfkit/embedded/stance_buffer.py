"""Stances cut out of a device's samples and resampled, in integers: the twin of grf_stance.c, number for number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..gait.causal import IC, TO, ContactEvent
from .lowpass import FRACTION, LowpassSettings, low_passed

CountRows = NDArray[np.int16]
NONE, READY, SHORT, LONG, MISSED, LOST = range(6)
"""Result of an event for the stance buffer (``grf_stance_result_t``)."""


@dataclass(frozen=True)
class StanceSettings:
    """The stance buffer's integers; see ``grf_stance_settings_t``."""

    channels: int
    capacity: int
    points: int
    shortest: int
    longest: int
    most_missed: int
    smooth_shift: int

    def __post_init__(self) -> None:
        """Refuse what the C twin refuses."""
        if self.channels < 1 or not 4 <= self.capacity <= 4096 or self.points < 2 or not 0 <= self.smooth_shift <= 3:
            raise BadInputError(
                f"a stance buffer of {self.channels} channels, {self.capacity} samples, {self.points} points and"
                f" smooth_shift {self.smooth_shift} cannot be; expected 1 or more, 4 to 4096, 2 or more, 0 to 3"
            )


@dataclass(frozen=True)
class StanceOutcome:
    """Result of an event, and the window (points, channels) of a stance that ended with it.

    ``contact_q8`` is its length and ``age_q8`` the time from initial contact to the end of the newest sample, both in
    1/256 samples; 0 where the stance was not whole.
    """

    result: int
    contact_q8: int = 0
    first_sample: int = 0
    missed: int = 0
    age_q8: int = 0
    window: CountRows | None = None


class StanceBuffer:
    """The last samples of all channels; ``take`` cuts a stance out at its toe-off.

    Parameters
    ----------
    lowpass
        Of the channels that are filtered before they are cut out; None filters none.
    """

    def __init__(self, settings: StanceSettings, lowpass: LowpassSettings | None = None) -> None:
        self.settings = settings
        self._lowpass = lowpass
        self._rows: list[CountRows] = []
        self._missed: list[bool] = []
        self._dropped = 0
        self._contact: ContactEvent | None = None

    def push(self, row: CountRows | None) -> None:
        """Take a row of counts; None, where the sample did not come, repeats the one before."""
        if row is not None:
            now = row
        else:
            now = self._rows[-1] if self._rows else np.zeros(self.settings.channels, dtype=np.int16)
        self._rows.append(now)
        self._missed.append(row is None)
        if len(self._rows) > self.settings.capacity:
            del self._rows[0], self._missed[0]
            self._dropped += 1

    def take(self, event: ContactEvent) -> StanceOutcome:
        """Return the result of an event of the detector; at a toe-off, the stance's window."""
        contact, self._contact = self._contact, event if event[0] == IC else None
        if event[0] == IC or contact is None:
            return StanceOutcome(NONE)
        return self._cut(contact, event) if event[0] == TO else StanceOutcome(LOST)

    def _at_q8(self, event: ContactEvent) -> int:
        """Return the time of an event after the oldest sample in the buffer, in 1/256 samples."""
        # the detector sees the mean of the last 2^smooth_shift samples, which is half of them less one late
        delay = ((1 << self.settings.smooth_shift) - 1) * 128
        return (event[2] - 1 - self._dropped) * 256 + event[1] - delay

    def _cut(self, contact: ContactEvent, end: ContactEvent) -> StanceOutcome:
        settings = self.settings
        start, stop = self._at_q8(contact), self._at_q8(end)
        # a start before the oldest sample: the contact was longer than the buffer
        if start < 0 or stop < start or stop - start > settings.longest * 256:
            return StanceOutcome(LONG)
        first, last = start // 256, -(-stop // 256)
        missed = sum(self._missed[first : last + 1])
        facts = (stop - start, first + self._dropped, missed, len(self._rows) * 256 - start)
        if stop - start < settings.shortest * 256:
            return StanceOutcome(SHORT, *facts)
        if missed > settings.most_missed:
            return StanceOutcome(MISSED, *facts)
        return StanceOutcome(READY, *facts, window=self._window(start, stop))

    def _window(self, start: int, stop: int) -> CountRows:
        rows = np.stack(self._rows)
        window = self._resampled(rows.astype(np.int64), start, stop, 0)
        if self._lowpass is not None and self._lowpass.picked:
            picked = [k for k in self._lowpass.picked if k < self.settings.channels]
            # the filter's fraction is kept until after resampling: one rounding, as in the C
            window[:, picked] = self._resampled(low_passed(rows[:, picked], self._lowpass), start, stop, FRACTION)
        return window

    def _resampled(self, rows: NDArray[np.int64], start: int, stop: int, fraction: int) -> CountRows:
        """Return the window of rows in 1/2^fraction counts, linear between two, rounded half up."""
        steps = self.settings.points - 1
        k = np.arange(steps + 1, dtype=np.int64)
        # start and stop are in 1/256 samples, places in 1/65536: each is rounded by itself, so that no error adds up
        place = start * 256 + ((stop - start) * 256 * k + steps // 2) // steps
        index, share = place >> 16, (place & 0xFFFF)[:, None]
        a, b = rows[index], rows[np.minimum(index + 1, len(rows) - 1)]
        value = (a * 65536 + (b - a) * share + (1 << (15 + fraction))) >> (16 + fraction)
        return np.asarray(np.clip(value, -32768, 32767), dtype=np.int16)
