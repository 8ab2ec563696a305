"""Losses of nearly a whole step: the contacts still fall on contacts, but on the wrong ones, from somewhere on."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.contacts import Contacts, nearest_onset_s
from ..signals.robust import MAD_TO_SD
from .matching import LEAST_OUTLIER_S, OUTLIER_SDS, Matches
from .rhythm import Rhythm, rhythm
from .score import PASS_GAP_S, Scores, match_and_score

REACH = 3
"""Steps to either side that a stretch is compared at, as in the search."""
PARTS = 10
"""Parts at most that a record is cut into; runs of neighbouring parts are compared."""
FEWEST = 16
"""Contacts that a stretch needs; with fewer, another step fits as well by chance too often; chosen by hand."""
LEAST_NATS = 8.0
"""Nats by which a stretch has to prefer another step: odds of 3,000 to one, as some fifty stretches are compared."""
LEAST_NATS_UNEXPLAINED = 16.0
"""The same where the other step explains the stretch no better than chance either: contacts found badly fit nowhere;
chosen by hand."""
LEAST_NATS_ON_PLATES = 12.0
"""The same over plates, where a stretch holds few contacts and any shift is compared; chosen by hand."""
FEWEST_HITS = 4
"""Plate hits that a stretch needs, and that match elsewhere: two or three cannot tell one step from the next."""
EDGE_S = 0.05
"""Time (s) around a stretch's contacts in which another would have been seen."""
RATE_PRIOR_PPM = 5.0
"""SD (ppm) of a stretch's rate about that of the record: it has no rate of its own."""
WINDOWS_S = (0.08, 0.06)
"""Matching windows (s), the last two of the search's: the offset is known."""
GRID_S = 0.01
"""Grid (s) of the shifts compared over plates: finer than any matching window."""
SAME_SHIFT_S, OTHER_SHIFT_S = 0.05, 0.1
"""Shifts (s) up to which a stretch is in its place, and from which it is not; between is neither."""
BEYOND_S = 0.1
"""Time (s) beyond the reference's first and last contact up to which a device's contact can be one of them; chosen by
hand, about the search's widest window."""


