"""Long, index-stamped and silently lossy records: the lag followed chunk by chunk, and cut where it jumps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from ..arrays import Floats
from ..records import Prior
from ..signals.contacts import Contacts
from .matching import match
from .score import Rhythm, rhythm, score
from .search import Found, search

CHUNK_S = 15.0
SCAN_S = 90.0
ANCHORS_S = (150.0, 75.0, 40.0)
_JUMP_COST = 18.0
_BEAM = 12
_WALK_S = 0.004
_LONGEST_LOSS_S = 6.0
_BORDER_SD_S = 0.006
_BORDER_NATS = 5.0
_Step = tuple[float, float, float, bool]


@dataclass(frozen=True)
class Piece:
    """One stretch of device time without lost samples: ``[start_s, end_s)`` and a first offset at its middle."""

    start_s: float
    end_s: float
    lag_s: float


@dataclass(frozen=True)
class Tracked:
    """The anchor search and the pieces of the record.

    Attributes
    ----------
    anchor
        The search over all lags that fixed the step; its margin is the record's.
    rate
        Rate of the device clock found there.
    pieces
        In order of device time.
    share
        Share of the chunks within the reference's record whose contacts support the path.
    margin
        Nats by which the path beats the same path any number of steps away.
    """

    anchor: Found
    rate: float
    pieces: list[Piece]
    share: float
    margin: float


def track(
    reference: Contacts,
    device: Contacts,
    *,
    prior: Prior | None,
    start_rate: float = 1.0,
    rate_prior_ppm: float = 60.0,
    shortest_overlap_s: float,
) -> Tracked | None:
    """Return the lag's path through a record; None if no stretch of it can be anchored."""
    anchor, start, end = _anchor(reference, device, prior, start_rate, rate_prior_ppm, shortest_overlap_s)
    if anchor is None:
        return None
    beat = rhythm(reference, device)
    rate = anchor.rate
    edges = _chunk_edges(device, start, end)
    path: list[_Step] = []
    supported: list[_Step] = []
    for _ in range(3):  # the rate of an anchor that straddles a loss is wrong; the path shows the right one
        lag = anchor.offset_s + (anchor.rate - rate) * anchor.pivot_s
        path = _followed(reference, device, beat, rate, lag, edges)
        supported = [p for p in path if p[3]]
        correction = _trend(supported)
        rate += correction
        if abs(correction) < 20e-6:
            break
    if not supported:
        return None
    pieces = _pieces(reference, device, rate, supported)
    if not pieces:
        return None
    margin = _path_margin(reference, device, beat, rate, pieces, anchor)
    shared = [p for p in path if _is_shared(reference, p, rate)]
    return Tracked(anchor, rate, pieces, len([p for p in shared if p[3]]) / max(len(shared), 1), margin)


def _is_shared(reference: Contacts, step: _Step, rate: float) -> bool:
    """Return whether a chunk lies within what the reference recorded."""
    start, end = step[2] + rate * step[0], step[2] + rate * step[1]
    return bool(start >= reference.onset_s[0] - 0.2 * CHUNK_S and end <= reference.onset_s[-1] + 0.2 * CHUNK_S)


def _path_margin(
    reference: Contacts, device: Contacts, beat: Rhythm, rate: float, pieces: list[Piece], anchor: Found
) -> float:
    """Return the margin of a whole path: near lags over all pieces together, far ones from the anchor."""
    shifts = np.arange(-3.0, 4.0)
    total = np.zeros(shifts.size)
    for piece in pieces:
        part = _between(device, piece.start_s, piece.end_s)
        if part.size < 8:
            continue
        matches = match(reference, part, piece.lag_s + beat.step_s * shifts, rate=rate, rate_prior_ppm=30.0)
        scores = score(reference, part, matches, beat, plates=False, rate_prior_ppm=30.0, start_rate=rate)
        total += scores.total
    near = float(total[3] - np.delete(total, 3).max())
    distance = np.abs(anchor.lags_s - anchor.offset_s)
    far = distance > 3.5 * beat.step_s
    rival = float(anchor.log_likelihood[far].max()) if far.any() else 0.0
    return min(near, float(anchor.log_likelihood.max()) - max(rival, 0.0))


def scan_rates(
    reference: Contacts,
    device: Contacts,
    *,
    half_width: float = 0.015,
    shortest_overlap_s: float,
    prior: Prior | None,
) -> float | None:
    """Return the device's true rate over its nominal one, from a scan of ``1 +- half_width``; None if unclear.

    For stamps rebuilt from the sample index: a nominal 476 Hz may be 470. Stretches of 90 s of the device are searched
    at 500-ppm steps, the middle first; the best is refined and has to beat every other rate's other lags by ten nats.
    """
    first, last = float(device.onset_s[0]), float(device.onset_s[-1])
    for start, end in _windows(first, last, SCAN_S):
        part = _between(device, start, end)
        rate = _scanned(reference, part, half_width, shortest_overlap_s, prior)
        if rate is not None:
            return rate
    return None


