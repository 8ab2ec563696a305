"""Reasons to refuse a clock that fits: contacts that do not follow it, another step that fits as well, a rate off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Floats
from ..records import ClockMap, Segment
from ..signals.contacts import Contacts, inside, nearest_onset_s
from .contact_events import DeviceTrain
from .fit import MEDIAN_ERROR, ClockFit
from .search import BestLag
from .settings import STEEPEST_PPM
from .slips import slips_within

# When a whole-record search is followed piece by piece instead; all chosen by hand, well inside what the gates allow.
FEWEST_INLIERS = 0.93
"""Share of contacts that match where nothing was lost."""
STEADY_RESIDUAL = 0.8
"""Share of the scatter that the gate allows where nothing was lost: the reference design's 12 ms in a run."""
UNSTEADY_S, UNSTEADY_ERRORS = 0.008, 3.0
"""Median residual (s) of twenty seconds that jitter does not explain, and the same in standard errors of the median,
which is more where contacts scatter."""
BLOCK_S = 20.0
"""Length (s) of reference time over which that median is taken: about fifty steps."""

SLOWEST_IMU_HZ = 90.0
"""Sampling rate (Hz) below which a shoe's shock of some 10 ms is not timed; chosen by hand."""
LEAST_LANDING_EVIDENCE = 0.2
"""Evidence (see :class:`~grfkit.signals.impacts.Impacts`) that an IMU's shocks are landings; chosen by hand."""

RATE_ERRORS = 2.0
"""Standard errors by which a rate has to be beyond the limit; one in twenty by chance."""
_NORMAL_95 = 1.96
"""Half-width of a 95 % interval of the normal distribution, in SDs."""

STRAY_BLOCK_S = 10.0
"""Length (s) of device time that is judged at once; chosen by hand: some thirty steps of a run."""
FEWEST_IN_BLOCK = 8
"""Contacts that such a stretch needs to be judged: of eight strangers fewer than two are near by chance."""
NEAR_S = 0.03
"""Distance (s) within which a contact follows the map: of unrelated contacts about one in six does."""
LEAST_NEAR = 0.5
"""Share of a stretch's contacts that have to; chosen by hand between one in six and all."""


def is_suspicious(reference: Contacts, device: Contacts, best: BestLag, scatter_s: float) -> bool:
    """Return whether part of the record does not follow the one clock: samples may have been lost.

    Parameters
    ----------
    scatter_s
        SD (s) of the residuals that the gate allows.
    """
    if best.inliers < FEWEST_INLIERS or best.residual_sd_s > STEADY_RESIDUAL * scatter_s:
        return True
    median_s, error_s = _block_medians(reference, best)
    if np.any(np.abs(median_s) > np.maximum(UNSTEADY_S, UNSTEADY_ERRORS * error_s)):
        return True
    return slip_doubts(reference, device, best.offset_s, best.rate, best.beat.step_s) != []


def _block_medians(reference: Contacts, best: BestLag) -> tuple[Floats, Floats]:
    """Return the median residual (s) of every block of reference time, and its standard error (s)."""
    index = (reference.onset_s / BLOCK_S).astype(int)
    used = best.partner >= 0
    parts = [best.residual_s[used & (index == k)] for k in np.unique(index[used])]
    error_s = [MEDIAN_ERROR * best.residual_sd_s / np.sqrt(part.size) for part in parts]
    return np.asarray([np.median(part) for part in parts]), np.asarray(error_s)


def shoe_doubts(train: DeviceTrain) -> list[str]:
    """Return why a shoe IMU's shocks cannot be taken for landings; no prior helps, for it cannot say which they are."""
    if train.feature != "jerk":
        return []
    if train.rate_hz < SLOWEST_IMU_HZ:
        return [
            f"an IMU at {train.rate_hz:.0f} Hz is too slow to time a landing ({SLOWEST_IMU_HZ:.0f} Hz needed):"
            " align an insole, or record faster"
        ]
    if train.landing_evidence > LEAST_LANDING_EVIDENCE:
        return []
    return ["this IMU's landings cannot be told from its push-offs and either would fit: align an insole"]


def rate_doubts(train: DeviceTrain, fit: ClockFit, most_ppm: float) -> list[str]:
    """Return why a clock's rate cannot be this device's; stamps counted from samples may be off by any rate.

    A short record, or contacts that scatter, cannot prove a rate: only what lies beyond ``RATE_ERRORS`` standard errors
    of the limit refuses.

    Parameters
    ----------
    fit
        A fit whose rate the contacts alone say, held by no prior.
    """
    drift_ppm, error_ppm = 1e6 * (fit.rate - 1.0), 1e6 * fit.rate_sd
    if train.stamp_source == "index" or abs(drift_ppm) <= most_ppm + RATE_ERRORS * error_ppm:
        return []
    whose = "a crystal's" if most_ppm == STEEPEST_PPM else "the largest that is allowed,"
    return [
        f"the clock would have to run {drift_ppm:+.0f} +-{_NORMAL_95 * error_ppm:.0f} ppm off, more than {whose}"
        f" {most_ppm:.0f}: were samples lost, or is the rate another than the file says? Only where the device's clock"
        " is known to be so far off (a phone's, a cheap logger's) allow it: --max-drift-ppm"
        f" {_rounded_up(abs(drift_ppm))} (max_drift_ppm in Python)"
    ]


def _rounded_up(ppm: float) -> int:
    """Return a limit that allows a rate with some room: the next hundred beyond a tenth more."""
    return int(np.ceil(1.1 * ppm / 100.0) * 100)


def stray_doubts(reference: Contacts, train: DeviceTrain, segments: Sequence[Segment], lag_s: float) -> list[str]:
    """Return a reason where stretches of device time hold contacts that do not follow the map (treadmill only)."""
    device_s = train.contacts.onset_s
    # onsets are late by the sensor's lag, which the map does not contain
    mapped = ClockMap(source="", target="", verdict="aligned", segments=list(segments)).apply(device_s - lag_s)
    mapped = np.nan_to_num(mapped, nan=-1e9)  # between two segments: far from every contact, and not covered
    visible = inside(reference.covered_s, mapped)
    distance = nearest_onset_s(reference, mapped)
    block = (device_s / STRAY_BLOCK_S).astype(int)
    starts = []
    for k in np.unique(block[visible]):
        here = visible & (block == k)
        if here.sum() >= FEWEST_IN_BLOCK and float(np.mean(distance[here] < NEAR_S)) < LEAST_NEAR:
            starts.append(int(STRAY_BLOCK_S) * int(k))
    if not starts:
        return []
    where = ", ".join(f"{t} to {t + int(STRAY_BLOCK_S)} s" for t in starts[:4]) + (
        " and more" if len(starts) > 4 else ""
    )
    return [f"the device's contacts do not follow this clock at {where} of its record: were samples lost there?"]


def slip_doubts(
    reference: Contacts, device: Contacts, offset_s: float, rate: float, step_s: float, *, plates: bool = False
) -> list[str]:
    """Return a reason where a stretch of the record speaks for another step than the rest."""
    slip = slips_within(reference, device, offset_s=offset_s, rate=rate, step_s=step_s, plates=plates)
    if slip is None:
        return []
    start, end, steps = slip
    return [
        f"between {start:.0f} and {end:.0f} s of the reference the contacts fit better {steps:+.1f} steps away:"
        " were samples lost there?"
    ]
