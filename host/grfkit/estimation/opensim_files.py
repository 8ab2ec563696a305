"""OpenSim's ground reactions of an estimate: known force in ground, and where it acts on each foot."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arguments import ArgumentError
from ..arrays import Floats
from ..calibrate.documents import InsoleGeometry
from ..dataset.resample import linear
from ..errors import BadInputError
from ..formats.opensim import FootLoad, mot_text, opensim_axes
from ..gait.centre_path import insole_centre
from ..gait.cop import insole_cop
from ..units import G
from .curves import common_times
from .types import SIDES, Estimate, Side

UNKNOWN = ("refuse", "cut")
"""What is done where a foot's force is unknown between known ones."""
BRIDGED_S = 0.05
"""Hole (s) in a known force that is bridged by a straight line: a few samples lost on the air, and shorter than any
contact or swing; chosen by hand."""
_STEPS = 1.5
# Stretches named in a message at most
_NAMED = 6
_HEEL_M = (-0.06, 0.40)
_HALF_WIDTH_M = 0.08
"""Where a centre of pressure can lie, m forward from the heel's end and to either side: chosen by hand, the largest
shoe and some room for the calibration of cells."""
_INNER_PERCENT = (5.0, 95.0)
"""Percentiles between which the centre is judged: chosen by hand; at heel strike and toe-off it may jump anywhere."""


def as_mot(
    estimate: Estimate, name: str, *, geometry: InsoleGeometry | None, heel_m: float, unknown: str = "refuse"
) -> tuple[str, list[str]]:
    """Return OpenSim's ground reactions, forces in ground and points in each foot's body, and what was noticed.

    OpenSim reads no missing values, and a force of 0 would be a foot in the air: the file holds a stretch of time in
    which the force of each foot is known. It begins and ends where that of both is; holes in between up to
    ``BRIDGED_S`` are bridged by straight lines, which are counted in what was noticed.

    Parameters
    ----------
    unknown
        Where a longer hole lies in between: ``refuse``, or ``cut`` to the longest stretch without one.

    Raises
    ------
    BadInputError
        If the force is unknown in between and that is to be refused, or there is no stretch; if the mass or the centre
        of pressure is unknown.
    """
    if not np.isfinite(estimate.mass_kg):
        raise BadInputError(
            "an OpenSim file holds newtons, and the body mass is not known; state --mass-kg (mass_kg in Python)"
        )
    points = {side: foot_cop(estimate, side, geometry) for side in SIDES if side in estimate.feet}
    time, force_bw, notes = _known_stretch(estimate, unknown)
    notes += [f"{side} foot: {words}" for side in points if (words := cop_words(estimate, side, geometry))]
    if "apgrf" not in estimate.axes:
        notes.append("the model estimates vertical force only: forward and sideways forces are written as 0")
    feet = []
    for side, (when, cop_m) in points.items():
        force_n = force_bw[side] * estimate.mass_kg * G
        feet.append(FootLoad(side, _ground(force_n, estimate.axes, side), _body_points(when, cop_m, time, heel_m)))
    head = ["estimated, not measured; free moments are 0", _made_of(estimate), *notes]
    head += [f"LEAKS: {leak}" for leak in estimate.leaks]
    return mot_text(time, feet, name=name, notes=head), notes


def check_unknown(unknown: str) -> str:
    """Return what a ``.mot`` file does with unknown force, in lower case.

    Raises
    ------
    BadInputError
        If it is none of :data:`UNKNOWN`.
    """
    if str(unknown).lower() not in UNKNOWN:
        raise ArgumentError("unknown", f"is '{unknown}', expected {' or '.join(UNKNOWN)}")
    return str(unknown).lower()


