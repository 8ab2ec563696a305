"""Predictions of a foot from clips of pictures: those of the frames within a stance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import Floats
from ..dataset.cut import CutRequest
from ..learn.balance import BalanceChange
from ..learn.spec import ForceModel
from .curves import from_stances
from .feet import Foot
from .outside import flag_unlike, seen_in
from .types import Side
from .windows import Prediction, beyond_bundle, stance_row, window_set

FEWEST_FRAMES = 3
"""Pictures of a stance below which it has no curve: chosen by hand; at 60 Hz the shortest stance has twelve."""

LOADED_BW = 0.35
"""Vertical force (BW) in the first or last picture of a stance from which on it is flagged: chosen by hand. Within a
picture of 60 Hz a foot is loaded to about half of that."""
NOT_UNLOADED = "force far from 0 where the foot lands or leaves"


def predict_clips(
    model: ForceModel,
    feet: Sequence[Foot],
    request: CutRequest,
    facts: Mapping[str, Any],
    leaks: tuple[str, ...],
    name: str,
    *,
    balanced: bool = True,
) -> tuple[dict[Side, Prediction], BalanceChange | None]:
    """Return each foot's force by a model of pictures; nothing is balanced, since it tells one foot's force alone."""
    del balanced
    return {foot.side: _of_foot(model, foot, request, facts, leaks, name) for foot in feet}, None


def _of_foot(
    model: ForceModel, foot: Foot, request: CutRequest, facts: Mapping[str, Any], leaks: tuple[str, ...], name: str
) -> Prediction:
    spec = model.spec
    at, inputs = [list(each) for each in zip(*(foot.windows or ()))]
    data = window_set(foot, inputs, at, model, facts, name, request.source, scalars=foot.scalars)
    forces = model.predict(data, leaks=leaks)
    parts, rows = [], []
    for stance, times, values, pictures in zip(foot.stances, at, forces, inputs, strict=True):
        seen = (times >= stance.ic_s) & (times <= stance.to_s)
        ends = np.asarray([stance.ic_s, stance.to_s])
        curve = _over(times[seen], values[seen], ends)
        parts.append(curve)
        row = stance_row(foot.side, curve[0], curve[1], pictures[seen], spec.scaler.channels)
        rows.append(replace(row, flags=(*row.flags, *_ends(curve[1], spec.scaler.axes))))
    seen_here = seen_in(spec, data)
    rows = flag_unlike(spec, seen_here, rows, range(len(rows)))
    curve_of_foot = from_stances(foot.base, parts, [(r.start_s, r.end_s) for r in foot.rejections], spec.scaler.axes)
    return Prediction(curve_of_foot, rows, beyond_bundle(model, data), None, seen_here)


def _ends(force_bw: Floats, axes: Sequence[str]) -> tuple[str, ...]:
    """Return the flag of a stance whose vertical force does not come from, or go to, what a foot in the air has."""
    if "vgrf" not in axes:
        return ()
    ends = force_bw[[0, -1], list(axes).index("vgrf")]
    return (NOT_UNLOADED,) if bool((ends > LOADED_BW).any()) else ()


def _over(time_s: Floats, force_bw: Floats, ends_s: Floats) -> tuple[Floats, Floats]:
    """Return the force from contact to toe-off: at the pictures between them, and at both ends that of the nearest."""
    at = np.concatenate([ends_s[:1], time_s, ends_s[1:]])
    if time_s.size < FEWEST_FRAMES:
        return ends_s, np.full((2, force_bw.shape[1]), np.nan)
    return at, np.concatenate([force_bw[:1], force_bw, force_bw[-1:]])
