"""The contact detector that a device can run: causal, one sample at a time, with integers and shifts only.

Fixed point, for a C version that gives the same bytes (every state variable fits a signed 32-bit integer while samples
stay within +-2^21; ``>>`` is the arithmetic shift, rounding down):

* ``x``, sum of the last ``2^smooth_shift`` samples in a ring (a delay of ``(2^smooth_shift - 1) / 2`` samples);
* per block of ``2^block_shift`` samples the lowest and highest ``x``; at the end of a block
  ``high = max(block high, high - ((high - low) >> high_shift))``,
  ``low = min(block low, low + ((high - low) >> low_shift))``, both with the old ``high - low``; the first block sets
  both as they are;
* thresholds ``low + ((span * on_q8) >> 8)`` and the same with ``off_q8`` and ``firm_q8`` (``on_q8`` where that is
  more), ``span = high - low``, fixed for the next block; none while ``span >> smooth_shift < least_span`` or before
  ``warmup`` samples;
* ``confirm_on`` samples in a row above the firm threshold in flight are a contact, stamped where the load rose above
  the first threshold, or the firm one if it had lingered between both for more than ``2 linger`` samples;
* ``confirm_off`` samples in a row below the second threshold in contact are a toe-off, stamped at the first of them; so
  are ``linger`` in a row below the firm one (0: never). A stamp has the crossing's place between its sample and the one
  before in 1/256 (eight steps of a restoring division);
* cells that creep: of a contact that began less than ``swing`` samples after the load had left the ground, which no
  leg's swing is, the toe-off is stamped where the load fell below ``low + ((span * slack_q6) >> 6)`` for the last time
  (``slack_q6`` 0: never), if that was in the contact and more than ``creep`` samples before the stamp it has otherwise;
* a missing sample repeats the last one; more than ``bridge`` in a row lose the contact, and the detector waits for a
  flight before the next one. Samples missing before the first measured one only count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError

Integers = NDArray[np.int64]

MISSING = -(2**31)
"""The value that stands for a sample that did not come."""
LARGEST = 2**21
"""Largest magnitude of a sample, so that the sum of eight of them and its thresholds fit 32 bits."""
IC, TO, LOST = 1, 2, 3
EVENT = np.dtype([("kind", "<u1"), ("fraction_q8", "<u1"), ("sample", "<u4"), ("emitted", "<u4")])
"""An event: its kind, when it was (``sample - 1 + fraction / 256``) and at which sample it was reported."""
ContactEvent = tuple[int, int, int, int]
SEEKING, FLIGHT, CONTACT = 0, 1, 2
_UNSEEN, _SEEN, _SHORT = 0, 1, 2
"""What is known of the flight before or in a contact: nothing, when it began, that it was too short for a swing."""
_ABOVE, _FALLEN, _EARLIER = 0, 1, 2
"""Where the load is about the slack threshold: above, below since it fell there in this contact, or since before it."""
_INSOLE_Q8, _FORCE_Q8 = (38, 38, 56), (8, 6, 8)
"""Thresholds of contact, of toe-off, and of a load that is firmly on the ground, in 1/256 of the span. The first two
were fitted on eight simulated insole trials, run and walk: 26 and 20 took 60 swings of one trial for contacts; 38
missed none and added none. The third lies above what a shoe presses in the air, 20 % of the span under two of 23
simulated runners (see the README). Of a force: about 3 %, and nothing presses."""
_LINGER_S = 0.06
"""Longest time (s) that a load takes from the firm threshold to toe-off, and half of that from contact to the firm one;
longer, cells empty slowly or a shoe presses on the foot in the air. Chosen on 23 simulated runners and 97 real walks:
at 0.05 a few real contacts were split, at 0.1 toe-off came up to 125 ms late (see the README)."""
_SLACK_Q6, _CREEP_S, _SWING_S = 24, 0.12, 0.33
"""Where a creeping insole's toe-off is looked for (1/64 of the span), the least time (s) that a load takes from there
to toe-off where cells creep, and a swing (s) that no leg is as quick for. Under 1 of 60 simulated people (seeds 1 to
10) cells stay at a third of the span for 0.3 s after toe-off; the first two were chosen there. Without the third real
walkers' toes (97 people, four cells) look like creep: 182 of 17,719 contacts lost 0.12 s or more, with it 2."""
_SMOOTHING_S, _BLOCKS_HZ = 0.004, 8.0
"""Smoothing (s, at most) and blocks per second. Chosen by hand: far below a contact's rise; several blocks in a
step."""
_CONFIRM_ON_S, _CONFIRM_OFF_S = 0.010, 0.030
"""Time (s) beyond a threshold that makes a contact or a flight. The second is the least flight of running (30 ms)."""
_WARMUP_S, _BRIDGE_S = 1.5, 0.020
"""Time (s) before the first event (two steps of a walker), and the longest loss that is bridged. Chosen by hand."""
NO_LEVEL = 2**31 - 1
"""A threshold that no sample passes: while the load is too flat, or too short on record, to have one."""


