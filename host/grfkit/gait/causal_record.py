"""The causal detector over whole records: its events in vectorised steps, and the contacts that they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.runs import true_runs
from .causal import (  # fmt: skip
    CONTACT,
    EVENT,
    FLIGHT,
    IC,
    LARGEST,
    LOST,
    MISSING,
    NO_LEVEL,
    SEEKING,
    TO,
    CausalSettings,
    Integers,
    causal_settings,
    crossing_q8,
    next_levels,
    next_thresholds,
)
from .contacts import GAP, TOO_LONG, TOO_SHORT, ContactTimes, Rejection


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


def contacts_causal(load_counts: Integers, rate_hz: float, settings: CausalSettings | None = None) -> NDArray[np.void]:
    """Return the events of a whole record, vectorised: byte for byte those of ``CausalContacts``.

    Parameters
    ----------
    load_counts
        Shape (samples,), integers within +-2^21 or ``MISSING``.
    rate_hz
        Of the samples; used where no settings are given (then those of an insole).

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
    # index of the last measured sample at each one: it repeats that sample, and counts how long it was repeated
    last = np.maximum.accumulate(np.where(measured, np.arange(load.size), 0))
    x = _ring_sums(load[last], settings.smooth_shift)
    on, off, firm, slack = _block_thresholds(x, settings)
    bridged = np.arange(load.size) - last <= settings.bridge
    loose = (x < firm) & (firm != NO_LEVEL) & bridged if settings.linger else np.zeros(x.size, dtype=bool)
    marks = [
        *_risen(
            x, (x > on) & bridged, on, _confirmed(IC, x, (x > firm) & bridged, firm, settings.confirm_on), settings
        ),
        *_confirmed(TO, x, (x < off) & bridged, off, settings.confirm_off),
        *_confirmed(TO, x, loose, firm, max(settings.linger, 1)),
        *((int(k), LOST, 0, int(k)) for k in np.flatnonzero(~bridged & np.concatenate([[True], bridged[:-1]]))),
    ]
    # by sample; at one sample IC before TO, and of two TO that of the second threshold, as the detector tests them
    fallen = true_runs((x < slack) & bridged)
    places = [crossing_q8(int(x[max(k - 1, 0)]), int(x[k]), int(slack[k])) for k in fallen[:, 0].tolist()]
    slackened = _Slackened(fallen, places, settings)
    return _events(sorted(marks, key=lambda mark: mark[:2]), start, slackened)


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


def _ring_sums(values: Integers, shift: int) -> Integers:
    """Return the sum of the last ``2^shift`` values at each sample, the first value repeated before the start."""
    width = 1 << shift
    padded = np.concatenate([np.full(width, values[0]), values])
    total = np.cumsum(padded)
    return np.asarray(total[width:] - total[:-width], dtype=np.int64)


def _block_thresholds(x: Integers, settings: CausalSettings) -> tuple[Integers, ...]:
    """Return the four thresholds at each sample: those set at the end of the block before."""
    size = 1 << settings.block_shift
    blocks = x.size // size
    by_block = x[: blocks * size].reshape(blocks, size)
    lows, highs = by_block.min(axis=1).tolist() if blocks else [], by_block.max(axis=1).tolist() if blocks else []
    levels = [(NO_LEVEL, -NO_LEVEL, NO_LEVEL, -NO_LEVEL)]
    low = high = 0
    for k in range(blocks):
        block_levels = (lows[k], highs[k])
        low, high = next_levels(settings, low, high, *block_levels) if k else block_levels
        levels.append(next_thresholds(settings, low, high, (k + 1) * size))
    block = np.arange(x.size) >> settings.block_shift
    return tuple(np.asarray(levels)[block].T)


def _confirmed(
    kind: int, x: Integers, beyond: NDArray[np.bool_], level: Integers, count: int
) -> list[tuple[int, int, int, int]]:
    """Return (reported at, kind, fraction, sample) of every run of ``count`` samples or more beyond the level."""
    runs = true_runs(beyond)
    starts = runs[runs[:, 1] - runs[:, 0] >= count, 0].tolist()
    return [(k + count - 1, kind, crossing_q8(int(x[max(k - 1, 0)]), int(x[k]), int(level[k])), k) for k in starts]


def _risen(
    x: Integers, above: NDArray[np.bool_], on: Integers, firm: list[tuple[int, int, int, int]], settings: CausalSettings
) -> list[tuple[int, int, int, int]]:
    """Return the marks of firm loads, each moved to where the load had passed the first threshold not long before."""
    runs = true_runs(above)
    marks = []
    for mark in firm:
        # whatever is above the firm threshold is above the first one
        since = int(runs[np.searchsorted(runs[:, 0], mark[3], side="right") - 1, 0])
        if mark[3] - since <= 2 * settings.linger:
            mark = (*mark[:2], crossing_q8(int(x[max(since - 1, 0)]), int(x[since]), int(on[since])), since)
        marks.append(mark)
    return marks


@dataclass(frozen=True)
class _Slackened:
    """Runs of samples below the slack threshold, shape (runs, 2), and where between two samples each began (1/256)."""

    runs: Integers
    places_q8: list[int]
    settings: CausalSettings

    def short(self, left_at: int | None, landed_at: int) -> bool:
        """Return whether no leg swings as quickly as the load seemed to leave the ground and land."""
        return left_at is not None and landed_at < left_at + self.settings.swing

    def place(self, fraction: int, sample: int, reported_at: int, contact_at: int) -> tuple[int, int]:
        """Return where a creeping load left the ground, in a contact reported at a sample; else as it is."""
        run = int(np.searchsorted(self.runs[:, 0], reported_at, side="right")) - 1
        if run < 0 or self.runs[run, 1] <= reported_at:
            return fraction, sample
        since = int(self.runs[run, 0])
        crept = since > contact_at and since + self.settings.creep < sample
        return (self.places_q8[run], since) if crept else (fraction, sample)


def _events(marks: list[tuple[int, int, int, int]], start: int, slackened: _Slackened) -> NDArray[np.void]:
    """Return the events that the detector's three states let through, of crossings and losses in order of report."""
    state, events, contact_at, short = SEEKING, [], 0, False
    left_at: int | None = None
    for reported_at, kind, fraction, sample in marks:
        emit = state == CONTACT
        if kind == IC:
            if state != FLIGHT:
                continue
            state, emit, contact_at = CONTACT, True, reported_at
            short = slackened.short(left_at, sample)
        elif kind == TO:
            if state == FLIGHT:
                continue
            state, left_at = FLIGHT, sample
            if emit and short:
                fraction, sample = slackened.place(fraction, sample, reported_at, contact_at)
        else:
            state, left_at = SEEKING, None
        if emit:
            events.append((kind, fraction, sample + start, reported_at + start))
    return np.asarray(events, dtype=EVENT)


def contact_times(
    events: NDArray[np.void],
    time_s: Floats,
    settings: CausalSettings,
    *,
    shortest_s: float = 0.08,
    longest_s: float = 0.5,
) -> ContactTimes:
    """Return the contacts of a record's events, less the constant delay of the smoothing.

    A contact whose toe-off was lost is rejected (touches a gap), and so are those outside the limits. One that is
    under way at the end has no second event and is not counted.

    Parameters
    ----------
    time_s
        Shape (samples,): the stamps of the samples that were pushed.
    shortest_s, longest_s
        Limits of a contact (s); the defaults are those of :class:`~grfkit.gait.contacts.ContactRule`.
    """
    # the fraction counts from the sample before the one that passed the threshold
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
