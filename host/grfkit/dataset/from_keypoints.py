"""Windows of the keypoints of a film in an aligned trial, each with the plates' force on its foot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError, NothingLeftError
from ..gait.stances import Stance, find_stances, stride_times
from ..records import Trial
from ..records.stance_set import AXES, StanceSet, make_stance_set
from ..records.window_length import WINDOW
from ..signals.step_direction import push_direction
from ..units import G
from .cut import CutRequest
from .foot_force import PlateColumns, low_passed, no_other_foot, of_foot, plate_columns, plate_contact, stance_force
from .keypoint_inputs import (
    KEYPOINT_CHANNELS,
    KEYPOINT_UNITS,
    NEAR,
    SPEED_LEGS,
    SidePass,
    keypoint_stream,
    pass_of,
    passes_of,
)
from .motion import SIDES, Side
from .of_trial import labels_of, scalars_of
from .resample import stance_times

FILM: Literal["film"] = "film"
"""The detector of contacts that a film itself shows."""
OUTSIDE = "out of the picture within the stance"
MISSING = "keypoint missing"
NO_PLATE = "no whole contact of this foot alone on a plate"
NO_WAY = "the force does not brake and push off, so that forward is not known"
_UP = np.asarray([1.0, 0.0, 0.0])
"""Up in columns of plates, whose first is the vertical."""


@dataclass
class _Rows:
    inputs: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    sides: list[str] = field(default_factory=list)
    scalars: list[tuple[float, ...]] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)


_SCALARS = ("contact_s", "stride_s", SPEED_LEGS, NEAR, WINDOW)


def windows_of_keypoints(trial: Trial, request: CutRequest, *, name: str = "trial") -> StanceSet:
    """Return the stances of both feet in a film, with the inputs of :mod:`~grfkit.dataset.keypoint_inputs`.

    A stance is cut where the film shows it (``source="film"``) or the plates do (``source="force"``), and the force is
    that of the plates under the foot, in body weights; outside of the plates' contact it is 0. Windows of a film begin
    and end :data:`~grfkit.dataset.keypoint_inputs.MARGIN_S` beyond its contact, which pictures show to a frame or two.
    Forward is the plates' axis along which the contact brakes and then pushes off: a film knows no axes of a
    laboratory. Plates that give no horizontal forces teach the vertical one alone.

    Raises
    ------
    BadInputError
        If there is no film or no plate, the request is of other windows, or no window is left.
    """
    if request.window != "stance":
        raise BadInputError("windows of a film are stances; leave out window='continuous'")
    if request.source not in (FILM, "force"):
        raise BadInputError(f"stances of a film are cut by '{FILM}' or by 'force', not by '{request.source}'")
    streams = low_passed(trial.streams, request)
    stream = keypoint_stream(streams)[1]
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    if not plates:
        raise BadInputError("the trial holds no force plate; a film is learnt from with the force of each foot")
    three = all(f"f{a}" in s for s in plates.values() for a in "xyz")
    three = three and all(str(s.attrs.get("vertical", "+z")).endswith("z") for s in plates.values())
    columns = plate_columns(plates, three=three)
    detected = find_stances(trial, source=request.source, rule=request.rule)
    on_plates = detected if request.source == "force" else find_stances(trial, source="force", rule=request.rule)
    excluded = Counter(detected.rejected)
    rows, passes, strides = _Rows(), passes_of(stream), stride_times(detected.stances)
    weight_n = float(trial.tree.attrs["mass_kg"]) * G
    for stance in detected.stances:
        why = _add(rows, stance, on_plates.stances, passes, columns, strides, request, weight_n)
        if why:
            excluded[why] += 1
    if not rows.inputs:
        counts = ", ".join(f"{n} {reason}" for reason, n in excluded.items()) or "none was found"
        raise NothingLeftError(f"no stance of the film is left ({counts})")
    return _stance_set(trial, request, rows, name, AXES if three else AXES[:1], excluded)


def _add(
    rows: _Rows,
    stance: Stance,
    on_plates: Sequence[Stance],
    passes: list[SidePass],
    columns: list[PlateColumns],
    strides: dict[tuple[str, float], float],
    request: CutRequest,
    weight_n: float,
) -> str:
    """Add a stance's window; else return why it has none."""
    if stance.side not in SIDES:
        return "foot unknown"
    if not np.isfinite(stance.to_s):
        return "no toe-off"
    contact = stance if request.source == "force" else plate_contact(stance, on_plates)
    if contact is None:
        return NO_PLATE
    walked = pass_of(passes, stance.ic_s, stance.to_s)
    if walked is None:
        return OUTSIDE
    side: Side = "left" if stance.side == "left" else "right"
    if request.source == FILM:
        at, inputs, speed = walked.window(side, stance.ic_s, stance.to_s, request.points)
    else:
        at = stance_times(stance.ic_s, stance.to_s, request.points)
        inputs, speed = walked.inputs(side, at)
    if not np.isfinite(inputs).all():
        return MISSING
    force = _force(columns, replace(stance, plates=contact.plates), contact, at)
    if isinstance(force, str):
        return force
    outside = (at < contact.ic_s) | (at > contact.to_s)
    counts = no_other_foot(columns, replace(stance, plates=contact.plates), on_plates, at) | outside
    if not counts.any():
        return "both feet on one plate throughout"
    rows.inputs.append(inputs)
    rows.targets.append(of_foot(force, side) / weight_n)
    rows.weight.append(counts.astype(np.float64))
    rows.sides.append(side)
    stride = strides.get((stance.side, stance.ic_s), float("nan"))
    rows.scalars.append((stance.to_s - stance.ic_s, stride, speed, float(side == walked.near), at[-1] - at[0]))
    rows.start_s.append(at[0])
    return ""


