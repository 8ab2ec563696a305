"""Feet on the wrong belt of a split-belt treadmill: contacts that begin early, end late, or bear a part of a foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.robust import MAD_TO_SD
from .contacts import BOTH_BELTS, OTHER_FOOT, UNLIKE
from .cop import LONGEST_FOOT_M
from .plate_force import PlateContact, PlateForce

# Tried on 12 simulated walks of 60 s (seeds 11 to 22), with planted feet on the wrong belt: see the README of this room
_OVERLAP_S, _RISE_S = 0.025, 0.02
"""Excess (s) of double support, and of the time from contact to half of the load (or from there to toe-off), that
together show the other foot. Chosen by hand: they vary by 0.005 to 0.018 s (SD) in simulated walks."""
_SHOWN_SDS, _OVERLAP_SDS = 4.0, 2.5
"""SDs by which rise, fall and duration, and by which double support, is beyond what is usual. Chosen by hand: without
them 16 pairs of 335 contacts of three people (Pearl 2024) are doubted, with them 3."""
_CLEAR_OVERLAP_S, _CLEAR_SDS = 0.06, 6.0
"""Excess of double support that shows it alone, in seconds and in SDs, both exceeded. Chosen by hand."""
_WHOLLY_OVER_S = 0.04
"""Excess (s) of rise and of duration where the other foot went over as a whole, so that there is no overlap. Chosen by
hand."""
_HALF_LOAD, _PEAK_PERCENT = 0.5, 90.0
"""Share of a contact's load at this percentile that ends its rise."""
_NEIGHBOURS_S = 5.0
"""Time (s) within which a contact of the other belt is a neighbour: three slow strides. Chosen by hand."""
_STRIDE_S = 2.0
"""Time (s) between contacts on two belts beyond which these do not belong together: a slow walk's stride. Chosen by
hand."""
_ORDINARY_PERCENT = 40.0
"""Percentile of a belt's values that is usual, although many may be too large. Chosen by hand."""
_FEWEST = 6
"""Contacts on a belt that show what is usual. Chosen by hand."""
_LEAST_SD_S = 0.005
"""SD (s) of a feature at the least, so that a machine-like walk is not judged by its own regularity. Chosen by hand."""
_UNLIKE, _NEIGHBOURS = 1.4, 3
"""Ratio of a contact's duration to the median of so many before it, and of so many after it, from which on it is
unlike them. Chosen by hand: durations vary by 2 to 6 %."""
_LONGER_S, _LONGER_SDS = 0.025, 6.0
"""Difference (s) of a contact's duration from those of the other foot before and after it, and in SDs of that
difference, from which on it is unlike them. Chosen by hand."""
_SAME_FOOT, _PART_OF_PEAK = 0.75, 0.7
"""Share of the shorter of two contacts on both belts that shows one foot on both, where the smaller load is below this
share of its belt's usual peak (two feet that land at once both bear a whole load). Chosen by hand."""
_EXCHANGE_S = 0.01
"""Time (s) within which a load goes from one belt to the other at once. Chosen by hand: no foot lands or leaves as
quickly, and the other one never answers."""
_EXCHANGED, _UNBALANCED, _WHOLE = 0.08, 0.5, 0.5
"""Share of a contact's peak that goes over, from which on it is a foot's; difference of the two belts' leaps, as a
share of what the other belt leaps; and share from which on the foot goes over as a whole. Chosen by hand: in right
walks at most 0.005 goes over in three people (Pearl 2024), 0.04 in simulated ones (seeds 11 to 14)."""
_LOADED = 0.2
"""Share of a contact's highest load above which its centre of pressure is judged, as in ``gait.cop``."""


@dataclass(frozen=True)
class _Features:
    """What is compared between contacts, arrays of shape (contacts,), s.

    Attributes
    ----------
    belt
        Number of the belt.
    overlap
        Time in which the contact before it on another belt still lasts; negative in flight, NaN where there is none.
    before
        Index of that contact, -1 without.
    rise, fall
        Time from contact to half of the load, and from there to toe-off.
    peak
        Load (N) at the 90th percentile.
    period_s
        Sample period.
    """

    belt: NDArray[np.int64]
    overlap: Floats
    before: NDArray[np.int64]
    duration: Floats
    rise: Floats
    fall: Floats
    peak: Floats
    period_s: float


