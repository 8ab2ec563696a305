"""Predictions of one foot: its windows as the model takes them, and the curve and rows made of what it predicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..dataset.cut import CutRequest
from ..dataset.resample import continuous_starts, stance_times
from ..dataset.wearable_inputs import inputs_at
from ..gait.stances import Stance, stride_times
from ..learn.balance import BalanceChange
from ..learn.beyond import Distances, distances
from ..learn.spec import ForceModel
from ..learn.training_range import Seen
from ..records.stance_set import StanceSet, join, make_stance_set
from .curves import FootCurve, between, from_stances, from_windows
from .feet import Foot
from .open_model import BundleForceModel
from .outside import flag_unlike, seen_in
from .plausible import LEAST_BW, PULLS
from .types import Side, StanceRow

OVERLAP = 0.5
"""Share that a continuous window has in common with the one before: every sample is predicted twice, and averaged."""
_PEAK_BW = (0.3, 5.0)
"""Peaks of vertical force that a stance has, BW: chosen by hand, from a light step with support to a sprint."""
_AROUND_S = 0.5
"""How far around a window its samples are looked up, s: chosen by hand, longer than any filter or gap reaches."""
HOLES = 0.1
"""Share of missing samples from which a stance is flagged: chosen by hand."""


class Prediction(NamedTuple):
    """Of one foot: its force, its stances, and of each predicted window how many numbers a bundle cannot hold.

    Attributes
    ----------
    distances
        How far its windows are from training; None where none was predicted.
    seen
        What is compared with the model's training range; None where none was predicted or the model has no range.
    """

    curve: FootCurve
    rows: list[StanceRow]
    beyond: list[int]
    distances: Distances | None
    seen: Seen | None = None


def _nearby(streams: Mapping[str, xr.Dataset], at: Floats) -> dict[str, xr.Dataset]:
    """Return the streams' samples around a window: a long recording is not gone through for every one of them."""
    limits = (at[0] - _AROUND_S, at[-1] + _AROUND_S)
    return {n: s.isel(time=slice(*np.searchsorted(s["time"].values, limits))) for n, s in streams.items()}


def window_set(
    foot: Foot,
    inputs: list[Floats],
    at: list[Floats],
    model: ForceModel,
    facts: Mapping[str, Any],
    name: str,
    cut: str,
    strides: Sequence[float] = (),
    scalars: Sequence[Mapping[str, float]] = (),
) -> StanceSet:
    """Return windows without a force, as the model takes them; ``scalars`` are further ones of each."""
    spec, size = model.spec, len(inputs)
    names = {"mass_kg", "speed_m_s", "slope_percent"}
    return make_stance_set(
        np.stack(inputs),
        np.full((size, len(at[0]), len(spec.scaler.axes)), np.nan),
        weight=np.zeros((size, len(at[0]))),
        channels=spec.scaler.channels,
        units=spec.scaler.units,
        axes=spec.scaler.axes,
        labels={"participant": [facts["participant"]] * size, "trial": [name] * size, "side": [foot.side] * size},
        scalars={n: [facts[n]] * size for n in names}
        | {n: [v] * size for n, v in facts["person"].scalars(foot.side).items() if n in spec.scaler.statics}
        | {"contact_s": [float(t[-1] - t[0]) for t in at]}
        | ({"stride_s": strides} if strides else {})
        | {n: [of[n] for of in scalars] for n in (scalars[0] if scalars else ())},
        start_s=[float(t[0]) for t in at],
        window=spec.window,
        cut=cut,
        source=name,
        rate_hz=spec.rate_hz or float("nan"),
        mirrored=spec.mirrored,
    )


class PreparedWindows(NamedTuple):
    """The stances of a foot as the model takes them: times and inputs of all, numbers and windows of the usable."""

    stances: list[Stance]
    at: list[Floats]
    inputs: list[Floats]
    usable: list[int]
    data: StanceSet | None