@dataclass(frozen=True)
class CausalSettings:
    """The detector's integers: numbers of samples, shifts, and shares in 1/256 (see the module)."""

    smooth_shift: int
    block_shift: int
    high_shift: int
    low_shift: int
    on_q8: int
    off_q8: int
    confirm_on: int
    confirm_off: int
    warmup: int
    bridge: int
    least_span: int
    firm_q8: int = 0
    linger: int = 0
    slack_q6: int = 0
    creep: int = 0
    swing: int = 0

    def __post_init__(self) -> None:
        """Refuse what would not fit 32 bits or could not work."""
        if not 0 <= self.smooth_shift <= 3 or not 0 < self.off_q8 <= self.on_q8 < 64:
            raise BadInputError(
                f"causal detector has smooth_shift {self.smooth_shift}, on_q8 {self.on_q8}, off_q8 {self.off_q8};"
                " expected smooth_shift 0 to 3 and 0 < off_q8 <= on_q8 < 64"
            )
        if not 0 <= self.firm_q8 < 64 or self.linger < 0:
            raise BadInputError(
                f"causal detector has firm_q8 {self.firm_q8} and linger {self.linger}; expected 0 to 63, and 0 or more"
            )
        if not 0 <= self.slack_q6 < 64 or min(self.creep, self.swing) < 0:
            raise BadInputError(
                f"causal detector has slack_q6 {self.slack_q6}, creep {self.creep} and swing {self.swing}; expected"
                " 0 to 63, and 0 or more"
            )
        if min(self.block_shift, self.confirm_on, self.confirm_off, self.least_span) < 1 or self.bridge < 0:
            raise BadInputError(
                "causal detector has a block, a confirmation or a least span below 1, or a bridge below 0"
            )

    @property
    def delay_samples(self) -> float:
        """Return the constant delay of the smoothing (samples)."""
        return ((1 << self.smooth_shift) - 1) / 2.0


def causal_settings(
    rate_hz: float, *, source: Literal["insole", "force"] = "insole", least_span: int = 64
) -> CausalSettings:
    """Return the settings for a rate: at most 4 ms of smoothing, blocks of about 1/8 s, flights of 30 ms or more.

    The high level falls with a time constant of 4 s, the low one rises with one of 16 s. An insole's threshold is
    38/256 of the span between them, because an insole is never quite empty in swing and its cells empty slowly: at 8 to
    10 % swings become contacts and toe-off is 0.1 s late (eight simulated trials, see the README). A contact must reach
    56/256, for some shoes press on the foot in the air. A force plate's is 8/256, and 6/256 for toe-off. Where an
    insole's cells creep, so that a foot seems to stand until shortly before it lands, toe-off is where the load fell
    below 24/64.

    Parameters
    ----------
    least_span
        Difference between unloaded and loaded (integers of the detector) below which there are no steps.

    Raises
    ------
    BadInputError
        If the rate is not between 20 and 10000 Hz.
    """
    if not 20 <= rate_hz <= 10000:
        raise BadInputError(f"a contact detector at {rate_hz:g} Hz is not supported; expected 20 to 10000 Hz")
    insole = source == "insole"
    on, off, firm = _INSOLE_Q8 if insole else _FORCE_Q8
    return CausalSettings(
        smooth_shift=min(3, max(0, int(np.floor(np.log2(_SMOOTHING_S * rate_hz))))),
        block_shift=max(1, round(np.log2(rate_hz / _BLOCKS_HZ))),
        high_shift=5,  # of 8 blocks a second: a time constant of 2^5 / 8 = 4 s
        low_shift=7,  # likewise 16 s: slower, for an unloaded level drifts less than a runner's peak changes
        on_q8=on,
        off_q8=off,
        confirm_on=max(1, round(_CONFIRM_ON_S * rate_hz)),
        confirm_off=max(1, round(_CONFIRM_OFF_S * rate_hz)),
        warmup=round(_WARMUP_S * rate_hz),
        bridge=round(_BRIDGE_S * rate_hz),
        least_span=least_span,
        firm_q8=firm,
        linger=round(_LINGER_S * rate_hz) if insole else 0,
        slack_q6=_SLACK_Q6 if insole else 0,
        creep=round(_CREEP_S * rate_hz) if insole else 0,
        swing=round(_SWING_S * rate_hz) if insole else 0,
    )