def crossing_faults(
    contacts: Sequence[PlateContact], plates: Mapping[str, PlateForce], *, level_n: float, forward: Floats | None = None
) -> list[str]:
    """Return why each contact on a belt is not that of one foot alone, in order; "" where nothing shows against it.

    A foot that is partly on the other belt makes that belt's contact begin early or end late, and lacks on its own
    belt. It shows in the double support and in the rise (or fall) of the load, both compared with the other foot's
    contacts just before and after, so that a change of speed is no fault; in a centre of pressure that leaps forward by
    more than a foot's length; in contacts that are far longer or shorter than their neighbours; and, also where every
    stride is wrong and no neighbour is right, in a load that one belt gains at once while the other loses as much.

    Parameters
    ----------
    contacts
        By onset, each on one of ``plates``; those on several are not judged.
    level_n
        Threshold (N) of the contacts: a load below it at the edge of a contact is noise, no foot.
    forward
        Shape (3,): unit vector of walking, along which a centre of pressure on a belt moves backward; None unknown.
    """
    reasons = [""] * len(contacts)
    single = [k for k, c in enumerate(contacts) if len(c.plates) == 1]
    if len({contacts[k].plates for k in single}) < 2:
        return reasons
    steps = [contacts[k] for k in single]
    features = _features(steps, plates)
    faults = _by_exchange(steps, features, plates)
    # the others are judged without these, which would pass for what is usual where they are many
    rest = [k for k in range(len(steps)) if k not in faults]
    if rest:
        others, right = [steps[k] for k in rest], _only(features, rest)
        later = _by_duration(others, right)
        later |= _by_simultaneous_load(others, right)
        later |= _by_pressure(others, right, plates, forward)
        later |= _by_double_support(others, right, plates, level_n)
        faults |= {rest[k]: reason for k, reason in later.items()}
    for number, reason in faults.items():
        reasons[single[number]] = reason
    return reasons


def _load(contact: PlateContact, plates: Mapping[str, PlateForce]) -> tuple[Floats, float]:
    """Return a contact's load (N) and its sample period (s)."""
    plate = plates[contact.plates[0]]
    first, last = np.searchsorted(plate.time_s, [contact.ic_s, contact.to_s])
    return plate.up_n[first : max(last, first + 1)], float(plate.time_s[1] - plate.time_s[0])


def _features(steps: Sequence[PlateContact], plates: Mapping[str, PlateForce]) -> _Features:
    names = sorted({s.plates[0] for s in steps})
    belt = np.asarray([names.index(s.plates[0]) for s in steps], dtype=np.int64)
    shape = np.empty((3, len(steps)))
    before = np.full(len(steps), -1, dtype=np.int64)
    overlap = np.full(len(steps), np.nan)
    period = _load(steps[0], plates)[1]
    for k, step in enumerate(steps):
        load, _ = _load(step, plates)
        peak = float(np.percentile(load, _PEAK_PERCENT))
        high = np.flatnonzero(load >= _HALF_LOAD * peak)
        shape[:, k] = high[0] * period, (load.size - 1 - high[-1]) * period, peak
        others = np.flatnonzero(belt[:k] != belt[k])
        if others.size and step.ic_s - steps[others[-1]].ic_s < _STRIDE_S:
            before[k] = others[-1]
            overlap[k] = steps[others[-1]].to_s - step.ic_s
    duration = np.asarray([s.to_s - s.ic_s for s in steps])
    return _Features(belt, overlap, before, duration, shape[0], shape[1], shape[2], period)


def _only(f: _Features, rest: Sequence[int]) -> _Features:
    """Return the features of some contacts; without overlap where the contact before is not among them."""
    number = np.full(f.belt.size + 1, -1, dtype=np.int64)
    number[list(rest)] = np.arange(len(rest))
    # the last element, for contacts without one before, stays -1
    before = number[f.before[list(rest)]]
    overlap = np.where(before >= 0, f.overlap[list(rest)], np.nan)
    duration, rise, fall, peak = (v[list(rest)] for v in (f.duration, f.rise, f.fall, f.peak))
    return _Features(f.belt[list(rest)], overlap, before, duration, rise, fall, peak, f.period_s)