def slips_within(
    reference: Contacts, device: Contacts, *, offset_s: float, rate: float, step_s: float, plates: bool = False
) -> tuple[float, float, float] | None:
    """Return the stretch of reference time that speaks for another step: (start, end, steps); None if no stretch does.

    A loss shifts all that follows it, and a later one may shift it back. So the likelihood that chose the lag is
    computed for beginnings, ends and stretches within, at shifts of one to three steps either side. A stretch that
    favours one of them by more than ``LEAST_NATS`` is returned. Fewer than ``FEWEST`` contacts show nothing.

    Parameters
    ----------
    offset_s, rate
        The clock of the whole record.
    step_s
        The step time.
    plates
        The reference sees some contacts only: beginnings and ends are those of its passes, and every shift of up to
        three steps that brings contacts together is compared.
    """
    if plates:
        return _slips_on_plates(reference, device, offset_s, rate, step_s)
    beat = rhythm(reference, device)
    mapped = offset_s + rate * device.onset_s
    inner = np.flatnonzero((mapped > reference.onset_s[0] - BEYOND_S) & (mapped < reference.onset_s[-1] + BEYOND_S))
    if inner.size < 2 * FEWEST:
        return None
    shifts = step_s * np.arange(-REACH, REACH + 1).astype(np.float64)
    # what is an outlier is judged by the scatter of all contacts: a few may lie close by chance, and the rest seem far
    apart_s = nearest_onset_s(reference, mapped[inner])
    scatter_s = MAD_TO_SD * float(np.median(np.append(apart_s[apart_s < WINDOWS_S[-1]], 0.0)))
    outlier_s = max(OUTLIER_SDS * scatter_s, LEAST_OUTLIER_S)

    def gains(first: int, last: int) -> Floats:
        """Return the nats of contacts ``first`` to ``last`` at each shift over those at none."""
        index = inner[first:last]
        part = _part(device, index)
        # the reference cut with room for the farthest shift: no shift may lose contacts at the cut
        start, end = mapped[index[0]] - (REACH + 1) * step_s, mapped[index[-1]] + (REACH + 1) * step_s
        near = _part(reference, np.flatnonzero((reference.onset_s > start) & (reference.onset_s < end)))
        if near.size < FEWEST or part.size < FEWEST:
            return np.zeros(shifts.size)
        total = _scored(near, part, offset_s + shifts, beat, rate, plates=False, outlier_s=outlier_s)[1].total
        gain = total - total[REACH]
        return np.asarray(np.where((total > 0.0) | (gain > LEAST_NATS_UNEXPLAINED), gain, np.minimum(gain, 0.0)))

    borders = np.linspace(0, inner.size, min(PARTS, inner.size // FEWEST) + 1).astype(int)
    single = np.stack([gains(a, b) for a, b in itertools.pairwise(borders)], axis=1)
    best: tuple[float, int, int, float] | None = None
    for first, last in _stretches(single, borders, inner.size):
        gain = gains(first, last)
        k = int(np.argmax(gain))
        if gain[k] > LEAST_NATS and (best is None or gain[k] > best[0]):
            best = (float(gain[k]), first, last, float(k - REACH))
    if best is None:
        return None
    return float(mapped[inner[best[1]]]), float(mapped[inner[best[2] - 1]]), best[3]


def _slips_on_plates(
    reference: Contacts, device: Contacts, offset_s: float, rate: float, step_s: float
) -> tuple[float, float, float] | None:
    """Return as :func:`slips_within` for separate plates; four contacts or more can tell there, with luck."""
    beat = rhythm(reference, device, plates=True)
    passes = np.flatnonzero(np.diff(reference.onset_s, prepend=-np.inf) > PASS_GAP_S)
    size = reference.size
    best: tuple[float, int, int, float] | None = None
    for first, last in sorted({(0, int(b)) for b in passes[1:]} | {(int(b), size) for b in passes[1:]}):
        if last - first < FEWEST_HITS:
            continue
        part = reference.subset(np.arange(first, last))
        apart = (part.onset_s[:, None] - offset_s - rate * device.onset_s[None, :]).ravel()
        apart = apart[np.abs(apart) < (REACH + 0.5) * step_s]
        shifts = np.unique(np.concatenate([[0.0], np.round(apart / GRID_S) * GRID_S]))
        matches, scores = _scored(part, device, offset_s + shifts, beat, rate, plates=True)
        total = scores.total
        in_place = float(total[np.abs(shifts) < SAME_SHIFT_S].max())
        # a stretch that the device did not record fits one contact of its last step, and that is no other step
        other = (np.abs(matches.offset_s - offset_s) > OTHER_SHIFT_S) & (matches.inlier.sum(axis=1) >= FEWEST_HITS)
        elsewhere = np.where(other, total, -np.inf)
        k = int(np.argmax(elsewhere))
        gain = float(elsewhere[k]) - in_place
        if gain > LEAST_NATS_ON_PLATES and (best is None or gain > best[0]):
            best = (gain, first, last, float(matches.offset_s[k] - offset_s) / step_s)
    if best is None:
        return None
    return float(reference.onset_s[best[1]]), float(reference.onset_s[best[2] - 1]), best[3]


def _scored(
    reference: Contacts,
    device: Contacts,
    offset_s: Floats,
    beat: Rhythm,
    rate: float,
    *,
    plates: bool,
    outlier_s: float = LEAST_OUTLIER_S,
) -> tuple[Matches, Scores]:
    return match_and_score(
        reference,
        device,
        offset_s,
        beat,
        plates=plates,
        rate=rate,
        rate_prior_ppm=RATE_PRIOR_PPM,
        windows_s=WINDOWS_S,
        least_outlier_s=outlier_s,
    )


def _stretches(single: Floats, borders: NDArray[np.int64], size: int) -> list[tuple[int, int]]:
    """Return the stretches to compare: beginnings, ends, and for each shift the run of parts that favours it most."""
    stretches = {(0, int(b)) for b in borders[1:-1]} | {(int(b), size) for b in borders[1:-1]}
    for ends in (FEWEST, 2 * FEWEST):
        if ends < size:
            stretches |= {(0, ends), (size - ends, size)}
    for k in range(single.shape[0]):
        if k != REACH:
            first, last = _best_run(single[k])
            if single[k, first:last].sum() > 0.0 and (first, last) != (0, single.shape[1]):
                stretches.add((int(borders[first]), int(borders[last])))
    return sorted(stretches)


def _best_run(gain: Floats) -> tuple[int, int]:
    """Return the half-open run of neighbours with the largest sum."""
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    total = sums[None, :] - sums[:, None]
    total[np.tril_indices(sums.size)] = -np.inf
    first, last = np.unravel_index(int(np.argmax(total)), total.shape)
    return int(first), int(last)


def _part(train: Contacts, index: NDArray[np.int64]) -> Contacts:
    """Return consecutive contacts of a train, covered only as far as they reach."""
    part = train.subset(index)
    return part.covered_between(part.onset_s[0] - EDGE_S, part.onset_s[-1] + EDGE_S) if part.size else part
