"""Main components of pictures: few numbers that stand for a frame, found in training frames that count."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..arrays import Floats
from .batches import Windows
from .networks.pictures import ComponentsMlp
from .scaler import Scaler

LEAST_SHARE = 1e-3
"""SD of a component below which, as a share of the first one's, it is taken for this: less is noise that a division by
it would blow up. Chosen by hand."""


class Components(NamedTuple):
    """Mean picture (pixels,), directions (pixels, k), and the SD along each (k,)."""

    mean: Floats
    basis: Floats
    size: Floats

    def scores(self, pictures: Floats) -> Floats:
        """Return the components of pictures (..., pixels), in SDs."""
        return np.asarray((pictures - self.mean) @ self.basis / self.size)


def components(pictures: Floats, count: int) -> Components:
    """Return the main components of pictures (frames, pixels); where fewer pixels move, the last ones are 0."""
    from scipy.linalg import eigh

    mean = pictures.mean(axis=0)
    off = pictures - mean
    # of a silhouette most pixels are never lit: without them the decomposition takes a tenth of the time
    moving = np.flatnonzero(off.any(axis=0))
    found = min(count, moving.size)
    basis, size = np.zeros((len(mean), count)), np.ones(count)
    if not found:
        return Components(mean, basis, size)
    off = off[:, moving]
    values, vectors = eigh(off.T @ off / max(len(off) - 1, 1), subset_by_index=[moving.size - found, moving.size - 1])
    sizes, ways = np.sqrt(np.maximum(values[::-1], 0.0)), vectors[:, ::-1]
    # the sign of a direction is the solver's choice: the largest entry is made positive
    ways = ways * np.sign(ways[np.abs(ways).argmax(axis=0), np.arange(found)])
    basis[moving, :found] = ways
    size[:found] = np.maximum(sizes, max(LEAST_SHARE * float(sizes[0]), 1e-12))
    return Components(mean, basis, size)


def start_components(body: ComponentsMlp, scaler: Scaler, windows: Windows) -> None:
    """Give a network of components those of its training frames, scaled as they will come."""
    frames = []
    for batch in windows.in_order():
        scaled = scaler.inputs(torch.from_numpy(batch.inputs)).numpy()
        frames.append(scaled[batch.weight > 0])
    found = components(np.concatenate(frames).astype(np.float64), body.config.components)
    for buffer, values in zip((body.basis, body.mean, body.size), (found.basis, found.mean, found.size)):
        buffer.copy_(torch.from_numpy(values).to(buffer.dtype))
