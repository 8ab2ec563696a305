"""Contacts from a signal: where a force, an insole or a shoe IMU says a foot meets and leaves the ground.

Pure arrays in, pure arrays out. Every detector works on shape alone: it scales itself to the signal's own
unloaded and loaded levels, so counts do as well as newtons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from ..arrays import Floats
from .runs import true_runs

SHORTEST_CONTACT_S = 0.08
"""Contact time (s) below which a rise of the load is no stance: a sprinter's lasts 0.09 s and more."""
SHORTEST_FLIGHT_S = 0.03
"""Time (s) below the threshold that ends no contact; chosen by hand, below the shortest swing by far."""
BLOCK_S = 60.0
"""Length (s) over which unloaded and loaded level are taken: creep and drift take longer; chosen by hand."""
FILTER_S = 300.0
"""Length (s) of the pieces that a long record is filtered in, to keep memory small; a second of margin joins them."""
MOST_MISSING = 0.9
"""Share of missing samples beyond which a record shows nothing."""
FEWEST_SAMPLES = 16
"""Samples that a record, or a block of it, needs to show its levels."""
LEAST_LOAD = 0.1
"""Share of the usual load by which a contact's mean exceeds the threshold; less is a swing's noise; chosen by hand."""
EDGE_S = 0.05
"""Time (s) around an unseen contact that counts as not covered."""
SHORTEST_COVERED_S = 0.2
"""Stretches of data shorter than this (s) show no contact as a whole."""
THIN = 0.5
"""A block whose range is less than this share of the usual one has no level of its own; chosen by hand."""
QUIET_REACH, LOADED_REACH = 0.15, 0.35
"""Share of a block's range up to which samples are taken for unloaded, and beyond which for loaded; chosen by hand."""
BOTTOM_PERCENT, TOP_PERCENT = 2.0, 99.8
"""Percentiles between which a block's range is taken: loads fill up to nine tenths of the time (walking insoles), or as
little as a hundredth (plates)."""
LOADED_PERCENT = 90.0
"""Percentile of the loaded samples that is the loaded level; the reference design."""
MOST_SAMPLES = 40_000
"""Samples of a block beyond which it is thinned for its percentiles, which are as good and much sooner computed."""
EDGE_PERIODS = 2.5
"""Distance (periods) of the two samples about an edge beyond which it is unseen: one lost sample may lie between."""


