"""The feet of a recording of landmarks: the mapping that makes the eleven, the passes, the stances, their inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..dataset.cut import INPUTS, CutRequest, Input
from ..dataset.from_landmarks import motion_settings, passes
from ..dataset.motion import PHYSICS, MotionSettings, channel_names, stance_inputs, static_points
from ..errors import BadInputError
from ..formats.c3d import parse_c3d
from ..gait.contacts import ContactRule, Rejection, rule_of
from ..gait.landing import Travel, heading_aligned, travel
from ..gait.landmark_stances import stances_of_landmarks
from ..gait.landmarks import (
    LANDMARKS,
    LandmarkMapping,
    LandmarkMissingError,
    Points,
    landmarks,
    load_mapping,
    mapping_names,
    segment_points,
)
from ..gait.stances import Stance
from ..gait.virtual_accelerometers import CHANNELS
from ..learn.spec import ModelSpec
from .feet import Foot, cut_findings
from .source import EstimateRequest, EstimateSource
from .types import SIDES, Side

BY_LANDMARKS = "landmarks"
"""What cuts the stances: turning points of the landmarks themselves."""
_SLOWEST_HZ = 90.0
"""Rate of landmarks below which velocities and accelerations are not those of training (150 Hz, 20 Hz low-pass)."""


def of_landmarks(spec: ModelSpec) -> bool:
    """Return whether a model takes landmarks."""
    return all(c.startswith(LANDMARKS) or c in (*PHYSICS, *CHANNELS) for c in spec.scaler.channels)


def landmark_feet(
    spec: ModelSpec, source: EstimateSource, request: EstimateRequest, facts: dict[str, Any], findings: list[str]
) -> list[Foot]:
    """Return both feet with the inputs of their stances; a speed that nobody stated is that of the landmarks.

    Raises
    ------
    BadInputError
        If there are no landmarks, no mapping makes the eleven of them, the body does not travel, or the model is of
        continuous windows.
    """
    if spec.window != "stance":
        raise BadInputError(
            "a model of landmarks in continuous windows cannot be used on a recording; train on stances"
        )
    if request.cut not in ("", BY_LANDMARKS):
        raise BadInputError(
            f"stances of landmarks are cut by themselves, not by '{request.cut}'; leave out --cut (cut in Python)"
        )
    marks = _marks(source)
    static = static_points(request.static) if request.static else None
    turned = _theia(marks, source.path)
    points, mapping = turned or eleven_landmarks(marks, request.mapping, static)
    _check_upright(points, mapping)
    told = spec.cut_told
    findings += _notes(points, mapping, str(told.get("mapping", "")))
    findings += cut_findings(spec, BY_LANDMARKS, "turning points of the landmarks")
    rule, settings = rule_of(str(told.get("rule", "5%BW"))), _settings(spec)
    _check_rate(spec, points, settings, source.name)
    overground = str(source.trial.tree.attrs.get("surface", "")) == "overground"
    parts = _headed(passes(points), source.name, overground=overground)
    if not np.isfinite(facts["speed_m_s"]):
        facts["speed_m_s"] = float(np.median([moved.speed_m_s for _, moved in parts]))
    return [_foot(spec, side, parts, rule, settings, _samples(points, side, marks)) for side in SIDES]


def _foot(
    spec: ModelSpec,
    side: Side,
    parts: list[tuple[Points, Travel]],
    rule: ContactRule,
    settings: MotionSettings,
    base: xr.Dataset,
) -> Foot:
    """Return one foot: its stances in all passes, and what the model takes of each."""
    columns = [channel_names(settings).index(c) for c in spec.scaler.channels]
    stances: list[Stance] = []
    rejected: list[Rejection] = []
    windows: list[tuple[Floats, Floats]] = []
    for part, moved in parts:
        found = stances_of_landmarks(part, side, rule)
        inputs = stance_inputs(part, moved, side, found.spans, spec.points, settings)
        windows += [(at, values[:, columns]) for at, values in inputs]
        stances += [Stance(float(a), float(b), side, BY_LANDMARKS, "turning points") for a, b in found.spans]
        rejected += found.rejections
    return Foot(side, {}, base, tuple(stances), tuple(rejected), tuple(windows))


def _settings(spec: ModelSpec) -> MotionSettings:
    told, channels = spec.cut_told, spec.scaler.channels
    virtual: tuple[Input, ...] = ("accelerometer",) if any(c in CHANNELS for c in channels) else ()
    request = CutRequest(
        points=spec.points,
        landmark_inputs=(*INPUTS, *virtual),
        mirror=spec.mirrored,
        frame=told.get("frame", CutRequest.frame),
        physics=any(c in PHYSICS for c in channels),
    )
    return motion_settings(request)


def _marks(source: EstimateSource) -> xr.Dataset:
    streams = {n: s for n, s in source.trial.streams.items() if s.attrs.get("kind") == "landmarks"}
    if len(streams) != 1:
        held = ", ".join(source.trial.streams) or "nothing"
        raise BadInputError(
            f"{source.name}: holds {len(streams)} streams of landmarks, and the model takes one (it holds {held}); give"
            " a TRC or C3D of markers"
        )
    return next(iter(streams.values()))


def _theia(marks: xr.Dataset, path: Path | None) -> tuple[Points, LandmarkMapping] | None:
    """Return the eleven landmarks of Theia's segments, whose directions its file holds; None of anything else."""
    if marks.attrs.get("source") != "theia3d rotations" or path is None:
        return None
    mapping, file = load_mapping("theia3d"), parse_c3d(path.read_bytes())
    position = np.asarray(marks["position"].values, dtype=np.float64)
    if len(file.rotations) != len(position):
        raise BadInputError(f"{path.name}: has frames without a rotation, so that heel and toe cannot be placed")
    matrices = file.rotations.astype(np.float64)
    # origins as they were read: in metres
    matrices[:, :, :3, 3] = position
    time = np.asarray(marks["time"].values, dtype=np.float64)
    names = [str(n) for n in marks["landmark"].values]
    return landmarks(segment_points(time, matrices, names, mapping), mapping), mapping


