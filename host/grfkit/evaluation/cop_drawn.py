"""What the page of a centre of pressure draws of the evaluated method: paths of every person, measures of contacts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Floats
from ..stats.curves import participant_curves
from .drawn import MOST_CONTACTS
from .predictions import Predictions

DIGITS = 2
"""Decimals (mm) of what is drawn."""
OFTEN = 0.5
"""Share of a person's contacts in which the centre has to be known at a point of stance for a mean to be drawn."""
RUN, WIDTH = "run along mm", "width across mm"
"""Measures of a contact: from its first to its last known point along, and the range across."""


def drawn_paths(predictions: Predictions, method: str) -> dict[str, Any]:
    """Return what is drawn of one method.

    Returns
    -------
    dict
        ``people``: by person the mean path along and across, measured and estimated, where the centre is known.
        ``contacts``: by measure (:data:`RUN`, :data:`WIDTH`) the person, the measured and the estimated value of single
        contacts over the same points, and of how many (``of``) they were taken.
    """
    measured = predictions.measured
    estimated = np.where(np.isfinite(measured), predictions.predicted(method), np.nan)
    measured = np.where(np.isfinite(estimated), measured, np.nan)
    people = predictions.per_stance("participant")
    return {"people": _people(measured, estimated, people), "contacts": _contacts(measured, estimated, people)}


def _people(measured: Floats, estimated: Floats, people: Any) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for key, values in (("measured", measured), ("estimated", estimated)):
        for i, direction in enumerate(("along", "across")):
            names, curves = participant_curves(values[:, :, i], people.tolist())
            for name, curve in zip(names, curves):
                # the ends, which few contacts know, would be other contacts' mean than the middle
                often = np.isfinite(values[people == name][:, :, i]).mean(axis=0) >= OFTEN
                paths.setdefault(name, {}).setdefault(key, {})[direction] = _plain(np.where(often, curve, np.nan))
    return paths


def _contacts(measured: Floats, estimated: Floats, people: Any) -> dict[str, Any]:
    ways = [_way(values) for values in (measured, estimated)]
    known = np.flatnonzero(np.isfinite(ways[0]).all(axis=1) & np.isfinite(ways[1]).all(axis=1))
    taken = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_CONTACTS)).round().astype(int))]
    return {
        name: {
            "person": people[taken].tolist(),
            "measured": _plain(ways[0][taken, i]),
            "estimated": _plain(ways[1][taken, i]),
            "of": len(known),
        }
        for i, name in enumerate((RUN, WIDTH))
        if len(known)
    }


def _way(paths: Floats) -> Floats:
    """Return how far each path runs along and goes across, shape (stances, 2); NaN of fewer than two points."""
    way = np.full((len(paths), 2), np.nan)
    for k, path in enumerate(paths):
        known = path[np.isfinite(path).all(axis=1)]
        if len(known) > 1:
            way[k] = known[-1, 0] - known[0, 0], np.ptp(known[:, 1])
    return way


def _plain(values: Floats) -> list[float | None]:
    return [round(float(v), DIGITS) if np.isfinite(v) else None for v in values]