@dataclass(frozen=True)
class Contacts:
    """Contacts in order of onset.

    Attributes
    ----------
    onset_s, offset_s
        Shape (contacts,). ``offset_s`` is NaN where the detector cannot see toe-off.
    strength
        Shape (contacts,): mean load over the contact (or impact height for an IMU), own units.
    foot
        Shape (contacts,): 0 left, 1 right, -1 unknown.
    covered_s
        Shape (stretches, 2): half-open stretches of time in which a contact would have been seen.
    measures
        What else of its course was measured at each contact, by name (``peak``, ``loading_rate``), shape (contacts,)
        each, own units, NaN where unknown; names that a detector does not measure are left out.
    """

    onset_s: Floats
    offset_s: Floats
    strength: Floats
    foot: NDArray[np.int64]
    covered_s: Floats
    measures: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the number of contacts."""
        return int(self.onset_s.size)

    @property
    def duration_s(self) -> Floats:
        """Return contact times, NaN where toe-off is unknown."""
        return self.offset_s - self.onset_s

    def subset(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> Contacts:
        """Return some of the contacts; the covered stretches stay."""
        return Contacts(
            self.onset_s[index],
            self.offset_s[index],
            self.strength[index],
            self.foot[index],
            self.covered_s,
            {name: values[index] for name, values in self.measures.items()},
        )

    def between(self, start_s: float, end_s: float) -> Contacts:
        """Return the contacts that begin in ``[start_s, end_s)``, and what is covered there."""
        index = (self.onset_s >= start_s) & (self.onset_s < end_s)
        return self.subset(index).covered_between(start_s, end_s)

    def covered_between(self, start_s: float, end_s: float) -> Contacts:
        """Return the same contacts, the covered stretches cut to ``[start_s, end_s)``."""
        covered = np.clip(self.covered_s, start_s, end_s)
        return replace(self, covered_s=covered[covered[:, 1] > covered[:, 0]])

    def warped(self, offset_s: float, rate: float) -> Contacts:
        """Return the contacts at ``offset_s + rate * time``."""
        return Contacts(
            offset_s + rate * self.onset_s,
            offset_s + rate * self.offset_s,
            self.strength,
            self.foot,
            offset_s + rate * self.covered_s,
            self.measures,
        )


def nearest_onset_s(contacts: Contacts, time_s: Floats) -> Floats:
    """Return the distance (s) of each time to the nearest onset."""
    index = np.clip(np.searchsorted(contacts.onset_s, time_s), 1, contacts.size - 1)
    return np.minimum(np.abs(contacts.onset_s[index] - time_s), np.abs(contacts.onset_s[index - 1] - time_s))


def empty_contacts() -> Contacts:
    """Return no contact and nothing covered."""
    none = np.zeros(0)
    return Contacts(none, none, none, np.zeros(0, dtype=np.int64), np.zeros((0, 2)))


def merge(trains: list[Contacts]) -> Contacts:
    """Return the contacts of several feet or plates in one train, by onset; covered where all of them are."""
    trains = [t for t in trains if t.covered_s.size]
    if not trains:
        return empty_contacts()
    onset = np.concatenate([t.onset_s for t in trains])
    order = np.argsort(onset, kind="stable")
    covered = trains[0].covered_s
    for train in trains[1:]:
        covered = intersect(covered, train.covered_s)
    return Contacts(
        onset[order],
        np.concatenate([t.offset_s for t in trains])[order],
        np.concatenate([t.strength for t in trains])[order],
        np.concatenate([t.foot for t in trains])[order],
        covered,
        _merged_measures(trains, order),
    )


def _merged_measures(trains: list[Contacts], order: NDArray[np.int64]) -> dict[str, Floats]:
    """Return the measures of all trains in one order, NaN for contacts of a train that does not measure them."""
    names = sorted({name for train in trains for name in train.measures})
    return {
        name: np.concatenate([t.measures.get(name, np.full(t.size, np.nan)) for t in trains])[order] for name in names
    }


def intersect(a: Floats, b: Floats) -> Floats:
    """Return the stretches that lie in both of two sorted lists of half-open stretches, shape (n, 2)."""
    stretches: list[tuple[float, float]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i, 0], b[j, 0]), min(a[i, 1], b[j, 1])
        if start < end:
            stretches.append((float(start), float(end)))
        if a[i, 1] < b[j, 1]:
            i += 1
        else:
            j += 1
    return np.asarray(stretches, dtype=np.float64).reshape(-1, 2)


def without(stretches: Floats, holes: Floats) -> Floats:
    """Return what is left of sorted half-open stretches, shape (n, 2), once the sorted ``holes`` are cut out."""
    left = stretches
    if not len(holes) or not len(stretches):
        return left
    # holes may overlap, and a later one may end sooner: what is behind the farthest end so far is left
    start = np.concatenate([[-np.inf], np.maximum.accumulate(holes[:, 1])])
    end = np.concatenate([holes[:, 0], [np.inf]])
    open_ = end > start
    return intersect(left, np.stack([start[open_], end[open_]], axis=1))


def inside(stretches: Floats, t: Floats) -> NDArray[np.bool_]:
    """Return which of the times ``t`` lie in one of the sorted half-open ``stretches``."""
    if not len(stretches):
        return np.zeros(np.shape(t), dtype=bool)
    index = np.searchsorted(stretches[:, 0], t, side="right") - 1
    safe = np.clip(index, 0, None)
    return np.asarray((index >= 0) & (np.asarray(t) < stretches[safe, 1]), dtype=bool)


def load_contacts(
    time_s: Floats,
    load: Floats,
    *,
    foot: int = -1,
    level: float = 0.1,
    lowpass_hz: float = 40.0,
    longest_s: float = 1.2,
    shortest_s: float = SHORTEST_CONTACT_S,
    bridge_s: float = 0.06,
) -> Contacts:
    """Return the contacts a load signal shows: where it rises through ``level`` of its loaded level and falls.

    The unloaded and loaded levels are followed minute by minute, so creep and drift do not move the threshold.
    Crossings are found between samples by a straight line. A contact is dropped where a gap touches one of its
    edges; a gap of up to ``bridge_s`` within a contact is bridged.

    Parameters
    ----------
    time_s, load
        Shape (samples,); increasing time; load in any unit, larger is more load, NaN where missing.
    foot
        0 left, 1 right, -1 unknown: written to every contact.
    level
        Share of the way from the unloaded to the loaded level, in (0, 1).
    longest_s
        Longer contacts (standing) are dropped; infinity keeps them.
    shortest_s
        Shorter ones are dropped; the blow of a hammer is no stance.
    """
    if time_s.size < FEWEST_SAMPLES:
        return empty_contacts()
    rate_hz = 1.0 / float(np.median(np.diff(time_s)))
    missing = np.asarray(~np.isfinite(load), dtype=bool)
    if missing.mean() > MOST_MISSING:
        return empty_contacts()
    smooth = smoothed(bridged(time_s, load, missing), rate_hz, lowpass_hz)
    at, level_at, scale = _thresholds(time_s, smooth, missing, level)
    up, down = _crossings(time_s, smooth - np.interp(time_s, at, level_at))
    onset, offset, first, last = _pairs(up, down)
    covered = covered_stretches(time_s, missing, bridge_s)
    if not onset.size:
        none = np.zeros(0)
        return Contacts(none, none, none, np.zeros(0, dtype=np.int64), covered)
    keep = (offset - onset >= shortest_s) & (offset - onset <= longest_s)
    recorded = edges_recorded(time_s, missing, onset, rate_hz) & edges_recorded(time_s, missing, offset, rate_hz)
    # about an unseen contact nothing is known: neither its presence nor its absence may count for or against a match
    holes_s = _longest_missing(time_s, missing, onset, offset)
    recorded &= holes_s <= bridge_s
    covered = without(covered, np.stack([onset[~recorded] - EDGE_S, offset[~recorded] + EDGE_S], axis=1))
    keep &= recorded
    # the mean, not the peak: noise that just crosses the threshold has peaks too, but lies on it on average
    strength = _means(smooth, first, last)
    keep &= strength > np.interp(onset, at, level_at) + LEAST_LOAD * scale
    feet = np.full(int(keep.sum()), foot, dtype=np.int64)
    # where part of the course was bridged, its highest value may have been lost
    measures = {
        name: np.where(holes_s > 0, np.nan, values)[keep]
        for name, values in (
            ("peak", _maxima(smooth, first, last)),
            ("loading_rate", rate_hz * _maxima(np.diff(smooth, append=smooth[-1]), first, (first + last) // 2)),
        )
    }
    return Contacts(onset[keep], offset[keep], strength[keep], feet, covered, measures)


def _maxima(values: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    """Return the largest of ``values[first:last + 1]`` of each contact."""
    borders = np.stack([first, np.minimum(last + 1, values.size - 1)], axis=1).ravel()
    return np.asarray(np.maximum.reduceat(values, borders)[::2])


def _means(values: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    """Return the mean of ``values[first:last + 1]`` of each contact (contacts are disjoint and in order)."""
    # reduceat sums from each border to the next, so every second sum is that of a flight
    borders = np.stack([first, np.minimum(last + 1, values.size - 1)], axis=1).ravel()
    sums = np.add.reduceat(values, borders)[::2]
    return np.asarray(sums / np.maximum(last + 1 - first, 1))


def bridged(time_s: Floats, values: Floats, missing: NDArray[np.bool_]) -> Floats:
    """Return the values with missing ones on straight lines between their neighbours."""
    if not missing.any():
        return values
    return np.interp(time_s, time_s[~missing], values[~missing])


def smoothed(values: Floats, rate_hz: float, lowpass_hz: float) -> Floats:
    """Return the values low-passed without delay (Butterworth, order 2, both ways); slow records stay as they are."""
    if rate_hz < 3.0 * lowpass_hz:
        return values
    sections = signal.butter(2, lowpass_hz, fs=rate_hz, output="sos")
    step, margin = int(FILTER_S * rate_hz), int(rate_hz)
    smooth = np.empty(values.shape)
    for start in range(0, values.size, step):  # piecewise: a two-hour record is filtered in little memory
        low, high = max(start - margin, 0), min(start + step + margin, values.size)
        if values.size - start - step < margin:
            high = values.size
        part = signal.sosfiltfilt(sections, values[low:high], padlen=min(int(rate_hz), high - low - 1))
        end = high if high == values.size else start + step
        smooth[start:end] = part[start - low : end - low]
        if end == values.size:
            break
    return smooth


def _thresholds(
    time_s: Floats, smooth: Floats, missing: NDArray[np.bool_], level: float
) -> tuple[Floats, Floats, float]:
    """Return the threshold at the middle of each minute, and the typical distance from unloaded to loaded."""
    blocks = max(1, round((time_s[-1] - time_s[0]) / BLOCK_S))
    edges = np.linspace(0, time_s.size, blocks + 1).astype(int)
    # the whole record's span first: a minute of standing or rest shows none, and would set a threshold within noise
    _, span = _levels(smooth[~missing], 0.0)
    middle, low, high = np.zeros(blocks), np.full(blocks, np.nan), np.full(blocks, np.nan)
    for k in range(blocks):
        part = smooth[edges[k] : edges[k + 1]][~missing[edges[k] : edges[k + 1]]]
        middle[k] = time_s[(edges[k] + edges[k + 1] - 1) // 2]
        if part.size > FEWEST_SAMPLES:
            low[k], high[k] = _levels(part, span)
    levelled = np.isfinite(low)
    ranges = (high - low)[levelled]
    scale = float(np.median(ranges[ranges >= THIN * span])) if (ranges >= THIN * span).any() else span
    thin = levelled & (high - low < THIN * scale)  # a minute without load, or of standing, has no level of its own
    high[thin] = low[thin] + scale
    threshold = low + level * (high - low)
    return middle[levelled], threshold[levelled], scale


def _levels(part: Floats, span: float) -> tuple[float, float]:
    """Return the unloaded level, and the loaded level (with ``span`` 0: the distance between the two).

    Loads may fill nine tenths of the time (walking insoles) or a hundredth of it (plates): the unloaded level is the
    median of the lowest values, the loaded one the 90th percentile of whatever rises well above it.
    """
    if part.size > MOST_SAMPLES:
        part = part[:: part.size // (MOST_SAMPLES // 2)]
    bottom, top = np.percentile(part, [BOTTOM_PERCENT, TOP_PERCENT])
    reach = max(float(top - bottom), span)
    quiet = part[part <= bottom + QUIET_REACH * reach]
    unloaded = float(np.median(quiet))
    loaded = part[part > unloaded + LOADED_REACH * max(float(top) - unloaded, 0.5 * span)]
    high = float(np.percentile(loaded, LOADED_PERCENT)) if loaded.size else unloaded
    return (unloaded, high - unloaded) if span == 0.0 else (unloaded, high)


def _crossings(time_s: Floats, above: Floats) -> tuple[Floats, Floats]:
    sign = above > 0
    change = np.flatnonzero(sign[1:] != sign[:-1])
    share = above[change] / (above[change] - above[change + 1])
    at = time_s[change] + share * (time_s[change + 1] - time_s[change])
    rising = sign[change + 1]
    table = np.stack([at, change + 1.0], axis=1)
    return table[rising], table[~rising]


def _pairs(up: Floats, down: Floats) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return onset, offset and first/last sample of each contact; too short flights are filled."""
    none = np.zeros(0, dtype=np.int64)
    if not len(up) or not len(down):
        return np.zeros(0), np.zeros(0), none, none
    # a fall before the first rise belongs to a contact that began before the record
    down = down[down[:, 0] > up[0, 0]]
    count = min(len(up), len(down))
    up, down = up[:count], down[:count]
    if not count:
        return np.zeros(0), np.zeros(0), none, none
    apart = up[1:, 0] - down[:-1, 0] >= SHORTEST_FLIGHT_S
    up = up[np.concatenate([[True], apart])]
    down = down[np.concatenate([apart, [True]])]
    first, last = up[:, 1].astype(np.int64), (down[:, 1] - 1).astype(np.int64)
    return up[:, 0], down[:, 0], first, last