def eleven_landmarks(marks: xr.Dataset, name: str, static: Points | None) -> tuple[Points, LandmarkMapping]:
    """Return the eleven landmarks, and the mapping that was named or is the only one to make them."""
    time = np.asarray(marks["time"].values, dtype=np.float64)
    known = np.isfinite(time)
    names = tuple(str(n) for n in marks["landmark"].values)
    raw = Points(time[known], names, np.asarray(marks["position"].values, dtype=np.float64)[known])
    if name:
        mapping = load_mapping(name)
        return landmarks(raw, mapping, static=static), mapping
    made: list[tuple[Points, LandmarkMapping]] = []
    for each in mapping_names():
        mapping = load_mapping(each)
        try:
            made.append((landmarks(raw, mapping, static=static), mapping))
        except LandmarkMissingError:
            continue
    behind = {name for _, mapping in made for name in mapping.over}
    made = [(points, mapping) for points, mapping in made if mapping.name not in behind]
    if len(made) != 1:
        fitting = ", ".join(mapping.name for _, mapping in made) or "none"
        raise BadInputError(
            f"of the shipped mappings {fitting} makes the eleven landmarks of {', '.join(names[:8])}"
            f"{' ...' if len(names) > 8 else ''}; name one with --mapping (mapping in Python):"
            f" {', '.join(mapping_names())}, or a file of your own: it then says which landmark lacks what"
            + ("" if made or static is not None else "; some need a static trial, too: --static (static in Python)")
        )
    return made[0]


def _check_upright(points: Points, mapping: LandmarkMapping) -> None:
    """Refuse landmarks whose pelvis is rather beside or below the ankles: a mapping's axes are of one kind of file."""
    ankles = (points.path("ankle_left") + points.path("ankle_right")) / 2.0
    apart = points.path("pelvis") - ankles
    apart = apart[np.isfinite(apart).all(axis=1)]
    x, y, z = np.median(apart, axis=0) if len(apart) else (0.0, 0.0, 1.0)
    if not z > max(abs(x), abs(y)):
        raise BadInputError(
            f"the pelvis is not above the feet along the axes of mapping '{mapping.name}' (forward, left, up are"
            f" {', '.join(mapping.axes)} of the file): another program's files of these markers have other axes; copy"
            " the mapping from grfkit/gait/mappings, put this file's axes in, and name it with --mapping (mapping in"
            " Python)"
        )


def _check_rate(spec: ModelSpec, points: Points, settings: MotionSettings, name: str) -> None:
    """Refuse landmarks so slow that the velocities and accelerations of the model's inputs cannot be had."""
    cutoff = settings.derivative_lowpass_hz
    rate = 1.0 / float(np.median(np.diff(points.time_s)))
    derived = any(
        c.endswith(("_velocity", "_acceleration")) or c in (*PHYSICS, *CHANNELS) for c in spec.scaler.channels
    )
    if derived and cutoff is not None and not rate > 2.0 * cutoff:
        raise BadInputError(
            f"{name}: its landmarks come at {rate:.3g} Hz, and the model takes velocities and accelerations up to"
            f" {cutoff:g} Hz, for which it needs more than {2 * cutoff:g} Hz (frames that are filled in add nothing);"
            " record faster"
        )


def _notes(points: Points, mapping: LandmarkMapping, trained: str) -> list[str]:
    """Return what is to be known of where landmarks come from."""
    rate = 1.0 / float(np.median(np.diff(points.time_s)))
    notes = [f"landmarks are made by the mapping '{mapping.name}'"]
    if trained and trained != mapping.name:
        notes[0] += f"; the model was trained on those of '{trained}', whose joint centres lie a little elsewhere"
    if mapping.virtual:
        notes.append(f"heel and toe of '{mapping.name}' are points fixed in the segments, whose place is a guess")
    if rate < _SLOWEST_HZ:
        notes.append(f"landmarks at {rate:.0f} Hz are slower than those of training; fast changes are smoothed away")
    return notes


def _headed(parts: list[Points], name: str, *, overground: bool) -> list[tuple[Points, Travel]]:
    """Return the passes that have a heading, each along X.

    Raises
    ------
    BadInputError
        If none has; of an only one, why.
    """
    headed = []
    for part in parts:
        try:
            headed.append(heading_aligned(part, travel(part, overground=overground)))
        except BadInputError:
            if len(parts) == 1:
                raise
    if not headed:
        raise BadInputError(f"{name}: in none of {len(parts)} stretches is the body seen travelling long enough")
    return headed


def _samples(points: Points, side: Side, marks: xr.Dataset) -> xr.Dataset:
    """Return the stream whose samples the foot's curve has: the path of its ankle."""
    path = points.path(f"ankle_{side}")
    data = {f"ankle_{axis}": ("time", path[:, i]) for i, axis in enumerate("xyz")}
    rate = float(marks.attrs.get("rate_hz", 1.0 / float(np.median(np.diff(points.time_s)))))
    return xr.Dataset(data, {"time": points.time_s}, dict(marks.attrs) | {"side": side, "rate_hz": rate})
