"""Alignment by the load's own course, for people who stand, push and stomp rather than walk or run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, signal

from ..arrays import Floats
from ..records import Prior
from ..signals.contacts import Contacts, load_contacts
from .candidates import PRIOR_REACH_SDS, surprise_nats
from .contact_events import LoadSignal

GRID_HZ = 50.0
"""Rate (Hz) of the grid on which loads are compared: well above their band."""
BAND_HZ = (0.2, 6.0)
"""Band (Hz) of a course: slower is an insole's drift, faster a sensor's own; chosen by hand."""
EDGE_S = 0.15
"""Time (s) within which two devices see the same loading or unloading; chosen by hand."""
STANDING_S = 1.5
"""Contact time (s) beyond which a contact is standing and no stance of gait; above the 1.2 s of the slowest walk."""
EDGE_LEVEL, EDGE_LOWPASS_HZ = 0.15, 20.0
"""Share of the loaded level at which a contact of any length begins, and the low-pass (Hz) before; chosen by hand."""
SHORTEST_OVERLAP_S = 8.0
"""Time (s) that both record at a lag that is compared; chosen by hand."""
FEWEST_SAMPLES = 64
"""Samples that a course needs, as the band-pass does."""
HOLE_S = 0.05
"""Time (s) between two samples beyond which nothing is interpolated."""
LEVEL_S = 2.0
"""Time (s) over which a course's own level, and its correlation with itself, are taken; chosen by hand."""
LEAST_LEVEL = 0.02
"""Least level, as a share of the range of the load: an empty plate's noise is no course."""
LARGEST_CORRELATION = 0.995
"""Correlation at the most, which keeps equal loads from being infinite evidence."""


@dataclass(frozen=True)
class WaveformLag:
    """The best lag between feet's loads and plates', as :class:`~grfkit.sync.search.BestLag` is for contacts.

    Attributes
    ----------
    margin, margin_without_prior
        Nats to the best other lag within the prior's reach.
    against_prior
        Nats by which the loads alone prefer another lag, wherever it is; 0 or less where they do not.
    range_s
        Range of the lags that were compared.
    edges
        Loadings and unloadings that both devices saw within ``EDGE_S`` of each other, per foot.
    sd_s
        Standard error of the lag.
    pairs
        Foot stream and plate stream, for every foot.
    """

    offset_s: float
    margin: float
    margin_without_prior: float
    against_prior: float
    range_s: float
    runner_up_s: float
    correlation: float
    edges: int
    sd_s: float
    overlap_s: float
    pairs: tuple[tuple[str, str], ...]
    lags_s: Floats
    log_likelihood: Floats
    anchor_device_s: Floats
    anchor_reference_s: Floats


def is_standing(plates: list[LoadSignal]) -> bool:
    """Return whether most of the loaded time is spent in contacts longer than ``STANDING_S``."""
    long = short = 0.0
    for plate in plates:
        contacts = contacts_of_any_length(plate)
        duration = contacts.duration_s
        long += float(duration[duration > STANDING_S].sum())
        short += float(duration[duration <= STANDING_S].sum())
        if not contacts.size:
            long += 1e-6  # nobody steps on or off: no steps to align by either
    return long > short


def contacts_of_any_length(load: LoadSignal) -> Contacts:
    """Return the contacts of any length."""
    return load_contacts(
        load.time_s, load.value, foot=load.foot, level=EDGE_LEVEL, lowpass_hz=EDGE_LOWPASS_HZ, longest_s=np.inf
    )