class CausalContacts:
    """The detector sample by sample: ``push`` returns the event that the sample completes, or None."""

    def __init__(self, settings: CausalSettings) -> None:
        self.settings = settings
        self._ring = [0] * (1 << settings.smooth_shift)
        self._started = False
        self._count = self._pushed = self._missing = 0
        self._sum = self._x = self._last = 0
        self._block_low = self._block_high = self._low = self._high = 0
        self._levelled = False
        self._on, self._off, self._firm, self._slack = NO_LEVEL, -NO_LEVEL, NO_LEVEL, -NO_LEVEL
        self._above = self._below = self._firmly = self._loose = 0
        self._on_at = self._off_at = self._firm_at = self._loose_at = self._slack_at = (0, 0)
        self._left_at = 0
        self._state, self._flight, self._slackened = SEEKING, _UNSEEN, _ABOVE

    def push(self, sample: int) -> ContactEvent | None:
        """Return ``(kind, fraction_q8, sample, emitted)`` or None, given the next sample (or ``MISSING``).

        Raises
        ------
        BadInputError
            If the sample is beyond +-2^21.
        """
        self._pushed += 1
        value = int(sample)
        if value == MISSING:
            if not self._started:
                return None
            self._missing += 1
            # the last value again, so that ring and blocks keep their pace; a loss too long is judged by its count
            value = self._last
        elif abs(value) > LARGEST:
            raise BadInputError(f"sample {value} does not fit the detector's +-2^21; scale it down")
        else:
            self._missing = 0
        before = self._smooth(value)
        # judged by the thresholds of the block before, as a device knows no others yet
        event = self._judge(before)
        self._count += 1
        self._track()
        return event

    def _smooth(self, value: int) -> int:
        """Add a sample to the ring; return the smoothed value before it."""
        if not self._started:
            # filled with the first value: a sum that rose from 0 would look like a contact
            self._ring = [value] * len(self._ring)
            self._sum = value << self.settings.smooth_shift
            self._block_low = self._block_high = self._x = self._sum
            self._started = True
        before = self._x
        slot = self._count & (len(self._ring) - 1)
        self._sum += value - self._ring[slot]
        self._ring[slot] = value
        self._last, self._x = value, self._sum
        return before

    def _judge(self, before: int) -> ContactEvent | None:
        """Return the event that the newest smoothed value completes; ``before`` is the one before it."""
        now = self._pushed - 1
        if self._missing > self.settings.bridge:
            self._above = self._below = self._firmly = self._loose = 0
            # not FLIGHT: what follows the gap may be the rest of a contact, whose onset was lost with it
            was, self._state = self._state, SEEKING
            self._flight, self._slackened = _UNSEEN, _ABOVE
            return (LOST, 0, now, now) if was == CONTACT else None
        self._compare(before, now)
        settings = self.settings
        if self._state == FLIGHT and self._firmly == settings.confirm_on:
            quick = self._firm_at[1] - self._on_at[1] <= 2 * settings.linger
            return (IC, *self._land(self._on_at if quick else self._firm_at), now)
        left = self._below == settings.confirm_off
        if self._state != FLIGHT and (left or (settings.linger and self._loose == settings.linger)):
            was, at = self._state, self._leave(self._off_at if left else self._loose_at)
            return (TO, *at, now) if was == CONTACT else None
        return None

    def _land(self, at: tuple[int, int]) -> tuple[int, int]:
        """Begin a contact at a place (fraction, sample); return it."""
        short = self._flight == _SEEN and at[1] < self._left_at + self.settings.swing
        self._state, self._flight = CONTACT, _SHORT if short else _UNSEEN
        if self._slackened:
            self._slackened = _EARLIER
        return at

    def _leave(self, at: tuple[int, int]) -> tuple[int, int]:
        """Begin a flight at a place (fraction, sample); return where the load left the ground if cells creep."""
        crept = self._slackened == _FALLEN and self._slack_at[1] + self.settings.creep < at[1]
        place = self._slack_at if crept and self._flight == _SHORT else at
        # as it would be without: whether this flight is too short is asked of the load alone
        self._state, self._flight, self._left_at = FLIGHT, _SEEN, at[1]
        return place

    def _compare(self, before: int, now: int) -> None:
        """Count for how long the load has been beyond each threshold, and keep where it passed it."""
        x = self._x
        self._above = self._above + 1 if x > self._on else 0
        self._below = self._below + 1 if x < self._off else 0
        self._firmly = self._firmly + 1 if x > self._firm else 0
        self._loose = self._loose + 1 if x < self._firm and self._firm != NO_LEVEL else 0
        if self._above == 1:
            self._on_at = (crossing_q8(before, x, self._on), now)
        if self._below == 1:
            self._off_at = (crossing_q8(before, x, self._off), now)
        if self._firmly == 1:
            self._firm_at = (crossing_q8(before, x, self._firm), now)
        if self._loose == 1:
            self._loose_at = (crossing_q8(before, x, self._firm), now)
        if x >= self._slack:
            self._slackened = _ABOVE
        elif self._slackened == _ABOVE:
            self._slackened, self._slack_at = _FALLEN, (crossing_q8(before, x, self._slack), now)

    def _track(self) -> None:
        """Follow the unloaded and the loaded level; set the thresholds anew at the end of each block."""
        settings = self.settings
        self._block_low, self._block_high = min(self._block_low, self._x), max(self._block_high, self._x)
        if self._count & ((1 << settings.block_shift) - 1):
            return
        block_levels = (self._block_low, self._block_high)
        self._low, self._high = (
            next_levels(settings, self._low, self._high, *block_levels) if self._levelled else block_levels
        )
        self._levelled = True
        self._block_low, self._block_high = 2**31 - 1, -(2**31)
        self._on, self._off, self._firm, self._slack = next_thresholds(settings, self._low, self._high, self._count)


