"""What a trial says of each of its windows, whatever they are cut from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..records import Trial


def labels_of(trial: Trial, sides: Sequence[str], name: str) -> dict[str, list[str]]:
    """Return the labels of windows of these feet: participant, trial, surface, side."""
    attrs, size = trial.tree.attrs, len(sides)
    return {
        "participant": [str(attrs["participant"])] * size,
        "trial": [name] * size,
        "surface": [str(attrs.get("surface", ""))] * size,
        "side": list(sides),
    }


def scalars_of(trial: Trial, size: int) -> dict[str, list[float]]:
    """Return mass, speed and slope of a trial for so many windows; NaN where it states none."""
    return {n: [float(trial.tree.attrs.get(n, np.nan))] * size for n in ("mass_kg", "speed_m_s", "slope_percent")}
