"""Long, index-stamped and silently lossy records: the lag followed chunk by chunk, and cut where it jumps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import ndimage, signal

from ..arrays import Floats
from ..signals.contacts import Contacts, nearest_onset_s
from .candidates import BIN_S
from .rate_scan import windows_of
from .rhythm import Rhythm, rhythm
from .score import match_and_score
from .search import NEIGHBOURS, BestLag, Limits, search

CHUNK_S = 15.0
"""Length (s) of the chunks of device time: some forty steps; half the reference design's 30 s, as two losses within
one chunk merge."""
ANCHORS_S = (150.0, 75.0, 40.0)
"""Lengths (s) of the stretches that fix the step, the long ones first; chosen by hand."""
ANCHOR_INLIERS = 0.6
"""Share of an anchor's contacts that have to match: the gate of a treadmill."""
GOOD_QUALITY, SURE_QUALITY = 25.0, 60.0
"""Quality (nats) at which no shorter anchor is looked for, and at which no other is; chosen by hand."""
STEADY_SD_S = 0.012
"""SD (s) of the residuals of an anchor without a jump; the reference design's gate."""
JUMP_COST = 18.0
"""Nats that a jump of the lag costs; the reference design."""
BEAM = 12
"""Lags that are followed at once; the reference design's 25 states at half the chunk's length."""
WALK_S = 0.004
"""SD (s) by which the lag may move from chunk to chunk without a jump; chosen by hand."""
LONGEST_LOSS_S = 6.0
"""Longest loss (s) that is looked for; chosen by hand."""
LARGEST_SURPLUS_S = 1.0
"""Largest jump (s) the other way: stamps that were too many; chosen by hand."""
FEWEST_IN_CHUNK = 8
"""Contacts that a chunk needs to speak for a lag; chosen by hand."""
CHUNK_RATE_PRIOR_PPM = 15.0
"""SD (ppm) of a chunk's rate about that of the record; chosen by hand near the 12 ppm of a warm-up."""
CHUNK_WINDOWS_S = (0.06, 0.04)
"""Matching windows (s) within a chunk, whose lags are tops of a histogram."""
CHUNK_TOPS = 14
"""Tops of that histogram that are scored; chosen by hand, a few more than are followed."""
PATH_RATE_PRIOR_PPM = 30.0
"""SD (ppm) of a piece's rate about that of the record; chosen by hand."""
RATE_ROUNDS, RATE_SETTLED = 3, 20e-6
"""Rounds in which the rate is corrected at most, and the correction below which it stands."""
FASTEST_TREND = 150e-6
"""Slope of the lag, about the median, beyond which two chunks are taken to lie on either side of a jump."""
SMALLEST_JUMP_S, JUMP_PER_S = 0.012, 60e-6
"""Jump (s) that cuts the record, and what is added for every second between two chunks: drift left over."""
BORDER_SD_S = 0.006
"""SD (s) of a contact about its lag where borders are placed; chosen by hand, as the jitter of an insole."""
BORDER_REACH_S = 0.03
"""Distance (s) beyond which a contact is as unlikely as any other."""
BORDER_NATS = 5.0
"""Borders that are less likely than the best by no more than this (nats) are possible: 150 to one."""
BORDER_EDGE_S = 0.02
"""Time (s) that belongs to the contacts on either side of a border."""
CHUNK_OVERHANG = 0.2
"""Share of a chunk that may lie beyond the reference's contacts; chosen by hand."""
JUMP_INSIDE = 0.1
"""Share of an anchor's margin that counts where its residuals say that it holds a jump; chosen by hand."""
SMOOTHING_BINS = 2.5
"""SD (bins) by which a chunk's histogram is smoothed: 10 ms, the jitter of both sides; chosen by hand."""
SAME_STATE = 0.5
"""Share of ``WALK_S`` within which two followed lags are one; chosen by hand."""


class _Step(NamedTuple):
    """A chunk of device time on the path: its lag, and whether its own contacts speak for it."""

    start_s: float
    end_s: float
    lag_s: float
    supported: bool


class _Followed(NamedTuple):
    """A path followed so far, its score and its last lag."""

    nats: float
    lag_s: float
    path: list[_Step]


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
        Rate of the device clock there, corrected along the path.
    pieces
        In order of device time.
    share
        Share of the chunks within the reference's record whose contacts support the path.
    margin
        Nats by which the path beats the same path any number of steps away.
    """

    anchor: BestLag
    rate: float
    pieces: list[Piece]
    share: float
    margin: float


def track(reference: Contacts, device: Contacts, limits: Limits) -> Tracked | None:
    """Return the lag's path through a record; None if no stretch of it can be anchored."""
    anchor, start, end = _anchor(reference, device, limits)
    if anchor is None:
        return None
    beat = rhythm(reference, device)
    rate = anchor.rate
    edges = _chunk_edges(device, start, end)
    path: list[_Step] = []
    supported: list[_Step] = []
    for _ in range(RATE_ROUNDS):  # the rate of an anchor that straddles a loss is wrong; the path shows the right one
        lag = anchor.offset_s + (anchor.rate - rate) * anchor.pivot_s
        path = _followed(reference, device, beat, rate, lag, edges)
        supported = [step for step in path if step.supported]
        correction = _trend(supported)
        rate += correction
        if abs(correction) < RATE_SETTLED:
            break
    if not supported:
        return None
    pieces = _pieces(reference, device, rate, supported)
    if not pieces:
        return None
    margin = _path_margin(reference, device, beat, rate, pieces, anchor)
    shared = [step for step in path if _is_shared(reference, step, rate)]
    return Tracked(anchor, rate, pieces, len([step for step in shared if step.supported]) / max(len(shared), 1), margin)


