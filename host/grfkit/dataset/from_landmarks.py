"""Windows of the landmarks in an aligned trial, through a mapping file, with the force of each foot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.landing import Travel, aligned, heading_aligned, travel
from ..gait.landmarks import LandmarkMapping, Points, landmarks, load_mapping, mapping_names, turned
from ..gait.plate_force import upward_n
from ..gait.stances import Stance, Stances, find_stances
from ..records import Trial
from ..records.stance_set import StanceSet
from ..units import G
from .cop_target import PlateCentres, plate_centres, target_window
from .cut import CutRequest
from .foot_force import PARTIAL, PlateColumns, foot_force, low_passed, no_other_foot, plate_contact
from .motion import OUTSIDE, FootForce, MotionSettings, MotionTrial, Side, check_request, motion_set

SHARED_FRAMES = ("global", "lab")
"""Frames in which one file's landmarks and plates have the same axes."""
NO_HEADING = "pass without a heading"


def windows_of_landmarks(trial: Trial, request: CutRequest, *, name: str = "trial") -> StanceSet:
    """Return the windows of a trial's landmarks, with the force of each foot.

    Stances are cut by the request's detector, and windows built as :func:`~grfkit.dataset.motion.motion_set` says; the
    force of a foot is that of :func:`~grfkit.dataset.foot_force.foot_force`; where its centre of pressure is the
    target, it is the path of contacts that a plate shows whole (:class:`~grfkit.dataset.cop_target.PlateCentres`).
    Landmarks and plates have to be in one frame (the file's ``global`` or ``lab``): the mapping turns both, and then
    both are turned to the heading.

    Raises
    ------
    BadInputError
        If no mapping is named, there are no landmarks or no plate with three forces, their frames differ, a landmark
        cannot be made, the body does not travel, or no window is left.
    """
    mapping = _mapping(request.mapping)
    settings = motion_settings(request)
    check_request(request.window, request.source, settings, allowed=(request.source,))
    return motion_set(
        motion_trials(trial, request, mapping, name=name),
        window=request.window,
        points=request.points,
        cut_name=request.source,
        source=name,
        settings=settings,
        provenance=trial.provenance if "provenance" in trial.tree.attrs else None,
    )


def motion_settings(request: CutRequest) -> MotionSettings:
    """Return the settings of landmark windows in a request."""
    return MotionSettings(
        inputs=request.landmark_inputs,
        frame=request.frame,
        mirror=request.mirror,
        physics=request.physics,
        window_s=request.window_s,
        overlap=request.overlap,
        rate_hz=request.rate_hz,
    )


def motion_trials(trial: Trial, request: CutRequest, mapping: LandmarkMapping, *, name: str) -> list[MotionTrial]:
    """Return a trial as landmarks and forces of each foot, heading along X; forces filtered as the request says.

    A treadmill trial gives one, an overground trial one for each pass (:func:`passes`), since passes go different ways.
    Passes without a heading are left out and counted.
    """
    surface = str(trial.tree.attrs.get("surface", ""))
    streams = low_passed(trial.streams, request)
    marks = _landmark_stream(streams)
    plates = {n: s for n, s in streams.items() if s.attrs.get("kind") == "force_plate"}
    _check_frames(marks, plates)
    detected = find_stances(trial, source=request.source, rule=request.rule)
    on_plates = detected if request.source == "force" else find_stances(trial, source="force", rule=request.rule)
    points = landmarks(_points(marks), mapping)
    centres = plate_centres(trial, plates, request, name) if request.targets == "cop" else None
    parts = passes(points) if surface == "overground" else [points]
    rejected = Counter(detected.rejected)
    rejected["foot unknown"] += sum(s.side == "unknown" for s in detected.stances)
    rejected[OUTSIDE] += sum(not any(_during(s, p) for p in parts) for s in detected.stances if s.side != "unknown")
    trials = []
    for part in parts:
        try:
            moved = travel(part, overground=surface == "overground")
        except BadInputError:
            # of an only pass the reason itself says more than a count of one
            if len(parts) == 1:
                raise
            rejected[NO_HEADING] += 1
            continue
        columns = _columns(plates, mapping, moved)
        trials.append(_pass_trial(part, moved, columns, (detected, on_plates), trial, name, centres))
    if not trials:
        raise BadInputError(f"none of the {len(parts)} passes has a heading; landmarks are seen too shortly")
    # counted for the trial as a whole: once, with its first pass
    trials[0].rejected.update({reason: count for reason, count in rejected.items() if count})
    return trials