def _force(columns: list[PlateColumns], stance: Stance, contact: Stance, at: Floats) -> Floats | str:
    """Return force up, forward and to the left at these times (N), or why it is not known."""
    force = stance_force(columns, stance, at)
    # before and after its contact a foot carries nothing, whoever else stands on its plates, recorded or not
    force[(at < contact.ic_s) | (at > contact.to_s)] = 0.0
    if not np.isfinite(force).all():
        return "force missing"
    if force.shape[1] == 1:
        return force
    whole = stance_force(columns, stance, stance_times(contact.ic_s, contact.to_s, len(at)))
    push = push_direction(whole, _UP)
    if push is None:
        return NO_WAY
    # people walk along the plates: of the directions near one of their axes, the contact's own is the noisier one
    axis = 1 + int(np.argmax(np.abs(push[1:])))
    sign = float(np.sign(push[axis]))
    forward = sign * force[:, axis]
    # left of +x is +y, left of +y is -x
    left = sign * force[:, 2] if axis == 1 else -sign * force[:, 1]
    return np.stack([force[:, 0], forward, left], axis=1)


def _stance_set(
    trial: Trial, request: CutRequest, rows: _Rows, name: str, axes: tuple[str, ...], excluded: Counter[str]
) -> StanceSet:
    return make_stance_set(
        np.stack(rows.inputs),
        np.stack(rows.targets),
        weight=np.stack(rows.weight),
        channels=KEYPOINT_CHANNELS,
        units=KEYPOINT_UNITS,
        axes=axes,
        labels=labels_of(trial, rows.sides, name),
        scalars=scalars_of(trial, len(rows.inputs))
        | {n: [row[i] for row in rows.scalars] for i, n in enumerate(_SCALARS)},
        start_s=rows.start_s,
        window="stance",
        cut=request.source,
        source=name,
        mirrored=True,
        excluded=dict(excluded),
        provenance=trial.provenance if "provenance" in trial.tree.attrs else None,
    )


def film_in(streams: dict[str, xr.Dataset]) -> bool:
    """Return whether a film is among streams."""
    return any(stream.attrs.get("kind") == "keypoints" for stream in streams.values())