def _is_shared(reference: Contacts, step: _Step, rate: float) -> bool:
    """Return whether a chunk lies within what the reference recorded."""
    start, end = step.lag_s + rate * step.start_s, step.lag_s + rate * step.end_s
    return bool(
        start >= reference.onset_s[0] - CHUNK_OVERHANG * CHUNK_S
        and end <= reference.onset_s[-1] + CHUNK_OVERHANG * CHUNK_S
    )


def _path_margin(
    reference: Contacts, device: Contacts, beat: Rhythm, rate: float, pieces: list[Piece], anchor: BestLag
) -> float:
    """Return the margin of a whole path: near lags over all pieces together, far ones from the anchor."""
    shifts = np.arange(-NEIGHBOURS, NEIGHBOURS + 1.0)
    total = np.zeros(shifts.size)
    for piece in pieces:
        part = device.between(piece.start_s, piece.end_s)
        if part.size < FEWEST_IN_CHUNK:
            continue
        offset_s = piece.lag_s + beat.step_s * shifts
        _, scores = match_and_score(
            reference, part, offset_s, beat, plates=False, rate=rate, rate_prior_ppm=PATH_RATE_PRIOR_PPM
        )
        total += scores.total
    near = float(total[NEIGHBOURS] - np.delete(total, NEIGHBOURS).max())
    distance = np.abs(anchor.lags_s - anchor.offset_s)
    far = distance > (NEIGHBOURS + 0.5) * beat.step_s
    rival = float(anchor.log_likelihood[far].max()) if far.any() else 0.0
    return min(near, float(anchor.log_likelihood.max()) - max(rival, 0.0))


def _anchor(reference: Contacts, device: Contacts, limits: Limits) -> tuple[BestLag | None, float, float]:
    """Return the search of the stretch that fixes the step most surely, and its start and end; None if none does."""
    first, last = float(device.onset_s[0]), float(device.onset_s[-1])
    best: BestLag | None = None
    where = (first, last)
    for length in ANCHORS_S:  # shorter ones find a stretch between two losses
        for start, end in windows_of(first, last, length):
            part = device.between(start, end)
            shortest_s = min(limits.shortest_overlap_s, 0.5 * (end - start))
            candidate = search(reference, part, replace(limits, shortest_overlap_s=shortest_s), plates=False)
            if candidate is None or candidate.inliers < ANCHOR_INLIERS or candidate.log_likelihood_ratio <= 0:
                continue
            if best is None or _quality(candidate) > _quality(best):
                best, where = candidate, (start, end)
            if _quality(best) > SURE_QUALITY:
                return best, where[0], where[1]
        if best is not None and _quality(best) > GOOD_QUALITY:
            break
    return best, where[0], where[1]


def _quality(anchor: BestLag) -> float:
    """Return the margin, much less of it where the residuals say that the window holds a jump."""
    return anchor.margin if anchor.residual_sd_s < STEADY_SD_S else JUMP_INSIDE * anchor.margin


def _chunk_edges(device: Contacts, start: float, end: float) -> tuple[Floats, Floats]:
    """Return the chunk borders after the anchor's start, ascending, and before it, descending."""
    # a little beyond the outermost contacts, as chunks do not hold the contact at their end
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
    """Return the best path through the whole record, followed from the anchor in both directions."""
    forward = _beam(reference, device, beat, rate, lag, edges[0], 1)
    backward = _beam(reference, device, beat, rate, lag, edges[1], -1)
    return backward[::-1] + forward


def _trend(path: list[_Step]) -> float:
    """Return the typical slope of the lag along the path, jumps left out."""
    if len(path) < 4:
        return 0.0
    middle = np.asarray([(step.start_s + step.end_s) / 2.0 for step in path])
    slopes = np.diff([step.lag_s for step in path]) / np.diff(middle)
    # the mean of those near the median: a jump between two chunks is a slope beyond any clock's
    near = slopes[np.abs(slopes - np.median(slopes)) < FASTEST_TREND]
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
    """Return the best path over the chunks between edges: a beam search over their lags, jumps at a cost."""
    beam = [_Followed(0.0, lag, [])]
    for a, b in itertools.pairwise(edges):
        low, high = min(a, b), max(a, b)
        part = device.between(low, high)
        lags, gains = _chunk_scores(reference, part, beat, rate, [state.lag_s for state in beam], direction)
        fresh: list[_Followed] = []
        for new, gain in zip(lags, gains):
            totals = [state.nats - min(0.5 * ((new - state.lag_s) / WALK_S) ** 2, JUMP_COST) for state in beam]
            origin = int(np.argmax(totals))
            step = _Step(float(low), float(high), float(new), True)
            fresh.append(_Followed(totals[origin] + float(gain), float(new), [*beam[origin].path, step]))
        for nats, old, path in beam:  # a chunk may also say nothing, and the lag stays
            fresh.append(_Followed(nats, old, [*path, _Step(float(low), float(high), old, False)]))
        fresh.sort(key=lambda state: -state.nats)
        beam = []
        for state in fresh:  # the best of those that are not the same lag
            if all(abs(state.lag_s - other.lag_s) > SAME_STATE * WALK_S for other in beam):
                beam.append(state)
            if len(beam) == BEAM:
                break
    return beam[0].path