def predict_feet(
    model: ForceModel,
    feet: Sequence[Foot],
    request: CutRequest,
    facts: Mapping[str, Any],
    leaks: tuple[str, ...],
    name: str,
    *,
    balanced: bool = True,
) -> tuple[dict[Side, Prediction], BalanceChange | None]:
    """Return each foot's force, and how both were balanced over their strides (None: they were not)."""
    if model.spec.window != "stance":
        return {foot.side: predict_windows(model, foot, request, facts, leaks, name) for foot in feet}, None
    prepared = {foot.side: prepared_windows(model, foot, request, facts, name) for foot in feet}
    known = {side: p.data for side, p in prepared.items() if p.data is not None}
    forces = {side: model.predict(data, leaks=leaks, balanced=False) for side, data in known.items()}
    change = None
    if balanced and model.spec.balance is not None and known:
        # both feet together: the one may carry more than the other
        together, axes = join(list(known.values())), model.spec.scaler.axes
        even, changes = model.spec.balance.applied(np.concatenate(list(forces.values())), together, axes)
        parts = np.split(even, np.cumsum([data.size for data in known.values()])[:-1])
        forces, change = dict(zip(known, parts)), next(iter(changes.values()), None)
    return {f.side: _of_foot(model, f, request, prepared[f.side], forces.get(f.side)) for f in feet}, change


def prepared_windows(
    model: ForceModel, foot: Foot, request: CutRequest, facts: Mapping[str, Any], name: str
) -> PreparedWindows:
    """Return the stances of a foot as the model takes them."""
    channels, strides = model.spec.scaler.channels, stride_times(foot.stances)
    windows = _windows(foot, request, channels)
    at, inputs = [times for _, times, _ in windows], [values for _, _, values in windows]
    stances = [stance for stance, _, _ in windows]
    usable = [i for i, x in enumerate(inputs) if np.isfinite(x).any()]
    if not usable:
        return PreparedWindows(stances, at, inputs, usable, None)
    lasting = [strides.get((windows[i][0].side, windows[i][0].ic_s), math.nan) for i in usable]
    chosen = [inputs[i] for i in usable], [at[i] for i in usable]
    more = [foot.scalars[i] for i in usable] if foot.scalars else []
    data = window_set(foot, *chosen, model, facts, name, request.source, lasting, more)
    return PreparedWindows(stances, at, inputs, usable, data)


def _of_foot(
    model: ForceModel, foot: Foot, request: CutRequest, prepared: PreparedWindows, forces: Floats | None
) -> Prediction:
    """Return the foot's force by its stances."""
    spec, data, beyond, apart, seen = model.spec, prepared.data, [], None, None
    if data is not None:
        beyond, apart, seen = beyond_bundle(model, data), distances(spec.scaler, data), seen_in(spec, data)
    # a stance that is not predicted keeps its place, so that no swing is drawn across it
    nothing = np.full((request.points, len(spec.scaler.axes)), np.nan)
    answers = {} if forces is None else dict(zip(prepared.usable, forces))
    parts = [(at, answers.get(i, nothing)) for i, at in enumerate(prepared.at)]
    # a window may go beyond its contact: a row tells of the contact
    rows = [
        stance_row(foot.side, np.asarray([stance.ic_s, stance.to_s]), y, inputs, spec.scaler.channels)
        for stance, (_, y), inputs in zip(prepared.stances, parts, prepared.inputs)
    ]
    rows = [replace(row, flags=(*row.flags, *foot.flags)) for row in rows] if foot.flags else rows
    rows = flag_unlike(spec, seen, rows, prepared.usable)
    curve = from_stances(foot.base, parts, [(r.start_s, r.end_s) for r in foot.rejections], spec.scaler.axes)
    return Prediction(curve, rows, beyond, apart, seen)