def _scanned(
    reference: Contacts, part: Contacts, half_width: float, shortest_overlap_s: float, prior: Prior | None
) -> float | None:
    """Return the rate at which a stretch of the device fits the reference best, None where none fits clearly."""
    best: tuple[float, float] | None = None
    for step in np.arange(-half_width, half_width + 1e-9, 5e-4):
        found = search(
            reference,
            part,
            plates=False,
            prior=prior,
            start_rate=1.0 + float(step),
            rate_prior_ppm=400.0,
            shortest_overlap_s=min(shortest_overlap_s, 30.0),
        )
        if found is None or found.margin < 10.0 or found.log_likelihood_ratio <= 0:
            continue
        total = float(found.log_likelihood.max())
        if best is None or total > best[0]:
            best = (total, found.rate)
    return None if best is None else best[1]


def _between(train: Contacts, start: float, end: float) -> Contacts:
    part = train.taken((train.onset_s >= start) & (train.onset_s < end))
    covered = np.clip(train.covered_s, start, end)
    covered = covered[covered[:, 1] > covered[:, 0]]
    return Contacts(part.onset_s, part.offset_s, part.strength, part.foot, covered)


def _anchor(
    reference: Contacts,
    device: Contacts,
    prior: Prior | None,
    start_rate: float,
    rate_prior_ppm: float,
    shortest_overlap_s: float,
) -> tuple[Found | None, float, float]:
    first, last = float(device.onset_s[0]), float(device.onset_s[-1])
    best: Found | None = None
    where = (first, last)
    for length in ANCHORS_S:  # shorter ones find a stretch between two losses
        for start, end in _windows(first, last, length):
            part = _between(device, start, end)
            found = search(
                reference,
                part,
                plates=False,
                prior=prior,
                start_rate=start_rate,
                rate_prior_ppm=rate_prior_ppm,
                shortest_overlap_s=min(shortest_overlap_s, 0.5 * (end - start)),
            )
            if found is None or found.inliers < 0.6 or found.log_likelihood_ratio <= 0:
                continue
            if best is None or _quality(found) > _quality(best):
                best, where = found, (start, end)
            if _quality(best) > 60.0:
                return best, where[0], where[1]
        if best is not None and _quality(best) > 25.0:
            break
    return best, where[0], where[1]


def _windows(first: float, last: float, length: float) -> list[tuple[float, float]]:
    """Return up to eight windows of a length, the middle one first."""
    count = int(np.clip((last - first) / length, 1, 8))
    centres = np.linspace(first, last, 2 * count + 1)[1::2]
    ordered = sorted(centres, key=lambda c: abs(c - (first + last) / 2))
    return [(max(first, float(c) - length / 2), min(last, float(c) + length / 2)) for c in ordered]


def _quality(found: Found) -> float:
    """Return the margin, much less of it where the residuals say that the window holds a jump."""
    return found.margin if found.residual_sd_s < 0.012 else 0.1 * found.margin


def _chunk_edges(device: Contacts, start: float, end: float) -> tuple[Floats, Floats]:
    """Return the chunk borders after the anchor's start, ascending, and before it, descending."""
    first, last = float(device.onset_s[0]) - 0.01, float(device.onset_s[-1]) + 0.01
    middle = (start + end) / 2.0
    after = np.append(np.arange(middle, last - 0.5 * CHUNK_S, CHUNK_S), last)
    before = np.append(np.arange(middle, first + 0.5 * CHUNK_S, -CHUNK_S), first)
    return after, before


def _followed(
    reference: Contacts,
    device: Contacts,
    beat: Rhythm,
    rate: float,
    lag: float,
    edges: tuple[Floats, Floats],
) -> list[_Step]:
    """Return (chunk start, chunk end, lag, supported) along the best path in both directions."""
    forward = _beam(reference, device, beat, rate, lag, edges[0], 1)
    backward = _beam(reference, device, beat, rate, lag, edges[1], -1)
    return backward[::-1] + forward


def _trend(path: list[_Step]) -> float:
    """Return the typical slope of the lag along the path, jumps left out."""
    if len(path) < 4:
        return 0.0
    middle = np.asarray([(p[0] + p[1]) / 2.0 for p in path])
    slopes = np.diff([p[2] for p in path]) / np.diff(middle)
    near = slopes[np.abs(slopes - np.median(slopes)) < 150e-6]
    return float(np.mean(near)) if near.size else 0.0


