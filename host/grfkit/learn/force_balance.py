"""Weights that let rare forces count like frequent ones: three quarters of a walker's samples lie at .7 to 1.2 BW."""

from __future__ import annotations

import numpy as np

from ..records.stance_set import StanceSet

BIN_BW = 0.1
"""Forces within so much of each other (BW) count as alike: as in the published table of classes."""
MOST = 10.0
"""Greatest weight of a sample, in that of the mean: chosen by hand, so that a bin of a few samples rules no batch."""


def balanced_over_force(data: StanceSet, share: float) -> StanceSet:
    """Return the set with its weights times (mean count / count of the sample's bin) ** ``share``, of mean 1.

    Parameters
    ----------
    data
        Training windows only; bins are of the first axis.
    """
    weight = np.asarray(data.data["weight"].values, dtype=np.float64)
    force = np.asarray(data.data["targets"].values[:, :, 0], dtype=np.float64)
    counted = (weight > 0) & np.isfinite(force)
    bins = np.zeros(force.shape, dtype=np.int64)
    bins[counted] = np.floor(force[counted] / BIN_BW).astype(np.int64)
    _, place, count = np.unique(bins[counted], return_inverse=True, return_counts=True)
    factor = np.minimum((count.mean() / count) ** share, MOST)
    balanced = weight.copy()
    balanced[counted] *= factor[place]
    if balanced[counted].sum() > 0:
        balanced *= weight[counted].sum() / balanced[counted].sum()
    return StanceSet(data.data.assign(weight=(data.data["weight"].dims, balanced.astype(np.float32))))