def _windows(foot: Foot, request: CutRequest, channels: tuple[str, ...]) -> list[tuple[Stance, Floats, Floats]]:
    """Return each stance that has a toe-off with its times and inputs."""
    whole = [stance for stance in foot.stances if np.isfinite(stance.to_s)]
    if foot.windows is not None:
        return [(stance, at, inputs) for stance, (at, inputs) in zip(whole, foot.windows)]
    windows = []
    for stance in whole:
        at = stance_times(stance.ic_s, stance.to_s, request.points)
        windows.append((stance, at, inputs_at(_nearby(foot.streams, at), stance, at, channels, request)))
    return windows


def beyond_bundle(model: ForceModel, data: StanceSet) -> list[int]:
    """Return how many numbers of each window are beyond a bundle's range; a trained model has none."""
    return [int(n) for n in model.beyond(data)] if isinstance(model, BundleForceModel) else [0] * data.size


def stance_row(side: Side, at: Floats, force_bw: Floats, inputs: Floats, channels: tuple[str, ...]) -> StanceRow:
    """Return the row of a stance (``at`` from first to last), flagged where inputs lack or the force is no stance's."""
    start, end = float(at[0]), float(at[-1])
    if not np.isfinite(force_bw).any():
        return StanceRow(side, start, end, end - start, float("nan"), ("all inputs missing",), False)
    peak = float(np.nanmax(force_bw[:, 0]))
    flags = []
    absent = np.asarray(np.isnan(inputs).all(axis=0), dtype=bool)
    dead = [c for c, missing in zip(channels, absent) if missing]
    if dead:
        flags.append(f"{len(dead)} of {len(channels)} channels missing")
    holes = float(np.isnan(inputs[:, ~absent]).mean())
    if holes > HOLES:
        flags.append(f"{100 * holes:.0f} % of the samples missing")
    if not _PEAK_BW[0] <= peak <= _PEAK_BW[1]:
        flags.append(f"peak outside {_PEAK_BW[0]:g} to {_PEAK_BW[1]:g} BW")
    if float(np.nanmin(force_bw[:, 0])) < LEAST_BW:
        flags.append(PULLS)
    return StanceRow(side, start, end, end - start, peak, tuple(flags))


def predict_windows(
    model: ForceModel, foot: Foot, request: CutRequest, facts: Mapping[str, Any], leaks: tuple[str, ...], name: str
) -> Prediction:
    """Return the foot's force by a model of continuous windows; stances are those of its insole, if it has one.

    The numbers beyond a bundle's range are of the windows that hold a known sample.
    """
    spec = model.spec
    rate, points = float(spec.rate_hz or np.nan), spec.points
    time = np.asarray(foot.base["time"].values, dtype=np.float64)
    time = time[np.isfinite(time)]
    count = int((time[-1] - time[0]) * rate) + 1
    begins = continuous_starts(0, count - 1, window_s=points - 1, overlap=OVERLAP)
    # starts are in samples of the model's rate here, not in seconds
    first = np.rint(begins).astype(np.int64)
    at = [time[0] + (k + np.arange(points)) / rate for k in first]
    recording = Stance(float(time[0]), float(time[-1]), foot.side, name, "none")
    inputs = [inputs_at(_nearby(foot.streams, t), recording, t, spec.scaler.channels, request) for t in at]
    data = window_set(foot, inputs, at, model, facts, name, "none")
    forces = model.predict(data, leaks=leaks)
    any_input = [np.asarray(np.isfinite(x).any(axis=1), dtype=bool) for x in inputs]
    curve = from_windows(foot.base, first, forces, any_input, rate_hz=rate, axes=spec.scaler.axes)
    rows = []
    for stance in foot.stances:
        inside = between(curve.time_s, stance.ic_s, stance.to_s)
        if np.isfinite(stance.to_s) and inside.stop > inside.start:
            t, y = np.asarray([stance.ic_s, stance.to_s]), curve.force_bw[inside]
            # no inputs to judge: gaps have left their mark in the curve already
            rows.append(stance_row(foot.side, t, y, np.zeros((1, 1)), spec.scaler.channels[:1]))
    beyond = [n for n, some in zip(beyond_bundle(model, data), any_input) if some.any()]
    return Prediction(curve, rows, beyond, distances(spec.scaler, data), seen_in(spec, data))