def _beam(
    reference: Contacts,
    device: Contacts,
    beat: Rhythm,
    rate: float,
    lag: float,
    edges: Floats,
    direction: int,
) -> list[_Step]:
    beam: list[tuple[float, float, list[_Step]]] = [(0.0, lag, [])]
    for a, b in itertools.pairwise(edges):
        low, high = min(a, b), max(a, b)
        part = _between(device, low, high)
        lags, gains = _chunk_scores(reference, part, beat, rate, [x[1] for x in beam], direction)
        fresh: list[tuple[float, float, list[_Step]]] = []
        for new, gain in zip(lags, gains):
            costs = [x[0] - min(0.5 * ((new - x[1]) / _WALK_S) ** 2, _JUMP_COST) for x in beam]
            from_ = int(np.argmax(costs))
            step = (float(low), float(high), float(new), True)
            fresh.append((costs[from_] + float(gain), float(new), [*beam[from_][2], step]))
        for total, old, history in beam:
            fresh.append((total, old, [*history, (float(low), float(high), old, False)]))
        fresh.sort(key=lambda x: -x[0])
        kept: list[tuple[float, float, list[_Step]]] = []
        for item in fresh:
            if all(abs(item[1] - k[1]) > 0.5 * _WALK_S for k in kept):
                kept.append(item)
            if len(kept) == _BEAM:
                break
        beam = kept
    return beam[0][2]


def _chunk_scores(
    reference: Contacts, part: Contacts, beat: Rhythm, rate: float, known: list[float], direction: int
) -> tuple[Floats, Floats]:
    """Return lags near the known ones that a chunk's contacts speak for, and their scores."""
    none = np.zeros(0)
    if part.size < 8:
        return none, none
    lag = known[0]
    reach = (-1.0, _LONGEST_LOSS_S) if direction > 0 else (-_LONGEST_LOSS_S, 1.0)
    mapped = rate * part.onset_s + lag
    near = _between(reference, mapped[0] + reach[0] - 1.0, mapped[-1] + reach[1] + 1.0)
    if near.size < 8:
        return none, none
    difference = (near.onset_s[None, :] - mapped[:, None]).ravel()
    difference = difference[(difference > reach[0]) & (difference < reach[1])]
    bins = ((difference - reach[0]) / 0.004).astype(int)
    histogram = ndimage.gaussian_filter1d(
        np.bincount(bins, minlength=int((reach[1] - reach[0]) / 0.004) + 1).astype(float), 2.5
    )
    tops, _ = signal.find_peaks(histogram)
    tops = tops[np.argsort(histogram[tops], kind="stable")[::-1][:14]]
    lags = np.unique(np.concatenate([lag + reach[0] + 0.004 * tops, np.asarray(known)]))
    matches = match(near, part, lags, rate=rate, rate_prior_ppm=15.0, windows_s=(0.06, 0.04))
    scores = score(near, part, matches, beat, plates=False, rate_prior_ppm=15.0, start_rate=rate)
    middle = float(np.median(part.onset_s))
    return matches.offset_s + (matches.rate - rate) * middle, scores.times + scores.durations


def _pieces(reference: Contacts, device: Contacts, rate: float, path: list[_Step]) -> list[Piece]:
    """Return the stretches between jumps of the path, borders placed where the contacts change allegiance."""
    if not path:
        return []
    groups: list[list[_Step]] = [[path[0]]]
    for step in path[1:]:
        last = groups[-1][-1]
        allowed = 0.012 + 60e-6 * (step[0] - last[0])
        if abs(step[2] - last[2]) > allowed:
            groups.append([])
        groups[-1].append(step)
    ends = (groups[0], groups[-1])
    groups = [g for g in groups if len(g) > 1 or g in ends]
    pieces: list[Piece] = []
    start = groups[0][0][0]
    for k, group in enumerate(groups):
        end, following = group[-1][1], group[-1][1]
        if k + 1 < len(groups):
            end, following = _border(reference, device, rate, group[-1], groups[k + 1][0])
        pieces.append(Piece(start, end, float(np.median([s[2] for s in group]))))
        start = following
    return pieces


def _border(reference: Contacts, device: Contacts, rate: float, before: _Step, after: _Step) -> tuple[float, float]:
    """Return between which device times the contacts leave one lag for another.

    The loss lies between two contacts; where several pairs of neighbours would do nearly as well, between the first
    and the last of them. Nothing in between can be placed.
    """
    low, high = before[0], after[1]
    onset = device.onset_s[(device.onset_s >= low) & (device.onset_s < high)]
    cost = []
    for lag in (before[2], after[2]):
        mapped = lag + rate * onset
        index = np.clip(np.searchsorted(reference.onset_s, mapped), 1, reference.size - 1)
        distance = np.minimum(np.abs(reference.onset_s[index] - mapped), np.abs(reference.onset_s[index - 1] - mapped))
        cost.append(np.minimum(distance, 0.03) ** 2 / (2.0 * _BORDER_SD_S**2))
    total = np.concatenate([[0.0], np.cumsum(cost[0])]) + np.concatenate([np.cumsum(cost[1][::-1])[::-1], [0.0]])
    likely = np.flatnonzero(total < total.min() + _BORDER_NATS)
    first, last = int(likely[0]), int(likely[-1])  # the loss follows contact number first - 1 and precedes number last
    start = onset[first - 1] + 0.02 if first > 0 else low
    end = onset[last] - 0.02 if last < onset.size else high
    return float(start), float(max(end, start))