def search_waveform(
    plates: list[LoadSignal],
    feet: list[LoadSignal],
    *,
    prior: Prior | None,
    shortest_overlap_s: float = SHORTEST_OVERLAP_S,
) -> WaveformLag | None:
    """Return the lag at which the loads' courses agree best; None if there is nothing to compare.

    Loads are band-limited and divided by their own running level, so that a quiet sway counts as much as a stomp;
    gaps are left out. The log-likelihood of a correlation r over n independent samples is ``-n/2 ln(1 - r^2)``, n
    from Bartlett's formula. Every foot takes the plate it agrees with best.
    """
    best: list[tuple[float, LoadSignal, LoadSignal, Floats, Floats, Floats]] = []
    for foot in feet:
        options = []
        for plate in plates:
            lags, gain, r = _agreement(plate, foot, shortest_overlap_s)
            if lags.size:
                options.append((float(np.nanmax(gain)), plate, foot, lags, gain, r))
        if options:
            best.append(max(options, key=lambda o: o[0]))
    if not best:
        return None
    # feet share one clock: the lags at which all of them were compared, each foot's evidence added
    start, end = max(b[3][0] for b in best), min(b[3][-1] for b in best)
    lags = np.arange(start, end + 1e-9, 1.0 / GRID_HZ)
    plain = np.sum([np.interp(lags, b[3], np.nan_to_num(b[4])) for b in best], axis=0)
    return _winner(best, lags, plain, prior)


