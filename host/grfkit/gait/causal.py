"""The contact detector a device can run: causal, integers and shifts alone, one sample at a time.

Fixed point, for a C version that gives the same bytes (every state variable fits a signed 32-bit integer while samples
stay within +-2^21; ``>>`` is the arithmetic shift, rounding down):

* ``x``, sum of the last ``2^smooth_shift`` samples in a ring (a delay of ``(2^smooth_shift - 1) / 2`` samples);
* per block of ``2^block_shift`` samples the lowest and highest ``x``; at the end of a block
  ``high = max(block high, high - ((high - low) >> high_shift))``,
  ``low = min(block low, low + ((high - low) >> low_shift))``, both with the old ``high - low``; the first block sets
  both as they are;
* thresholds ``low + ((span * on_q8) >> 8)`` and the same with ``off_q8``, ``span = high - low``, fixed for the next
  block; none while ``span >> smooth_shift < least_span`` or before ``warmup`` samples;
* ``confirm_on`` samples in a row above the first threshold in flight are a contact, ``confirm_off`` in a row below the
  second one in contact are a toe-off; both are stamped at the first of them, with the crossing's place between that
  sample and the one before in 1/256 (eight steps of a restoring division);
* a missing sample repeats the last one; more than ``bridge`` in a row lose the contact, and the detector waits for a
  flight before the next one. Samples missing before the first measured one only count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .contacts import GAP, TOO_LONG, TOO_SHORT, ContactTimes, Rejection

Integers = NDArray[np.int64]

MISSING = -(2**31)
"""The sample that says no sample came."""
LARGEST = 2**21
IC, TO, LOST = 1, 2, 3
EVENT = np.dtype([("kind", "<u1"), ("fraction_q8", "<u1"), ("sample", "<u4"), ("emitted", "<u4")])
"""An event: what, when (``sample - 1 + fraction / 256``) and at which sample it was known."""
ContactEvent = tuple[int, int, int, int]
_SEEKING, _FLIGHT, _CONTACT = 0, 1, 2
_NO_LEVEL = 2**31 - 1


@dataclass(frozen=True)
class CausalSettings:
    """The detector's whole numbers; samples, shifts and shares in 1/256 (see the module)."""

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

    def __post_init__(self) -> None:
        """Refuse what would not fit 32 bits or could not work."""
        if not 0 <= self.smooth_shift <= 3 or not 0 < self.off_q8 <= self.on_q8 < 64:
            raise BadInputError(
                f"causal detector has smooth_shift {self.smooth_shift}, on_q8 {self.on_q8}, off_q8 {self.off_q8};"
                " expected smooth_shift 0 to 3 and 0 < off_q8 <= on_q8 < 64"
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
    """Return the settings for a rate: 4 ms of smoothing at most, blocks of about 1/8 s, flights of 30 ms or more.

    The high level falls by a time constant of 4 s, the low one rises by 16 s. An insole's threshold is 38/256 of the
    span between them, for its swing is never quite empty and its cells empty slowly (8 to 10 % finds swings to be
    contacts and toe-off 0.1 s late in simulated insoles); a force plate's is 8/256, and 6/256 for toe-off.

    Parameters
    ----------
    least_span
        Counts between unloaded and loaded below which nothing is taken for a step.

    Raises
    ------
    BadInputError
        If the rate is not between 20 and 10000 Hz.
    """
    if not 20 <= rate_hz <= 10000:
        raise BadInputError(f"a contact detector at {rate_hz:g} Hz is not foreseen; expected 20 to 10000 Hz")
    on, off = (38, 38) if source == "insole" else (8, 6)
    return CausalSettings(
        smooth_shift=min(3, max(0, int(np.floor(np.log2(0.004 * rate_hz))))),
        block_shift=max(1, round(np.log2(rate_hz / 8.0))),
        high_shift=5,
        low_shift=7,
        on_q8=on,
        off_q8=off,
        confirm_on=max(1, round(0.010 * rate_hz)),
        confirm_off=max(1, round(0.030 * rate_hz)),
        warmup=round(1.5 * rate_hz),
        bridge=round(0.020 * rate_hz),
        least_span=least_span,
    )


def as_counts(load: Floats, *, per_unit: float = 1.0) -> Integers:
    """Return a load as the detector's integers, NaN as ``MISSING``.

    Parameters
    ----------
    load
        Shape (samples,), counts or newtons.
    per_unit
        Integers per unit: 1 for counts, 8 for a force in newtons.

    Raises
    ------
    BadInputError
        If the load does not fit.
    """
    measured = np.isfinite(load)
    scaled = np.round(np.where(measured, load, 0.0) * per_unit)
    if (np.abs(scaled) > LARGEST).any():
        raise BadInputError(f"a load of {np.abs(scaled).max():g} does not fit the detector's +-2^21; scale it down")
    return np.where(measured, scaled, MISSING).astype(np.int64)


class CausalContacts:
    """The detector, sample by sample: ``push`` returns the event that became known with it, or None."""

    def __init__(self, settings: CausalSettings) -> None:
        self.settings = settings
        self._ring = [0] * (1 << settings.smooth_shift)
        self._started = False
        self._count = self._pushed = self._missing = 0
        self._sum = self._x = self._last = 0
        self._block_low = self._block_high = self._low = self._high = 0
        self._levelled = False
        self._on, self._off = _NO_LEVEL, -_NO_LEVEL
        self._above = self._below = 0
        self._on_at = self._off_at = (0, 0)
        self._state = _SEEKING

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
            value = self._last
        elif abs(value) > LARGEST:
            raise BadInputError(f"sample {value} does not fit the detector's +-2^21; scale it down")
        else:
            self._missing = 0
        before = self._smooth(value)
        event = self._judge(before)
        self._count += 1
        self._track()
        return event

    def _smooth(self, value: int) -> int:
        """Take a sample into the ring; return the smoothed value before it."""
        if not self._started:
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
        now = self._pushed - 1
        if self._missing > self.settings.bridge:
            self._above = self._below = 0
            was, self._state = self._state, _SEEKING
            return (LOST, 0, now, now) if was == _CONTACT else None
        self._above = self._above + 1 if self._x > self._on else 0
        self._below = self._below + 1 if self._x < self._off else 0
        if self._above == 1:
            self._on_at = (_fraction(before, self._x, self._on), now)
        if self._below == 1:
            self._off_at = (_fraction(before, self._x, self._off), now)
        if self._state == _FLIGHT and self._above == self.settings.confirm_on:
            self._state = _CONTACT
            return (IC, *self._on_at, now)
        if self._state != _FLIGHT and self._below == self.settings.confirm_off:
            was, self._state = self._state, _FLIGHT
            return (TO, *self._off_at, now) if was == _CONTACT else None
        return None

    def _track(self) -> None:
        """Follow the unloaded and the loaded level; set the thresholds at the end of each block."""
        settings = self.settings
        self._block_low, self._block_high = min(self._block_low, self._x), max(self._block_high, self._x)
        if self._count & ((1 << settings.block_shift) - 1):
            return
        block_levels = (self._block_low, self._block_high)
        self._low, self._high = (
            _levels(settings, self._low, self._high, *block_levels) if self._levelled else block_levels
        )
        self._levelled = True
        self._block_low, self._block_high = 2**31 - 1, -(2**31)
        self._on, self._off = _thresholds(settings, self._low, self._high, self._count)


def contacts_causal(load_counts: Integers, rate_hz: float, settings: CausalSettings | None = None) -> NDArray[np.void]:
    """Return the events of a whole record, byte for byte those of :class:`CausalContacts`, in vectorised steps.

    Parameters
    ----------
    load_counts
        Shape (samples,), integers within +-2^21 or ``MISSING``.
    rate_hz
        For the settings where none are given (those of an insole).

    Returns
    -------
    array of ``EVENT``

    Raises
    ------
    BadInputError
        If the load is not of integers, not one-dimensional or beyond +-2^21.
    """
    settings = settings or causal_settings(rate_hz)
    load = _checked_load(load_counts)
    measured = load != MISSING
    if not measured.any():
        return np.zeros(0, dtype=EVENT)
    start = int(np.argmax(measured))  # samples missing before the first measured one only count
    load, measured = load[start:], measured[start:]
    last = np.maximum.accumulate(np.where(measured, np.arange(load.size), 0))
    x = _ring_sums(load[last], settings.smooth_shift)
    on, off = _block_thresholds(x, settings)
    bridged = np.arange(load.size) - last <= settings.bridge
    marks = [
        *_confirmed(IC, x, (x > on) & bridged, on, settings.confirm_on),
        *_confirmed(TO, x, (x < off) & bridged, off, settings.confirm_off),
        *((int(k), LOST, 0, int(k)) for k in np.flatnonzero(~bridged & np.concatenate([[True], bridged[:-1]]))),
    ]
    return _events(sorted(marks), start)


def _checked_load(load_counts: Integers) -> Integers:
    load = np.asarray(load_counts)
    if load.dtype.kind not in "iu" or load.ndim != 1:
        raise BadInputError(
            f"the detector takes integers of shape (samples,), got {load.dtype} {load.shape}; see as_counts"
        )
    load = load.astype(np.int64)
    largest = int(np.abs(load[load != MISSING]).max(initial=0))
    if largest > LARGEST:
        raise BadInputError(f"a load of {largest} does not fit the detector's +-2^21; scale it down")
    return load


def _levels(settings: CausalSettings, low: int, high: int, block_low: int, block_high: int) -> tuple[int, int]:
    span = high - low
    return min(block_low, low + (span >> settings.low_shift)), max(block_high, high - (span >> settings.high_shift))


def _thresholds(settings: CausalSettings, low: int, high: int, count: int) -> tuple[int, int]:
    span = high - low
    if span >> settings.smooth_shift < settings.least_span or count < settings.warmup:
        return _NO_LEVEL, -_NO_LEVEL
    return low + ((span * settings.on_q8) >> 8), low + ((span * settings.off_q8) >> 8)


def _fraction(before: int, now: int, level: int) -> int:
    """Return in 1/256 how far from one value to the next the level lies; 0 where it was passed before."""
    rest, span = (level - before, now - before) if now > before else (before - level, before - now)
    if rest <= 0:
        return 0
    share = 0
    for _ in range(8):
        rest, share = rest << 1, share << 1
        if rest >= span:
            rest, share = rest - span, share | 1
    return share


def _ring_sums(values: Integers, shift: int) -> Integers:
    """Return the sum of the last ``2^shift`` values at each sample, the first value repeated before the start."""
    width = 1 << shift
    padded = np.concatenate([np.full(width, values[0]), values])
    total = np.cumsum(padded)
    return np.asarray(total[width:] - total[:-width], dtype=np.int64)


def _block_thresholds(x: Integers, settings: CausalSettings) -> tuple[Integers, Integers]:
    """Return both thresholds at each sample: those set at the end of the block before."""
    size = 1 << settings.block_shift
    blocks = x.size // size
    by_block = x[: blocks * size].reshape(blocks, size)
    lows, highs = by_block.min(axis=1).tolist() if blocks else [], by_block.max(axis=1).tolist() if blocks else []
    on, off = [_NO_LEVEL], [-_NO_LEVEL]
    low = high = 0
    for k in range(blocks):
        block_levels = (lows[k], highs[k])
        low, high = _levels(settings, low, high, *block_levels) if k else block_levels
        level = _thresholds(settings, low, high, (k + 1) * size)
        on.append(level[0])
        off.append(level[1])
    block = np.arange(x.size) >> settings.block_shift
    return np.asarray(on)[block], np.asarray(off)[block]


def _confirmed(
    kind: int, x: Integers, beyond: NDArray[np.bool_], level: Integers, count: int
) -> list[tuple[int, int, int, int]]:
    """Return (known at, kind, fraction, sample) of every run beyond its level of at least ``count`` samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], beyond, [False]]).astype(np.int8))).reshape(-1, 2)
    starts = edges[edges[:, 1] - edges[:, 0] >= count, 0].tolist()
    return [(k + count - 1, kind, _fraction(int(x[max(k - 1, 0)]), int(x[k]), int(level[k])), k) for k in starts]


def _events(marks: list[tuple[int, int, int, int]], start: int) -> NDArray[np.void]:
    state, events = _SEEKING, []
    for known_at, kind, fraction, sample in marks:
        emit = state == _CONTACT
        if kind == IC:
            if state != _FLIGHT:
                continue
            state, emit = _CONTACT, True
        elif kind == TO:
            if state == _FLIGHT:
                continue
            state = _FLIGHT
        else:
            state = _SEEKING
        if emit:
            events.append((kind, fraction, sample + start, known_at + start))
    return np.asarray(events, dtype=EVENT)


def contact_times(
    events: NDArray[np.void],
    time_s: Floats,
    settings: CausalSettings,
    *,
    shortest_s: float = 0.08,
    longest_s: float = 0.5,
) -> ContactTimes:
    """Return the contacts of a record's events, the smoothing's constant delay taken off.

    A contact whose toe-off was lost is rejected (touches a gap), as are shorter and longer ones than asked. One still
    under way at the end never was an event pair and is not counted.

    Parameters
    ----------
    time_s
        Shape (samples,): the stamps of the samples that were pushed.
    """
    index = events["sample"] - 1.0 + events["fraction_q8"] / 256.0 - settings.delay_samples
    at = np.interp(index, np.arange(time_s.size), time_s) if len(events) else np.zeros(0)
    ic, to, turned = [], [], []
    for k in range(len(events) - 1):
        if events["kind"][k] != IC:
            continue
        start, end = float(at[k]), float(at[k + 1])
        reason = GAP if events["kind"][k + 1] == LOST else _unusual(end - start, shortest_s, longest_s)
        if reason:
            turned.append(Rejection(start, end, reason))
        else:
            ic.append(start)
            to.append(end)
    return ContactTimes(np.asarray(ic), np.asarray(to), "contacts_causal", tuple(turned))


def _unusual(contact_s: float, shortest_s: float, longest_s: float) -> str:
    return TOO_SHORT if contact_s < shortest_s else TOO_LONG if contact_s > longest_s else ""