def passes(points: Points, *, gap_s: float = 0.5, least_frames: int = 8) -> list[Points]:
    """Return the stretches in which the pelvis is visible without gaps over ``gap_s``; short ones are dropped."""
    frames = np.flatnonzero(np.isfinite(points.path("pelvis")).all(axis=1))
    if not frames.size:
        return []
    borders = np.flatnonzero(np.diff(points.time_s[frames]) > gap_s)
    firsts, lasts = frames[np.r_[0, borders + 1]], frames[np.r_[borders, frames.size - 1]]
    long = [slice(a, b + 1) for a, b in zip(firsts, lasts) if b + 1 - a >= least_frames]
    return [Points(points.time_s[k], points.names, points.position[k]) for k in long]


@dataclass(frozen=True)
class _Paths:
    """The centre of pressure of one foot's contacts: called with a contact's place and times, gives path and weight."""

    columns: list[PlateColumns]
    stances: list[Stance]
    others: tuple[Stance, ...]
    centres: PlateCentres
    weight_n: float

    def __call__(self, index: int, at_s: Floats) -> tuple[Floats, Floats] | str:
        stance = self.stances[index]
        on_plates = stance if stance.plates else plate_contact(stance, self.others)
        if on_plates is None:
            return PARTIAL
        stance = replace(stance, plates=on_plates.plates)
        path = self.centres.path(self.columns, stance, at_s, self.weight_n)
        if isinstance(path, str):
            return path
        alone = no_other_foot(self.columns, stance, self.others, at_s)
        return target_window(path, alone.astype(np.float64))


def _weight_n(trial: Trial) -> float:
    return float(trial.tree.attrs["mass_kg"]) * G


def _during(stance: Stance, points: Points) -> bool:
    return bool(stance.ic_s < points.time_s[-1] and not stance.to_s < points.time_s[0])


def _pass_trial(
    points: Points,
    moved: Travel,
    columns: list[PlateColumns],
    cuts: tuple[Stances, Stances],
    trial: Trial,
    name: str,
    centres: PlateCentres | None,
) -> MotionTrial:
    attrs = trial.tree.attrs
    ahead, straight = heading_aligned(points, moved)
    speed = float(attrs.get("speed_m_s", np.nan))
    feet: dict[Side, FootForce] = {}
    sides: tuple[Side, ...] = ("left", "right")
    for side in sides:
        foot_stances = [s for s in cuts[0].stances if s.side == side and _during(s, points)]
        feet[side] = _foot(columns, foot_stances, cuts[1].stances, side, trial)
        if centres is not None:
            whole = [s for s in foot_stances if np.isfinite(s.to_s)]
            paths = _Paths(columns, whole, (*cuts[1].stances, *cuts[0].stances), centres, _weight_n(trial))
            feet[side] = replace(feet[side], centres=paths)
    return MotionTrial(
        participant=str(attrs["participant"]),
        name=name,
        surface="overground" if str(attrs.get("surface", "")) == "overground" else "treadmill",
        condition="",
        mass_kg=float(attrs["mass_kg"]),
        speed_m_s=speed if np.isfinite(speed) else moved.speed_m_s,
        slope_percent=float(attrs.get("slope_percent", np.nan)),
        points=ahead,
        travel=straight,
        feet=feet,
    )


