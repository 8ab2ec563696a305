"""What a report draws of the evaluated method beside its scores: curves of every person, features of contacts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Floats
from ..records.window_length import window_length_s
from ..stats.curves import participant_curves
from .predictions import Predictions
from .scores import contact_features

DIGITS = 4
"""Decimals of what is drawn (BW; BW/s): a thousandth of a picture's height."""
MOST_CONTACTS = 600
"""Contacts of a Bland-Altman plot: chosen by hand, more dots hide each other. Evenly spaced ones of more are taken."""


def drawn(predictions: Predictions, method: str) -> dict[str, Any]:
    """Return what is drawn of one method; empty where windows are no stances.

    Returns
    -------
    dict
        ``people``: by axis and person the mean curve, measured and estimated. ``contacts``: by loading feature the
        person, the measured and the estimated value of single contacts, and of how many (``of``) they were taken.
    """
    if predictions.data.attrs["window"] != "stance":
        return {}
    return {"people": _people(predictions, method), "contacts": _contacts(predictions, method)}


def _people(predictions: Predictions, method: str) -> dict[str, Any]:
    people = predictions.per_stance("participant").tolist()
    by_axis = {}
    for i, axis in enumerate(predictions.axes):
        names, measured = participant_curves(predictions.measured[:, :, i], people)
        _, estimated = participant_curves(predictions.predicted(method)[:, :, i], people)
        by_axis[axis] = {
            name: {"measured": _plain(a), "estimated": _plain(b)} for name, a, b in zip(names, measured, estimated)
        }
    return by_axis


def _contacts(predictions: Predictions, method: str) -> dict[str, Any]:
    if "vgrf" not in predictions.axes:
        return {}
    contact_s, people = window_length_s(predictions), predictions.per_stance("participant")
    measured = contact_features(predictions.measured, contact_s, predictions.axes)
    estimated = contact_features(predictions.predicted(method), contact_s, predictions.axes)
    by_feature = {}
    for name, values in measured.items():
        known = np.flatnonzero(np.isfinite(values) & np.isfinite(estimated[name]))
        taken = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_CONTACTS)).round().astype(int))]
        by_feature[name] = {
            "person": people[taken].tolist(),
            "measured": _plain(values[taken]),
            "estimated": _plain(estimated[name][taken]),
            "of": len(known),
        }
    return by_feature


def _plain(values: Floats) -> list[float | None]:
    return [round(float(v), DIGITS) if np.isfinite(v) else None for v in values]
