"""Intervals that hold for the next participant: conformal, the participant as the exchangeable unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError


def highest_level(n: int) -> float:
    """Return the highest level ``n`` calibration participants can promise: n / (n + 1)."""
    return n / (n + 1)


@dataclass(frozen=True)
class Band:
    """Half-widths of an interval around a predicted curve.

    Attributes
    ----------
    half_width_bw
        Shape (samples,), or (1,) where it is the same everywhere.
    level
        The share of new participants at whom at least ``within`` of the samples (or contacts) lie in the band.
    within
        That share.
    participants
        Who it was calibrated on.
    """

    half_width_bw: Floats
    level: float
    within: float
    participants: tuple[str, ...]


def band(
    residuals: Floats,
    participants: Sequence[str],
    *,
    level: float = 0.9,
    within: float = 0.9,
    scale: Floats | None = None,
) -> Band:
    """Return the band that holds for a new participant with probability ``level``.

    A participant's score is the ``within`` quantile of its residuals' size over ``scale``; the band is the
    ceil((n + 1) level)-th smallest score of n participants (split conformal, Vovk et al. 2005; participants and not
    contacts are exchangeable).

    Parameters
    ----------
    residuals
        Shape (contacts, samples), BW, of predictions of people the model has not seen. NaN does not count.
    scale
        Shape (samples,), positive: how wide the band is along the curve. It must not come from ``residuals``' own
        participants' tests.

    Raises
    ------
    BadInputError
        If the level is above n / (n + 1), or a participant has no residual.
    """
    people = np.asarray([str(p) for p in participants])
    names = sorted(set(people.tolist()))
    n = len(names)
    if not 0 < level < 1 or not 0 < within <= 1:
        raise BadInputError(f"level is {level} and within {within}; expected shares between 0 and 1")
    if level > highest_level(n) + 1e-12:
        raise BadInputError(
            f"{n} participants cannot promise a level of {level:g}: at most {highest_level(n):.3f} (n/(n+1)); ask for"
            " less, or calibrate on more people"
        )
    shape = np.ones(residuals.shape[1]) if scale is None else np.asarray(scale, dtype=np.float64)
    scores = [participant_score(residuals[people == name], shape, within) for name in names]
    if not np.isfinite(scores).all():
        raise BadInputError(f"participant {names[int(np.argmin(np.isfinite(scores)))]} has no residual to calibrate on")
    # n + 1, as the new participant is one more among equals; less a trifle, lest rounding ask for one more
    rank = int(np.ceil((n + 1) * level - 1e-9))
    width = float(np.sort(scores)[rank - 1])
    return Band(width * shape if scale is not None else np.asarray([width]), level, within, tuple(names))


def participant_score(residuals: Floats, scale: Floats, within: float) -> float:
    """Return the smallest width, in units of ``scale``, that holds the share ``within`` of one person's samples."""
    sizes = np.abs(residuals) / scale
    sizes = np.sort(sizes[np.isfinite(sizes)])
    # less a trifle, as for the rank of participants: 0.07 of 100 samples are 7, and rounding makes 7.000000000000001
    rank = max(int(np.ceil(within * sizes.size - 1e-9)), 1)
    return float(sizes[rank - 1]) if sizes.size else float("nan")


@dataclass(frozen=True)
class Coverage:
    """How often bands calibrated on the other participants held for the one left out.

    Attributes
    ----------
    held
        Share of participants at whom the promised share of samples lay in the band.
    samples
        Mean over participants of the share of samples in the band.
    half_width_bw
        Mean half-width.
    """

    n: int
    level: float
    within: float
    held: float
    samples: float
    half_width_bw: float


def leave_one_out_coverage(
    residuals: Floats, participants: Sequence[str], *, level: float = 0.9, within: float = 0.9
) -> Coverage:
    """Return the coverage of bands, each calibrated on all participants but one and tried on that one.

    Raises
    ------
    BadInputError
        If the level is above what n - 1 participants can promise.
    """
    people = np.asarray([str(p) for p in participants])
    names = sorted(set(people.tolist()))
    covered, shares, widths = [], [], []
    for name in names:
        out = people == name
        calibrated = band(residuals[~out], people[~out].tolist(), level=level, within=within)
        sizes = np.abs(residuals[out])
        inside = (sizes <= calibrated.half_width_bw[0])[np.isfinite(sizes)].mean()
        covered.append(inside >= within - 1e-12)
        shares.append(float(inside))
        widths.append(float(calibrated.half_width_bw[0]))
    return Coverage(len(names), level, within, float(np.mean(covered)), float(np.mean(shares)), float(np.mean(widths)))
