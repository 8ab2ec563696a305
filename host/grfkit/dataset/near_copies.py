"""Recordings that are nearly one: windows of two participants that are alike as no two people's are."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..arrays import Floats
from ..records.stance_set import StanceSet

ALIKE = 0.05
"""Root mean square difference of two windows, in spreads of the whole set (the median of channels), below which they
are copies. Windows of one person differ by .2 and more from step to step; a resampled copy by .01."""
COPIED_SHARE = 0.2
"""Share of a participant's windows with a copy at another's from which on that is told; chosen by hand: a file cut to
half keeps half of its windows, and chance gives none."""
_POINTS, _NEIGHBOURS, _AT_ONCE = 12, 24, 4096
"""Points of a window and neighbours in order that are compared, and windows read at once; chosen by hand: quick."""


def near_copies(data: StanceSet) -> list[str]:
    """Return a sentence for each pair of participants who share windows: one file that was cut, renamed or resampled.

    Windows are compared by inputs and forces at twelve points, with their neighbours in the order of their main
    component, so that twenty thousand take a second.
    """
    people = data.per_stance("participant")
    if len(data.participants) < 2:
        return []
    z = _standard(data)
    order = np.argsort(z @ _main_direction(z), kind="stable")
    z, owner = z[order], people[order]
    copies: Counter[tuple[str, str]] = Counter()
    for step in range(1, min(_NEIGHBOURS, len(z) - 1) + 1):
        other = owner[:-step] != owner[step:]
        alike = other & (np.sqrt(np.mean((z[:-step] - z[step:]) ** 2, axis=1)) < ALIKE)
        copies.update((min(a, b), max(a, b)) for a, b in zip(owner[:-step][alike], owner[step:][alike]))
    windows = Counter(people.tolist())
    return [
        f"participants '{a}' and '{b}' share {count} windows that are alike to {100 * ALIKE:g} % of the set's spread:"
        " is one recording a copy of the other, cut or resampled? It would leak from training into the test"
        for (a, b), count in sorted(copies.items())
        if count >= COPIED_SHARE * min(windows[a], windows[b])
    ]


def _standard(data: StanceSet) -> Floats:
    """Return windows at a few points, shape (windows, features), in spreads of each channel; what is missing is 0."""
    at = np.linspace(0, int(data.data.sizes["time"]) - 1, _POINTS).round().astype(int)
    parts = []
    for low in range(0, data.size, _AT_ONCE):
        part = data.data.isel(stance=slice(low, low + _AT_ONCE))
        pair = [np.asarray(part[name].values, dtype=np.float64)[:, at] for name in ("inputs", "targets")]
        parts.append(np.concatenate(pair, axis=2))
    values = np.concatenate(parts)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(values)
        count = np.maximum(finite.sum(axis=(0, 1)), 1)
        mean = np.where(finite, values, 0.0).sum(axis=(0, 1)) / count
        spread = np.sqrt(np.where(finite, (values - mean) ** 2, 0.0).sum(axis=(0, 1)) / count)
        scaled = (values - mean) / np.where(spread > 0, spread, np.inf)
    return np.asarray(np.nan_to_num(scaled[:, :, spread > 0]).reshape(len(values), -1), dtype=np.float64)


def _main_direction(z: Floats) -> Floats:
    """Return a direction in which windows differ much: a few steps of the power method from a fixed start."""
    direction = np.ones(z.shape[1])
    for _ in range(3):
        direction = z.T @ (z @ direction)
        direction /= max(float(np.linalg.norm(direction)), 1e-300)
    return direction
