"""Stances whose ends are moved by as much as a detector misses them, so that ridge and kernel ridge forgive it."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..records.stance_set import StanceSet, join
from ..records.window_length import WINDOW, window_length_s

SLOPE_POINTS = 3
"""Points at an end by which inputs are continued beyond it: chosen by hand, 3 % of a stance of 101 points."""


def with_moved_limits(data: StanceSet, *, sd_s: float, copies: int, seed: int) -> StanceSet:
    """Return the stances, and copies of them whose contact and toe-off are moved by chance.

    A detector sees contacts a little early or late, by other amounts for everybody. The force stays where it was on the
    clock, so that its curve in the window moves: inputs tell by how much. Beyond the stance the force is 0, and inputs
    go on in a straight line.

    Parameters
    ----------
    data
        Time-normalised stances of training participants, with ``contact_s``.
    sd_s
        SD of the shift of either end, s.
    copies
        Of every stance.
    """
    if not copies or not sd_s or str(data.data.attrs["window"]) != "stance":
        return data
    rng = np.random.default_rng(seed)
    return join([data, *(moved(data, rng.normal(0.0, sd_s, (2, data.size))) for _ in range(copies))])


def moved(data: StanceSet, shift_s: Floats) -> StanceSet:
    """Return the stances, each from and to moments that lie ``shift_s`` later: shape (2, stances), s."""
    contact, lasts = data.scalar("contact_s"), window_length_s(data)
    x, y, w = (np.asarray(values, dtype=np.float64) for values in data.arrays())
    share = np.linspace(0.0, 1.0, x.shape[1])
    inputs, targets, weight = np.empty_like(x), np.zeros_like(y), np.empty_like(w)
    # an unknown contact time moves nothing
    begin, end = np.nan_to_num(shift_s / lasts)
    end = 1.0 + np.maximum(end, begin - 0.5)
    for i in range(len(x)):
        at = begin[i] + (end[i] - begin[i]) * share
        inputs[i] = _continued(share, x[i], at)
        targets[i] = np.stack([np.interp(at, share, curve, left=0.0, right=0.0) for curve in y[i].T], axis=1)
        weight[i] = w[i][np.clip(np.rint(at * (len(share) - 1)), 0, len(share) - 1).astype(int)]
    scalars = data.data["scalars"].copy(deep=True)
    names = [str(s) for s in data.data["scalar"].values]
    scalars.values[:, names.index("contact_s")] = contact + lasts * (end - begin - 1.0)
    if WINDOW in names:
        scalars.values[:, names.index(WINDOW)] = lasts * (end - begin)
    filled = {"inputs": inputs, "targets": targets, "weight": weight}
    arrays = {name: (data.data[name].dims, values.astype(np.float32)) for name, values in filled.items()}
    return StanceSet(data.data.assign(arrays | {"scalars": scalars}))


def _continued(share: Floats, values: Floats, at: Floats) -> Floats:
    """Return values at other shares of the stance, shape (points, channels), straight on beyond either end."""
    inside = np.stack([np.interp(at, share, channel) for channel in values.T], axis=1)
    step = SLOPE_POINTS * (share[1] - share[0])
    before, after = np.minimum(at, 0.0)[:, None], np.maximum(at - 1.0, 0.0)[:, None]
    first, last = values[SLOPE_POINTS] - values[0], values[-1] - values[-1 - SLOPE_POINTS]
    return np.asarray(inside + before * first / step + after * last / step)