def _chunk_scores(
    reference: Contacts, part: Contacts, beat: Rhythm, rate: float, followed_s: list[float], direction: int
) -> tuple[Floats, Floats]:
    """Return lags near those followed so far that a chunk's contacts speak for, and their scores."""
    none = np.zeros(0)
    if part.size < FEWEST_IN_CHUNK:
        return none, none
    lag = followed_s[0]
    # backwards in time a loss moves the lag the other way
    surplus = LARGEST_SURPLUS_S
    reach = (-surplus, LONGEST_LOSS_S) if direction > 0 else (-LONGEST_LOSS_S, surplus)
    mapped = rate * part.onset_s + lag
    near = reference.between(mapped[0] + reach[0] - 1.0, mapped[-1] + reach[1] + 1.0)
    if near.size < FEWEST_IN_CHUNK:
        return none, none
    difference = (near.onset_s[None, :] - mapped[:, None]).ravel()
    difference = difference[(difference > reach[0]) & (difference < reach[1])]
    bins = ((difference - reach[0]) / BIN_S).astype(int)
    histogram = ndimage.gaussian_filter1d(
        np.bincount(bins, minlength=int((reach[1] - reach[0]) / BIN_S) + 1).astype(float), SMOOTHING_BINS
    )
    tops, _ = signal.find_peaks(histogram)
    tops = tops[np.argsort(histogram[tops], kind="stable")[::-1][:CHUNK_TOPS]]
    lags = np.unique(np.concatenate([lag + reach[0] + BIN_S * tops, np.asarray(followed_s)]))
    matches, scores = match_and_score(
        near,
        part,
        lags,
        beat,
        plates=False,
        rate=rate,
        rate_prior_ppm=CHUNK_RATE_PRIOR_PPM,
        windows_s=CHUNK_WINDOWS_S,
    )
    middle = float(np.median(part.onset_s))
    return matches.offset_s + (matches.rate - rate) * middle, scores.times + scores.durations


def _pieces(reference: Contacts, device: Contacts, rate: float, path: list[_Step]) -> list[Piece]:
    """Return the stretches between jumps of the path, borders placed where the contacts change allegiance."""
    if not path:
        return []
    groups: list[list[_Step]] = [[path[0]]]
    for step in path[1:]:
        last = groups[-1][-1]
        allowed = SMALLEST_JUMP_S + JUMP_PER_S * (step.start_s - last.start_s)
        if abs(step.lag_s - last.lag_s) > allowed:
            groups.append([])
        groups[-1].append(step)
    ends = (groups[0], groups[-1])
    groups = [g for g in groups if len(g) > 1 or g in ends]
    pieces: list[Piece] = []
    start = groups[0][0].start_s
    for k, group in enumerate(groups):
        end = following = group[-1].end_s
        if k + 1 < len(groups):
            end, following = _border(reference, device, rate, group[-1], groups[k + 1][0])
        pieces.append(Piece(start, end, float(np.median([step.lag_s for step in group]))))
        start = following
    return pieces


def _border(reference: Contacts, device: Contacts, rate: float, before: _Step, after: _Step) -> tuple[float, float]:
    """Return between which device times the contacts leave one lag for another.

    The loss lies between two contacts; where several pairs of neighbours would do nearly as well, between the first
    and the last of them. Nothing in between can be placed.
    """
    low, high = before.start_s, after.end_s
    onset = device.onset_s[(device.onset_s >= low) & (device.onset_s < high)]
    cost = []
    for lag in (before.lag_s, after.lag_s):
        mapped = lag + rate * onset
        distance = nearest_onset_s(reference, mapped)
        cost.append(np.minimum(distance, BORDER_REACH_S) ** 2 / (2.0 * BORDER_SD_S**2))
    # a border before contact k: those before it by the one lag, it and those after it by the other
    total = np.concatenate([[0.0], np.cumsum(cost[0])]) + np.concatenate([np.cumsum(cost[1][::-1])[::-1], [0.0]])
    likely = np.flatnonzero(total < total.min() + BORDER_NATS)
    first, last = int(likely[0]), int(likely[-1])  # the loss follows contact number first - 1 and precedes number last
    start = onset[first - 1] + BORDER_EDGE_S if first > 0 else low
    end = onset[last] - BORDER_EDGE_S if last < onset.size else high
    return float(start), float(max(end, start))