def edges_recorded(time_s: Floats, missing: NDArray[np.bool_], at: Floats, rate_hz: float) -> NDArray[np.bool_]:
    """Return which instants have two measured samples on either side, the nearest at most ``EDGE_PERIODS`` apart."""
    index = np.clip(np.searchsorted(time_s, at), 2, time_s.size - 2)
    around = np.stack([missing[index + k] for k in (-2, -1, 0, 1)])
    close = time_s[index] - time_s[index - 1] < EDGE_PERIODS / rate_hz
    return np.asarray(~around.any(axis=0) & close, dtype=bool)


def _longest_missing(time_s: Floats, missing: NDArray[np.bool_], start: Floats, end: Floats) -> Floats:
    """Return the longest run of missing time (s) within each stretch."""
    longest = np.zeros(start.shape)
    if not missing.any():
        return longest
    runs = true_runs(missing)
    length = time_s[np.minimum(runs[:, 1], time_s.size - 1)] - time_s[runs[:, 0]]
    owner = np.searchsorted(start, time_s[runs[:, 0]], side="right") - 1
    within = (owner >= 0) & (time_s[runs[:, 0]] < end[np.clip(owner, 0, None)])
    np.maximum.at(longest, owner[within], length[within])
    return longest


def covered_stretches(time_s: Floats, missing: NDArray[np.bool_], bridge_s: float) -> Floats:
    """Return the stretches with data, holes up to ``bridge_s`` closed, at least ``SHORTEST_COVERED_S`` long."""
    good = true_runs(~missing)
    if not len(good):
        return np.zeros((0, 2))
    stretches = np.stack([time_s[good[:, 0]], time_s[good[:, 1] - 1]], axis=1)
    apart = stretches[1:, 0] - stretches[:-1, 1] > bridge_s
    start = stretches[np.concatenate([[True], apart]), 0]
    end = stretches[np.concatenate([apart, [True]]), 1]
    keep = end - start > SHORTEST_COVERED_S
    return np.stack([start[keep], end[keep]], axis=1)