def _mapping(name: str) -> LandmarkMapping:
    if not name:
        raise BadInputError(
            "landmarks need a mapping: mapping = 'NAME' in the [cut] table of a TOML file for --config (mapping='NAME'"
            f" in Python), one of {', '.join(mapping_names())}, or a file"
        )
    return load_mapping(name if not name.endswith(".toml") else Path(name))


def _landmark_stream(streams: Mapping[str, xr.Dataset]) -> xr.Dataset:
    landmark_streams = {n: s for n, s in streams.items() if s.attrs.get("kind") == "landmarks"}
    # markers of the plates' own file stand beside those that were aligned: a device's are what a model gets
    aligned = {n: s for n, s in landmark_streams.items() if not n.startswith("reference/")}
    landmark_streams = aligned or landmark_streams
    if len(landmark_streams) != 1:
        names = ", ".join(streams) or "nothing"
        raise BadInputError(f"the trial holds {len(landmark_streams)} landmark streams, expected one; it holds {names}")
    return next(iter(landmark_streams.values()))


def _check_frames(marks: xr.Dataset, plates: Mapping[str, xr.Dataset]) -> None:
    if not plates:
        raise BadInputError("the trial holds no force plate; landmarks are learnt from with the force of each foot")
    frame = str(marks["position"].attrs.get("frame", ""))
    for name, plate in plates.items():
        lacking = [a for a in ("fx", "fy", "fz") if a not in plate]
        if lacking:
            raise BadInputError(f"{name} holds no {', '.join(lacking)}; landmarks are learnt from with three forces")
        other = str(plate["fz"].attrs.get("frame", ""))
        if other != frame or frame not in SHARED_FRAMES:
            raise BadInputError(
                f"{name} is in the {other or 'unknown'} frame and the landmarks are in the {frame or 'unknown'} one;"
                f" expected both in one of {', '.join(SHARED_FRAMES)}: give both from one file, or calibrate the plates"
            )


def _points(marks: xr.Dataset) -> Points:
    time = np.asarray(marks["time"].values, dtype=np.float64)
    stamped = np.isfinite(time)
    names = tuple(str(n) for n in marks["landmark"].values)
    return Points(time[stamped], names, np.asarray(marks["position"].values, dtype=np.float64)[stamped])


def _columns(plates: Mapping[str, xr.Dataset], mapping: LandmarkMapping, moved: Travel) -> list[PlateColumns]:
    """Return each plate's force on the foot: up, along the heading, and to its left."""
    by_plate = []
    for name, plate in plates.items():
        raw: NDArray[Any] = np.stack([np.asarray(plate[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        x, y, z = aligned(turned(raw, mapping.axes), moved.heading_rad).T
        # a file that holds the force on the plate: all three axes are turned round
        sign = -1.0 if np.nansum(z * upward_n(plate, name)) < 0 else 1.0
        time = np.asarray(plate["time"].values, dtype=np.float64)
        force = sign * np.stack([z, x, y], axis=1)
        by_plate.append(PlateColumns(name, str(plate.attrs.get("knows_feet", "")), time, force))
    return by_plate


def _foot(
    columns: list[PlateColumns], detected: list[Stance], on_plates: tuple[Stance, ...], side: Side, trial: Trial
) -> FootForce:
    time = columns[0].time_s[np.isfinite(columns[0].time_s)]
    weight_n = _weight_n(trial)
    belt = str(trial.tree.attrs.get("surface", "")) == "treadmill"
    force, _ = foot_force(columns, on_plates, side, time, weight_n=weight_n, treadmill=belt)
    contacts = [(s.ic_s, s.to_s) for s in detected if np.isfinite(s.to_s)]
    # from up, forward, left back to X, Y, Z
    return FootForce(time, force[:, [1, 2, 0]], np.asarray(contacts, dtype=np.float64).reshape(-1, 2))