def _known_stretch(estimate: Estimate, unknown: str) -> tuple[Floats, dict[Side, Floats], list[str]]:
    """Return times, each foot's force (samples, axes; BW) at them, all known, and what was noticed."""
    curves = {side: estimate.feet[side] for side in SIDES if side in estimate.feet}
    time = common_times(list(curves.values()))
    force = {side: curve.at(time) for side, curve in curves.items()}
    known = np.all([np.isfinite(values).all(axis=1) for values in force.values()], axis=0)
    stretches = _stretches(time, known)
    if not stretches:
        raise BadInputError(
            f"the force of the {' and the '.join(curves)} foot is known at no time together; an OpenSim file cannot be"
            " written: write .nc or .csv"
        )
    if len(stretches) > 1 and check_unknown(unknown) == "refuse":
        raise BadInputError(
            f"the force of {'both feet' if len(curves) > 1 else 'the foot'} is known in {len(stretches)} stretches"
            f" only ({_spans(time, stretches)}), and OpenSim reads no missing values; write the longest with --unknown"
            " cut (unknown='cut' in Python), or .nc or .csv"
        )
    start, end = max(stretches, key=lambda s: float(time[s[1] - 1] - time[s[0]]))
    inside = slice(start, end)
    notes = []
    if start > 0 or end < time.size:
        notes.append(
            f"holds {time[start]:.2f} to {time[end - 1]:.2f} s of {time[0]:.2f} to {time[-1]:.2f} s: there the"
            " force of each foot is known"
        )
    others = [s for s in stretches if s != (start, end)]
    if others:
        notes.append(f"left out, though known: {_spans(time, others)}")
    lost = int((~known[inside]).sum())
    if lost:
        notes.append(f"{lost} samples in holes up to {BRIDGED_S:g} s are bridged by straight lines")
    good = time[inside][known[inside]]
    bridged = {side: linear(good, values[inside][known[inside]], time[inside]) for side, values in force.items()}
    return time[inside], bridged, notes


def _stretches(time_s: Floats, known: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return half-open sample ranges that begin and end with a known sample, with no hole above ``BRIDGED_S``."""
    at = np.flatnonzero(known)
    if at.size < 2:
        return []
    # a step of the samples themselves is no hole, however slow they are
    longest = max(BRIDGED_S, _STEPS * float(np.median(np.diff(time_s))))
    breaks = np.flatnonzero(np.diff(time_s[at]) > longest) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(at, breaks) if part.size > 1]


def _spans(time_s: Floats, stretches: list[tuple[int, int]]) -> str:
    longest = sorted(stretches, key=lambda s: time_s[s[0]] - time_s[s[1] - 1])[:_NAMED]
    text = ", ".join(f"{time_s[a]:.2f} to {time_s[b - 1]:.2f} s" for a, b in sorted(longest))
    return text + (f" and {len(stretches) - _NAMED} shorter" if len(stretches) > _NAMED else "")


def _made_of(estimate: Estimate) -> str:
    files = ", ".join(f"{f.role} {f.name} SHA-256 {f.sha256}" for f in estimate.provenance.inputs)
    return f"grfkit {estimate.provenance.version}: {files}"


def _ground(force_n: Floats, axes: tuple[str, ...], side: Side) -> Floats:
    none = np.zeros(len(force_n))
    parts = {axis: force_n[:, i] for i, axis in enumerate(axes)}
    medial = parts.get("mlgrf", none)
    return opensim_axes(parts.get("apgrf", none), medial if side == "right" else -medial, parts["vgrf"])


def _body_points(when: Floats, cop_m: Floats, time: Floats, heel_m: float) -> Floats:
    """Return points (samples, 3) in calcn of centres (samples, 2; forward, left); held where no centre is known."""
    valid = np.flatnonzero(np.isfinite(cop_m).all(axis=1))
    # held through swing, where the force is 0 and the point moves nothing
    forward, left = (np.interp(time, when[valid], cop_m[valid, k]) for k in (0, 1))
    return opensim_axes(forward + heel_m, left, np.zeros(time.size))


def foot_cop(estimate: Estimate, side: Side, geometry: InsoleGeometry | None) -> tuple[Floats, Floats]:
    """Return times and centre of pressure of a foot, shape (samples, 2): m forward from the insole's heel, and left.

    From ``cop_x``, ``cop_y`` in the foot's frame where the insole has them, else from its cells and their places: of
    a geometry, or those that calibration gave the channels. A cell's unloaded level, its median in swing, is taken
    off first.

    Raises
    ------
    BadInputError
        If there is neither, or the centre is not in metres from the heel.
    """
    stream = estimate.streams[side]
    time = np.asarray(stream["time"].values, dtype=np.float64)
    if stream.attrs.get("kind") != "insole":
        raise BadInputError(
            f"the {side} foot's recording is '{stream.attrs.get('kind')}': no insole tells where the force acts,"
            " and an OpenSim file needs that; write .nc or .csv"
        )
    if "cop_x" in stream and "cop_y" in stream:
        cop = _own_cop(stream, side)
    else:
        cop = _cell_cop(estimate, stream, side, geometry)
    cop = np.where(_stance_samples(estimate, side, time)[:, None], cop, np.nan)
    keep = np.flatnonzero(np.isfinite(time))
    if not np.isfinite(cop[keep]).all(axis=1).any():
        raise BadInputError(
            f"the {side} foot's centre of pressure is known at no time of its stances; write .nc or .csv"
        )
    _check_place(cop[keep], side)
    return time[keep], cop[keep]


def cop_words(estimate: Estimate, side: Side, geometry: InsoleGeometry | None) -> str:
    """Return how sure a centre of pressure of cells is, empty of the insole's own."""
    stream = estimate.streams[side]
    if "cop_x" in stream and "cop_y" in stream:
        return ""
    placed = stream.copy()
    for cell, place in (geometry.positions_m(side) if geometry else {}).items():
        if cell in stream:
            attrs = dict(stream[cell].attrs) | dict(zip(("x_m", "y_m"), place))
            placed[cell] = (stream[cell].dims, stream[cell].values, attrs)
    centre = insole_centre(placed, correct=False)
    return "" if centre is None else centre.words


def _own_cop(stream: xr.Dataset, side: Side) -> Floats:
    for name in ("cop_x", "cop_y"):
        unit, frame = stream[name].attrs.get("units"), stream[name].attrs.get("frame")
        if unit != "m" or frame != "foot":
            raise BadInputError(
                f"'{name}' of the {side} insole is in {unit} ({frame} frame), expected m (foot frame: forward from the"
                " heel, and to the left); an OpenSim file cannot be written from it"
            )
    return np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in ("cop_x", "cop_y")], axis=1)


