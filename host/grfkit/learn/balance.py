"""Balance by momentum: over whole strides the ground carries the body weight, and neither speeds up nor slows down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..records.stance_set import StanceSet, Windowed
from ..records.window_length import window_length_s

LEAST_STANCES = 10
"""Stances of a trial below which it is left as it is: chosen by hand, the mean of ten has a third of one's error; and
who takes two steps over two plates need not be in steady state."""
LEAST_TRIALS = 3
"""Trials below which a training tells nothing of what contacts carry: chosen by hand."""
LEVEL_PERCENT = 0.5
"""Slope (%) up to which ground is level: gravity along it is then below .005 BW, a third of what is corrected."""
LARGEST = 1.5
"""Factor beyond which a force is not scaled but left: chosen by hand, well below 2, which is what a detector that
misses every second contact of both feet would ask for."""
UNEVEN = 1.25
"""Ratio of both feet's median strides from which on one foot's contacts were missed: steady feet step in turn, so that
it is 1, and 2 where every second contact of one foot is missing. Chosen by hand, between them."""


class Shares(NamedTuple):
    """Mean vertical and forward force over a trial's strides (BW, both feet), NaN where that axis is not there."""

    vertical: float
    forward: float


class BalanceChange(NamedTuple):
    """What the balance changed in a trial.

    Attributes
    ----------
    factor
        Of the vertical force.
    tilt
        Share of the vertical force that was added to the forward one.
    """

    factor: float
    tilt: float


class Balance(BaseModel):
    """What the stances of steady gait carry, by which the predictions of a trial are balanced.

    A body that goes on as before is carried, over a stride, by a mean vertical force of its weight (so that times of
    contact and stride give the mean force of a contact: Weyand et al. 2000, doi 10.1152/jappl.2000.89.5.1991), and its
    mean forward force is 0 on level ground. A detector of contacts misses some of the force, so that the share that
    contacts carry is learnt. Only times of contacts and predictions are used, no force of the tested.

    Attributes
    ----------
    vertical
        Mean vertical force over strides of training trials within their contacts, BW of the body: near 1.
    forward
        The same of the forward force: near 0; None leaves it as predicted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    vertical: float = Field(gt=0)
    forward: float | None = None

    def applied(self, forces: Floats, data: Windowed, axes: tuple[str, ...]) -> tuple[Floats, dict[str, BalanceChange]]:
        """Return balanced forces and what was changed, by participant and trial; short trials are as they were.

        The vertical curve is scaled; the forward one gets a share of it, as if the axes had been tilted.

        Parameters
        ----------
        forces
            BW, shape (stances, time, axes); windows that are NaN have no part in it.
        data
            The windows, with ``stride_s`` and ``contact_s``.
        """
        out, changes = forces.copy(), {}
        for trial, rows in trials_of(data).items():
            shares = _shares(forces[rows], data, rows, axes)
            if shares is None or not 1 / LARGEST <= self.vertical / max(shares.vertical, 1e-9) <= LARGEST:
                continue
            factor, tilt, v = self.vertical / shares.vertical, 0.0, axes.index("vgrf")
            out[rows, :, v] *= factor
            if self.forward is not None and "apgrf" in axes and _level(data, rows):
                tilt = (self.forward - shares.forward) / self.vertical
                out[rows, :, axes.index("apgrf")] += tilt * out[rows, :, v]
            changes[trial] = BalanceChange(factor, tilt)
        return out, changes


def fit_balance(data: StanceSet, axes: tuple[str, ...]) -> Balance | None:
    """Return what the contacts of training windows carry; None where strides of too few trials are known."""
    if not _strides_told(data) or "vgrf" not in axes:
        return None
    y = _truth(data, axes)
    by_trial = [(rows, _shares(y[rows], data, rows, axes)) for rows in trials_of(data).values()]
    found = [(rows, shares) for rows, shares in by_trial if shares is not None]
    if len(found) < LEAST_TRIALS:
        return None
    level = [shares.forward for rows, shares in found if _level(data, rows)]
    forward = float(np.median(level)) if level and np.isfinite(level).all() else None
    return Balance(vertical=float(np.median([shares.vertical for _, shares in found])), forward=forward)


def steady_trials(data: StanceSet) -> dict[str, NDArray[np.int64]]:
    """Return the trials that can be balanced: by each, in order of time, the rows whose stride and force are known."""
    if not _strides_told(data) or "vgrf" not in data.axes:
        return {}
    y, starts, found = _truth(data, ("vgrf",)), np.asarray(data.data["start_s"].values), {}
    for trial, rows in trials_of(data).items():
        if _shares(y[rows], data, rows, ("vgrf",)) is not None:
            known = np.isfinite(y[rows]).all(axis=(1, 2)) & np.isfinite(_lasts(data, rows))
            found[trial] = rows[known][np.argsort(starts[rows[known]], kind="stable")]
    return found


def _strides_told(data: StanceSet) -> bool:
    return data.data.attrs["window"] == "stance" and "stride_s" in data.data["scalar"].values


def _truth(data: StanceSet, axes: tuple[str, ...]) -> Floats:
    """Return the force of every window (BW), NaN where it does not count."""
    y = np.asarray(data.data["targets"].sel(axis=list(axes)).values, dtype=np.float64)
    y[np.asarray(data.data["weight"].values) <= 0] = np.nan
    return y


def _lasts(data: Windowed, rows: NDArray[np.int64]) -> Floats:
    """Return the share of its stride that each stance's window lasts: what goes beyond the stance carries nothing."""
    return np.asarray(window_length_s(data)[rows] / data.scalar("stride_s")[rows])


def trials_of(data: Windowed) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each trial, by participant and trial."""
    keys = np.asarray([f"{p}, {t}" for p, t in zip(data.per_stance("participant"), data.per_stance("trial"))])
    return {str(key): np.flatnonzero(keys == key) for key in dict.fromkeys(keys)}


def _shares(forces: Floats, data: Windowed, rows: NDArray[np.int64], axes: tuple[str, ...]) -> Shares | None:
    """Return what a trial's contacts carry, None where fewer than ten strides are known or the feet's are not alike.

    A stance's mean force times the share of the stride it lasts, averaged over each foot's stances, then summed over
    the feet. Where one foot was recorded, the other's force is taken to be the same.
    """
    names = data.data["scalar"].values
    if "stride_s" not in names or "contact_s" not in names:
        return None
    strides, lasts = data.scalar("stride_s")[rows], _lasts(data, rows)
    means = forces.mean(axis=1)
    known = np.isfinite(lasts) & np.isfinite(means[:, axes.index("vgrf")])
    if known.sum() < LEAST_STANCES:
        return None
    sides = data.per_stance("side")[rows]
    feet = [known & (sides == side) for side in np.unique(sides[known])]
    if len(feet) > 2 or min(foot.sum() for foot in feet) < LEAST_STANCES // len(feet) // 2:
        return None
    usual = [float(np.median(strides[foot])) for foot in feet]
    if max(usual) > UNEVEN * min(usual):
        return None
    carried = np.mean([(means[foot] * lasts[foot, None]).mean(axis=0) for foot in feet], axis=0) * 2
    forward = float(carried[axes.index("apgrf")]) if "apgrf" in axes else float("nan")
    return Shares(float(carried[axes.index("vgrf")]), forward)


def _level(data: Windowed, rows: NDArray[np.int64]) -> bool:
    """Return whether the ground is level, or nobody said that it is not."""
    slope = data.scalar("slope_percent")[rows]
    return not (np.abs(slope[np.isfinite(slope)]) > LEVEL_PERCENT).any()