def _excess(values: Floats, steps: Sequence[PlateContact], belt: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return how far each value is above what is usual on its belt, and the usual SD; NaN where that is unknown.

    From each value the median of the other belt's nearest values is taken first, so that a change of speed is no
    excess. The SD is that of values below the usual one, as the other foot only makes them larger.
    """
    ic = np.asarray([s.ic_s for s in steps])
    relative, sd = np.full(values.size, np.nan), np.full(values.size, np.nan)
    for k in range(values.size):
        others = np.flatnonzero((belt != belt[k]) & np.isfinite(values) & (np.abs(ic - ic[k]) < _NEIGHBOURS_S))
        nearest = others[np.argsort(np.abs(ic[others] - ic[k]))][: 2 * _NEIGHBOURS]
        if nearest.size:
            relative[k] = values[k] - np.median(values[nearest])
    for number in np.unique(belt):
        here = (belt == number) & np.isfinite(relative)
        if here.sum() < _FEWEST:
            relative[belt == number] = np.nan
            continue
        usual = float(np.median(relative[here]))
        below = usual - relative[here & (relative <= usual)]
        sd[here] = max(MAD_TO_SD * float(np.median(below)), _LEAST_SD_S)
        # no more than above the belt's own usual value: beside lengthened contacts of the other foot all seem short,
        # and those beside right ones long
        ordinary = float(np.nanpercentile(values[belt == number], _ORDINARY_PERCENT))
        relative[here] = np.minimum(relative[here] - usual, values[here] - ordinary)
    return relative, sd


def _by_double_support(
    steps: Sequence[PlateContact], f: _Features, plates: Mapping[str, PlateForce], level_n: float
) -> dict[int, str]:
    overlap, spread = _excess(f.overlap, steps, f.belt)
    rise, fall, longer = (_beyond(v, steps, f) for v in (f.rise, f.fall, f.duration))
    more = np.where(overlap > _OVERLAP_SDS * spread, overlap, 0.0)
    faults: dict[int, str] = {}
    for k in map(int, np.flatnonzero(np.isfinite(overlap))):
        j = int(f.before[k])
        early = _bears_foot(steps[k], plates, rise[k], level_n, from_end=False)
        late = _bears_foot(steps[j], plates, fall[j], level_n, from_end=True)
        if early and (min(more[k] - _OVERLAP_S, rise[k] - _RISE_S) > 0 or min(rise[k], longer[k]) > _WHOLLY_OVER_S):
            faults |= {j: BOTH_BELTS, k: OTHER_FOOT}
        elif late and (min(more[k] - _OVERLAP_S, fall[j] - _RISE_S) > 0 or min(fall[j], longer[j]) > _WHOLLY_OVER_S):
            faults |= {k: BOTH_BELTS, j: OTHER_FOOT}
        elif overlap[k] > max(_CLEAR_OVERLAP_S, _CLEAR_SDS * spread[k]) and not max(rise[k], fall[j]) > _RISE_S:
            faults |= {j: OTHER_FOOT, k: OTHER_FOOT}
    return faults


def _beyond(values: Floats, steps: Sequence[PlateContact], f: _Features) -> Floats:
    """Return the excess of a feature where it is many SDs (of a sample at least), 0 elsewhere; NaN unknown."""
    excess, spread = _excess(values, steps, f.belt)
    return np.where(np.isfinite(excess) & (excess <= _SHOWN_SDS * np.maximum(spread, f.period_s)), 0.0, excess)


def _bears_foot(
    step: PlateContact, plates: Mapping[str, PlateForce], excess_s: float, level_n: float, *, from_end: bool
) -> bool:
    """Return whether a contact's first (or last) ``excess_s`` bear more than the threshold: a foot, and no noise."""
    load, period = _load(step, plates)
    count = int(excess_s / period) if np.isfinite(excess_s) and excess_s > 0 else 0
    if not 0 < count < load.size:
        return False
    return float(np.mean(load[-count:] if from_end else load[:count])) > level_n


def _by_duration(steps: Sequence[PlateContact], f: _Features) -> dict[int, str]:
    faults: dict[int, str] = {}
    for k in range(_NEIGHBOURS, f.duration.size - _NEIGHBOURS):
        usual = [np.median(f.duration[k - _NEIGHBOURS : k]), np.median(f.duration[k + 1 : k + 1 + _NEIGHBOURS])]
        if f.duration[k] > _UNLIKE * max(usual) or f.duration[k] * _UNLIKE < min(usual):
            faults[k] = UNLIKE
    longer, spread = _excess(f.duration, steps, f.belt)
    faults |= dict.fromkeys(np.flatnonzero(longer > np.maximum(_LONGER_S, _LONGER_SDS * spread)).tolist(), UNLIKE)
    shorter, spread = _excess(-f.duration, steps, f.belt)
    for k in np.flatnonzero(shorter > np.maximum(_LONGER_S, _LONGER_SDS * spread)).tolist():
        # only beside contacts of its own belt as well: beside the other foot's, lengthened ones, every one is short
        own = np.flatnonzero(f.belt == f.belt[k])
        nearest = own[np.argsort(np.abs(own - k))][1 : 1 + 2 * _NEIGHBOURS]
        if np.median(f.duration[nearest]) - f.duration[k] > _LONGER_S:
            faults[k] = UNLIKE
    return faults


def _by_simultaneous_load(steps: Sequence[PlateContact], f: _Features) -> dict[int, str]:
    """Return contacts whose foot loads both belts: most of the shorter one lies within the other, and bears little."""
    faults: dict[int, str] = {}
    for k in map(int, np.flatnonzero(f.before >= 0)):
        j = int(f.before[k])
        shared = min(steps[j].to_s, steps[k].to_s) - steps[k].ic_s
        small, large = (k, j) if f.peak[k] < f.peak[j] else (j, k)
        usual = float(np.median(f.peak[f.belt == f.belt[small]]))
        both = shared > _SAME_FOOT * min(f.duration[j], f.duration[k])
        if both and f.peak[small] < _PART_OF_PEAK * usual:
            faults |= {small: OTHER_FOOT, large: BOTH_BELTS}
    return faults


def _by_pressure(
    steps: Sequence[PlateContact], f: _Features, plates: Mapping[str, PlateForce], forward: Floats | None
) -> dict[int, str]:
    """Return contacts whose centre of pressure leaps forward by more than a foot's length: from one foot to another."""
    faults: dict[int, str] = {}
    for k, step in enumerate(steps):
        plate = plates[step.plates[0]]
        if forward is None or plate.cop_m is None:
            continue
        within = slice(*np.searchsorted(plate.time_s, [step.ic_s, step.to_s]))
        load, place = plate.up_n[within], plate.cop_m[within]
        loaded = np.isfinite(place).all(axis=1) & (load >= _LOADED * float(np.nanmax(load, initial=0.0)))
        ahead = place[loaded] @ forward
        leap = ahead - np.minimum.accumulate(ahead) if ahead.size else np.zeros(1)
        if float(leap.max()) <= LONGEST_FOOT_M:
            continue
        faults[k] = OTHER_FOOT
        # early in a contact the foot behind is still there, late in it the foot ahead is there already
        after = np.flatnonzero(f.before == k)
        early = int(np.flatnonzero(loaded)[np.argmax(leap)]) < load.size / 2
        partner = int(f.before[k]) if early else int(after[0]) if after.size else -1
        if partner >= 0:
            faults.setdefault(partner, BOTH_BELTS)
    return faults


def _by_exchange(steps: Sequence[PlateContact], f: _Features, plates: Mapping[str, PlateForce]) -> dict[int, str]:
    """Return contacts at whose edge a load goes from one belt to the other at once, with those that it comes from.

    A foot that lands or leaves changes the sum of both belts; one that steps over leaves the sum as it is.
    """
    faults: dict[int, str] = {}
    span_s = _exchange_samples(f.period_s) * f.period_s
    for k, step in enumerate(steps):
        for at_s, sign in ((step.ic_s, 1.0), (step.to_s, -1.0)):
            j = _under_way(steps, f, k, at_s)
            if j < 0:
                continue
            gain = sign * _leap(plates[step.plates[0]], at_s) / f.peak[k]
            loss = -sign * _leap(plates[steps[j].plates[0]], at_s) / f.peak[k]
            # two feet that land and leave at the same moment also seem to exchange a part, but never a whole load
            edges = np.asarray([steps[j].ic_s, steps[j].to_s])
            least = _WHOLE if np.abs(edges - at_s).min() <= 2 * span_s else _EXCHANGED
            if loss > least and abs(gain - loss) < _UNBALANCED * loss:
                # a whole foot that goes over cuts its own contact short, a part of one lengthens the other's
                faults |= {k: BOTH_BELTS, j: OTHER_FOOT} if loss > _WHOLE else {k: OTHER_FOOT, j: BOTH_BELTS}
    return faults


def _under_way(steps: Sequence[PlateContact], f: _Features, number: int, at_s: float) -> int:
    """Return the contact of another belt that lasts at a moment, or begins or ends there; -1 without."""
    for k in range(max(0, number - _NEIGHBOURS), min(len(steps), number + _NEIGHBOURS + 1)):
        if f.belt[k] != f.belt[number] and steps[k].ic_s - _EXCHANGE_S <= at_s <= steps[k].to_s + _EXCHANGE_S:
            return k
    return -1


def _exchange_samples(period_s: float) -> int:
    return max(2, round(_EXCHANGE_S / period_s))


def _leap(plate: PlateForce, at_s: float) -> float:
    """Return by how much (N) a force changes at a moment beyond what it changes just before and after."""
    count = _exchange_samples(float(plate.time_s[1] - plate.time_s[0]))
    first = int(np.searchsorted(plate.time_s, at_s)) - max(1, count // 2)
    if first < count or first + 2 * count >= plate.up_n.size:
        return 0.0
    before, start, end, after = (float(v) for v in plate.up_n[first - count : first + 2 * count + 1 : count])
    return (end - start) - ((start - before) + (after - end)) / 2