def _cell_cop(estimate: Estimate, stream: xr.Dataset, side: Side, geometry: InsoleGeometry | None) -> Floats:
    cells = [str(n) for n in stream.data_vars if str(n).startswith("cell_")]
    places = dict(geometry.positions_m(side)) if geometry else {}
    if not geometry:
        with_place = {c: stream[c].attrs for c in cells if {"x_m", "y_m"} <= set(stream[c].attrs)}
        places = {c: (float(a["x_m"]), float(a["y_m"])) for c, a in with_place.items()}
    lost = [c for c in cells if c not in places]
    if not cells or lost:
        what = "no cells" if not cells else f"cells of unknown place ({', '.join(lost[:4])}...)"
        raise BadInputError(
            f"the {side} insole has no centre of pressure and {what}, and an OpenSim file needs to know where the force"
            " acts; name the insole's geometry with --insole (insole in Python), or write .nc or .csv"
        )
    loads = np.stack([np.asarray(stream[c].values, dtype=np.float64) for c in cells], axis=1)
    swing = ~_stance_samples(estimate, side, np.asarray(stream["time"].values, dtype=np.float64))
    loaded = np.flatnonzero(np.isfinite(loads[swing]).any(axis=0))
    level = np.zeros(len(cells))
    # the median of swing: a shoe presses on unloaded cells, and this pulls the centre to the middle
    level[loaded] = np.nanmedian(loads[swing][:, loaded], axis=0)
    # the geometry's x points right and its y to the toes; the centre is asked forward and to the left
    where = np.asarray([(places[c][1], -places[c][0]) for c in cells])
    return insole_cop(loads - level, where)


def _stance_samples(estimate: Estimate, side: Side, time_s: Floats) -> NDArray[np.bool_]:
    inside = np.zeros(time_s.size, dtype=bool)
    for row in estimate.rows:
        if row.side == side:
            inside |= (time_s >= row.start_s) & (time_s <= row.end_s)
    return inside


def _check_place(cop_m: Floats, side: Side) -> None:
    """Refuse a centre that is not in metres forward from the heel and to the left: other axes or another origin."""
    low, high = np.nanpercentile(cop_m, _INNER_PERCENT, axis=0)
    fits = _HEEL_M[0] <= low[0] and high[0] <= _HEEL_M[1] and max(-low[1], high[1]) <= _HALF_WIDTH_M
    if not fits or high[0] - low[0] <= high[1] - low[1]:
        raise BadInputError(
            f"the {side} foot's centre of pressure lies {low[0]:.3f} to {high[0]:.3f} m forward and {low[1]:.3f} to"
            f" {high[1]:.3f} m to the left; expected m forward from the heel ({_HEEL_M[0]:g} to {_HEEL_M[1]:g}) and to"
            " the left, travelling mostly forward: its axes or origin are others"
        )