def _winner(
    best: list[tuple[float, LoadSignal, LoadSignal, Floats, Floats, Floats]],
    lags: Floats,
    plain: Floats,
    prior: Prior | None,
) -> WaveformLag | None:
    everywhere, range_s = plain, float(np.ptp(lags))
    saved = surprise_nats(prior, range_s)
    bonus = np.zeros(lags.shape)
    if prior is not None:
        # as in the search by contacts: what a prior excludes is no rival
        within = np.abs(lags - prior.offset_s) <= PRIOR_REACH_SDS * prior.sd_s
        lags, plain = lags[within], plain[within]
        bonus = -0.5 * ((lags - prior.offset_s) / prior.sd_s) ** 2
    total = plain + bonus
    top = int(np.argmax(total)) if total.size else 0
    if top in (0, lags.size - 1):
        return None
    before, at, after = total[top - 1], total[top], total[top + 1]
    offset = lags[top] + 0.5 * (before - after) / min(before - 2 * at + after, -1e-9) / GRID_HZ
    # the curvature of a log-likelihood at its top is one over the variance of what it estimates
    curve = max(-(before - 2 * at + after) * GRID_HZ**2, 1e-6)
    rival, where = _rivals(total, top, -saved)
    rival_plain, _ = _rivals(plain, top, -saved)
    runner = float(lags[where]) if where >= 0 else float("nan")
    r = float(np.mean([np.interp(offset, b[3], b[5]) for b in best]))
    device, reference = _common_edges([(b[2], b[1]) for b in best], float(offset))
    overlap = min(_overlap(b[1], b[2], float(offset)) for b in best)
    return WaveformLag(
        offset_s=float(offset),
        margin=float(total[top] - rival),
        margin_without_prior=float(plain[top] - rival_plain),
        against_prior=float(everywhere.max() - plain.max()),
        range_s=range_s,
        runner_up_s=runner,
        correlation=r,
        edges=int(device.size // len(best)),
        sd_s=float(1.0 / np.sqrt(curve)),
        overlap_s=overlap,
        pairs=tuple((b[2].name, b[1].name) for b in best),
        lags_s=lags,
        log_likelihood=total,
        anchor_device_s=device,
        anchor_reference_s=reference,
    )


def _rivals(total: Floats, top: int, floor: float) -> tuple[float, int]:
    """Return the best score outside the winner's hill (down to its feet on both sides), and where; -1: the floor."""
    left = right = top
    while left > 0 and total[left - 1] < total[left]:
        left -= 1
    while right < total.size - 1 and total[right + 1] < total[right]:
        right += 1
    outside = np.concatenate([np.arange(0, left), np.arange(right + 1, total.size)])
    if not outside.size or total[outside].max() <= floor:
        return floor, -1
    at = int(outside[np.argmax(total[outside])])
    return float(total[at]), at


def _agreement(plate: LoadSignal, foot: LoadSignal, shortest_overlap_s: float) -> tuple[Floats, Floats, Floats]:
    x, mask_x, start_x = _course(plate)
    y, mask_y, start_y = _course(foot)
    none = np.zeros(0)
    if min(x.size, y.size) < FEWEST_SAMPLES:
        return none, none, none
    size = fft.next_fast_len(x.size + y.size, real=True)

    def together(a: Floats, b: Floats) -> Floats:
        """Return the cross-correlation of two courses at every lag."""
        product = fft.irfft(fft.rfft(a, size) * np.conj(fft.rfft(b, size)), size)
        return np.concatenate([product[size - y.size + 1 :], product[: x.size]])

    count = np.maximum(np.rint(together(mask_x, mask_y)), 0.0)
    sum_xy = together(x, y)
    # of the samples that both recorded at that lag: over all of them gaps would lower the correlation
    power = np.sqrt(np.maximum(together(x**2, mask_y), 0) * np.maximum(together(mask_x, y**2), 0))
    enough = count >= shortest_overlap_s * GRID_HZ
    r = np.where(enough & (power > 0), sum_xy / np.maximum(power, 1e-12), 0.0)
    independent = count / _bartlett(x, y)
    gain = -0.5 * independent * np.log1p(-(np.clip(r, 0.0, LARGEST_CORRELATION) ** 2))
    lags = start_x - start_y + (np.arange(gain.size) - (y.size - 1)) / GRID_HZ
    return lags, gain, r


def _course(load: LoadSignal) -> tuple[Floats, Floats, float]:
    """Return the load's course on a 50-Hz grid, its mask, and the grid's start."""
    finite = np.isfinite(load.value)
    grid = np.arange(load.time_s[0], load.time_s[-1], 1.0 / GRID_HZ)
    none = np.zeros(0)
    if min(finite.sum(), grid.size) < FEWEST_SAMPLES:
        return none, none, 0.0
    time_s, value = load.time_s[finite], load.value[finite]
    width = max(1, round(load.rate_hz / GRID_HZ))
    smooth = ndimage.uniform_filter1d(value, width, mode="nearest")
    course = np.interp(grid, time_s, smooth)
    nearest = np.clip(np.searchsorted(time_s, grid), 1, time_s.size - 1)
    hole = time_s[nearest] - time_s[nearest - 1] > HOLE_S
    sections = signal.butter(2, BAND_HZ, btype="band", fs=GRID_HZ, output="sos")
    band = signal.sosfiltfilt(sections, course)
    level = np.sqrt(ndimage.uniform_filter1d(band**2, int(LEVEL_S * GRID_HZ), mode="nearest"))
    floor = LEAST_LEVEL * float(np.percentile(course, 99) - np.percentile(course, 1)) + 1e-12
    mask = (~hole).astype(np.float64)
    return np.where(hole, 0.0, band / np.hypot(level, floor)), mask, float(grid[0])


def _bartlett(x: Floats, y: Floats) -> float:
    """Return how many samples make one independent sample for the correlation of two series."""
    lags = int(LEVEL_S * GRID_HZ)
    total = 1.0
    rx, ry = _autocorrelation(x, lags), _autocorrelation(y, lags)
    total += 2.0 * float((rx[1:] * ry[1:]).sum())
    return max(total, 1.0)


def _autocorrelation(x: Floats, lags: int) -> Floats:
    spectrum = np.abs(fft.rfft(x, fft.next_fast_len(2 * x.size))) ** 2
    correlation = fft.irfft(spectrum)[: lags + 1]
    return np.asarray(correlation / max(float(correlation[0]), 1e-12), dtype=np.float64)


def _common_edges(pairs: list[tuple[LoadSignal, LoadSignal]], offset: float) -> tuple[Floats, Floats]:
    """Return device and reference times of the loadings and unloadings both saw."""
    device, reference = [], []
    for foot, plate in pairs:
        hits, stands = contacts_of_any_length(plate), contacts_of_any_length(foot)
        for a, b in ((hits.onset_s, stands.onset_s), (hits.offset_s, stands.offset_s)):
            if not a.size or not b.size:
                continue
            nearest = b[np.argmin(np.abs(a[:, None] - offset - b[None, :]), axis=1)]
            close = np.abs(a - offset - nearest) < EDGE_S
            device.append(nearest[close])
            reference.append(a[close])
    if not device:
        return np.zeros(0), np.zeros(0)
    order = np.argsort(np.concatenate(device), kind="stable")
    return np.concatenate(device)[order], np.concatenate(reference)[order]


def _overlap(plate: LoadSignal, foot: LoadSignal, offset: float) -> float:
    start = max(plate.time_s[0], foot.time_s[0] + offset)
    return float(min(plate.time_s[-1], foot.time_s[-1] + offset) - start)