def next_levels(settings: CausalSettings, low: int, high: int, block_low: int, block_high: int) -> tuple[int, int]:
    """Return the unloaded and the loaded level after a block, from those before it and the block's own extremes."""
    span = high - low
    return min(block_low, low + (span >> settings.low_shift)), max(block_high, high - (span >> settings.high_shift))


def next_thresholds(settings: CausalSettings, low: int, high: int, count: int) -> tuple[int, int, int, int]:
    """Return the thresholds of contact, toe-off, firm and slack load after so many samples; unreachable if none."""
    span = high - low
    if span >> settings.smooth_shift < settings.least_span or count < settings.warmup:
        return NO_LEVEL, -NO_LEVEL, NO_LEVEL, -NO_LEVEL
    shares = (settings.on_q8, settings.off_q8, max(settings.on_q8, settings.firm_q8))
    on, off, firm = (low + ((span * share) >> 8) for share in shares)
    return on, off, firm, low + ((span * settings.slack_q6) >> 6) if settings.slack_q6 else -NO_LEVEL


def crossing_q8(before: int, now: int, level: int) -> int:
    """Return how far from one value to the next the level lies, in 1/256; 0 where it was passed before.

    A restoring division, bit by bit, as on a device without a divider.
    """
    # made positive first: C leaves a left shift of negative numbers undefined
    rest, span = (level - before, now - before) if now > before else (before - level, before - now)
    if rest <= 0:
        return 0
    share = 0
    for _ in range(8):
        rest, share = rest << 1, share << 1
        if rest >= span:
            rest, share = rest - span, share | 1
    return share
