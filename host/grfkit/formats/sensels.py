"""Grids of pressure cells (sensels): the sums of each frame, without keeping every cell of every frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats

CHUNK_FRAMES = 400
"""Frames whose cells are held at once, chosen by hand: a movie of any length needs the memory of these."""
LARGEST_SIDE = 1000
"""Rows or columns of a grid at most, chosen by hand: a count beyond it is damage, and no array is made of it."""


@dataclass(frozen=True)
class SenselSums:
    """Sums of grids, frame by frame, in the cells' own unit; every array has shape (frames,).

    Attributes
    ----------
    total, peak
        Sum and largest of the cells.
    row, column
        Centre of pressure, in cells from the centre of the first one; NaN where the total is not above 0.
    loaded
        How many cells are above 0.
    """

    total: Floats
    peak: Floats
    row: Floats
    column: Floats
    loaded: Floats


def sensel_sums(grids: Floats) -> SenselSums:
    """Return the sums of ``grids``, shape (frames, rows, columns); cells that do not exist are NaN."""
    cells = np.nan_to_num(grids, nan=0.0)
    total = cells.sum(axis=(1, 2))
    weight = np.where(total > 0, total, np.nan)
    row = cells.sum(axis=2) @ np.arange(grids.shape[1]) / weight
    column = cells.sum(axis=1) @ np.arange(grids.shape[2]) / weight
    loaded = np.count_nonzero(cells > 0, axis=(1, 2)).astype(np.float64)
    return SenselSums(total, cells.max(axis=(1, 2), initial=0.0), row, column, loaded)


def joined(parts: list[SenselSums]) -> SenselSums:
    """Return the sums of consecutive blocks of frames as one."""
    return SenselSums(
        np.concatenate([part.total for part in parts]),
        np.concatenate([part.peak for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.column for part in parts]),
        np.concatenate([part.loaded for part in parts]),
    )
