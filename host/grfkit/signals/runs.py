"""Stretches in which a flag holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def true_runs(flag: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the stretches of True, half-open sample ranges in order, shape (runs, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]]).astype(np.int8)))
    return np.asarray(edges.reshape(-1, 2), dtype=np.int64)
