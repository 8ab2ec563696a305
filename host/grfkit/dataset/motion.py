"""Trials of landmarks with the force of each foot, and their windows: shared by trials and public recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..gait.landing import Travel, landing_frame, mirrored
from ..gait.landmarks import LANDMARKS, Points
from ..gait.temporal import strides_of_foot
from ..gait.virtual_accelerometers import CHANNELS, mirrored_sensors, virtual_accelerometers
from ..io import read
from ..provenance import Provenance
from ..records.stance_set import AXES, SCALARS, StanceSet, make_stance_set
from ..records.target_units import COP_AXES
from ..signals.filters import lowpass
from ..units import G
from .cut import INPUTS, Input
from .resample import check_window, continuous_starts, derivatives, linear, resampled, stance_times

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")

_UNITS = {"position": "m", "velocity": "m/s", "acceleration": "m/s^2", "accelerometer": "m/s^2"}
_ORDER = {"position": 0, "velocity": 1, "acceleration": 2}
PHYSICS = ("physics_v", "physics_ap", "physics_ml")
"""Force on the whole body by Newton's second law, BW: up, along the heading, and medial of the window's foot."""
_TRUNK = ("pelvis", "hip_left", "hip_right")
LEVEL_PERCENT = 0.0
"""Slope (%) of a laboratory's floor, and of the treadmills of the public recordings: level."""
MISSING = "landmark missing"
OUTSIDE = "landmarks end within the stance"


@dataclass(frozen=True)
class MotionSettings:
    """How windows are made of landmarks.

    Attributes
    ----------
    inputs
        Any of ``position``, ``velocity`` and ``acceleration`` of the eleven landmarks, and ``accelerometer``: virtual
        ones on seven segments (:mod:`~grfkit.gait.virtual_accelerometers`).
    frame
        ``landing``: the origin stays on the ground under the pelvis at contact (of a belt: moves back with it), so
        that a treadmill looks like a floor. ``travelling``: it moves with the body, so that a floor looks like a belt.
        ``lab``: it stays in the lab (Zhou 2025).
    mirror
        Turn left stances into right ones.
    derivative_lowpass_hz, position_lowpass_hz, force_lowpass_hz
        Corrected zero-lag cut-offs; None filters nothing.
    physics
        Add the physics prior's channels (:data:`PHYSICS`) behind the others.
    window_s, overlap, rate_hz
        Of continuous windows; their origin is taken at the window's middle.
    """

    inputs: tuple[Input, ...] = INPUTS
    frame: Literal["landing", "travelling", "lab"] = "landing"
    mirror: bool = True
    position_lowpass_hz: float | None = None
    derivative_lowpass_hz: float | None = 20.0
    force_lowpass_hz: float | None = None
    physics: bool = False
    window_s: float = 2.0
    overlap: float = 0.0
    rate_hz: float = 150.0


@dataclass(frozen=True)
class FootForce:
    """The force on one foot: N, X along the heading, Y left, Z up; NaN where unknown; and its contacts.

    Attributes
    ----------
    force_n
        Shape (samples, 3).
    contacts
        Contact and toe-off, s, shape (contacts, 2).
    centres
        Where the centre of pressure is the target: gives of a contact, by its place in ``contacts``, at these times its
        path (mm; NaN where unknown) and where it counts; or why it has none.
    """

    time_s: Floats
    force_n: Floats
    contacts: Floats
    centres: Callable[[int, Floats], tuple[Floats, Floats] | str] | None = None


@dataclass(frozen=True)
class MotionTrial:
    """One trial, heading along X: landmarks, the force of each foot, and the labels and scalars of its windows.

    ``slope_percent`` is NaN where nobody stated it.
    """

    participant: str
    name: str
    surface: Literal["treadmill", "overground"]
    condition: str
    mass_kg: float
    speed_m_s: float
    points: Points
    travel: Travel
    feet: dict[Side, FootForce]
    rejected: dict[str, int] = field(default_factory=dict)
    slope_percent: float = float("nan")


@dataclass
class _Rows:
    """Windows and their labels and scalars, one entry per window."""

    inputs: list[Floats] = field(default_factory=list)
    targets: list[Floats] = field(default_factory=list)
    weight: list[Floats] = field(default_factory=list)
    labels: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    scalars: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)


def static_points(path: PathLike) -> Points:
    """Return the mean posture of a static C3D trial as one frame, in the file's axes, m."""
    stream = read(path).streams["landmarks"]
    position = np.asarray(stream["position"].values, dtype=np.float64)
    visible = np.isfinite(position)
    total = np.where(visible, position, 0.0).sum(axis=0)
    mean = np.where(visible.any(axis=0), total / np.maximum(visible.sum(axis=0), 1), np.nan)
    return Points(np.zeros(1), tuple(str(n) for n in stream["landmark"].values), mean[None])


def channel_names(settings: MotionSettings) -> list[str]:
    """Return the input channels in order, such as ``heel_right_z`` and ``heel_right_z_velocity``."""
    names: list[str] = []
    for kind in settings.inputs:
        if kind == "accelerometer":
            names += CHANNELS
        else:
            end = "" if kind == "position" else f"_{kind}"
            names += [f"{name}_{axis}{end}" for name in LANDMARKS for axis in "xyz"]
    return [*names, *PHYSICS] if settings.physics else names


def _virtual(provenance: Provenance | None, settings: MotionSettings) -> Provenance | None:
    """Return a provenance that says so where accelerometers are virtual."""
    if "accelerometer" not in settings.inputs:
        return provenance
    cutoff = settings.derivative_lowpass_hz
    smooth = "as they are" if cutoff is None else f"low-passed at {cutoff:g} Hz (zero-lag, corrected)"
    said = (
        "accelerometers are virtual, nobody wore them: second derivatives of points fixed in pelvis, thighs, shanks and"
        f" feet, from landmarks {smooth}, with gravity, along the segments' axes"
    )
    return (provenance or Provenance()).merged(Provenance(findings=[said]))


def physics_bw(time_s: Floats, position: Floats, *, lowpass_hz: float | None) -> Floats:
    """Return the force on the body (BW; X forward, Y left, Z up) by the motion of its trunk, shape (frames, 3).

    ``F / (m g) = (a + g) / g`` with ``a`` the acceleration of the centre of mass, here of the mean of pelvis centre and
    hips: vertical ``1 + a_z / g``, horizontal ``a_x / g`` and ``a_y / g`` (Newton; with all segments, of runners:
    Bobbert et al., J Biomech 24, 1991, 1095-1105). It is the force on *both* feet together: in double
    support the vertical is an upper bound of each foot's, in swing of one foot it is the other's, and in flight it is
    0 but for the motion of arms and legs. A belt of constant speed changes nothing; a slope is not removed.

    Parameters
    ----------
    position
        Shape (frames, 11, 3), heading along X, Z up, m.
    lowpass_hz
        Corrected zero-lag cut-off before differentiation; None filters nothing.
    """
    trunk = position[:, [LANDMARKS.index(n) for n in _TRUNK]].mean(axis=1)
    acceleration = derivatives(time_s, trunk, order=2, lowpass_hz=lowpass_hz) / G
    return np.asarray(acceleration + np.asarray([0.0, 0.0, 1.0]))


def check_request(window: str, cut: str, settings: MotionSettings, *, allowed: Sequence[str] = ("force",)) -> None:
    """Refuse windows, cuts and inputs that do not exist, before any file is read.

    Raises
    ------
    BadInputError
        With what there is.
    """
    check_window(window, cut, allowed)
    bad = [k for k in settings.inputs if k not in _UNITS]
    if bad or not settings.inputs:
        raise BadInputError(f"inputs are {list(settings.inputs)}, expected some of {', '.join(_UNITS)}")
    if settings.frame not in ("landing", "travelling", "lab"):
        raise BadInputError(f"frame is '{settings.frame}', expected landing, travelling or lab")


def motion_set(
    trials: Sequence[MotionTrial],
    *,
    window: str,
    points: int,
    cut_name: str,
    source: str,
    settings: MotionSettings,
    provenance: Provenance | None = None,
) -> StanceSet:
    """Return the windows of all trials.

    Stances run from contact to toe-off, both included, in ``points`` points. Continuous windows hold one foot each
    and count (weight 1) where that foot's force and all landmarks are known. Forces are in body weights; ``mlgrf`` is
    medial of the foot, so that it is the same for a left foot and its mirror image.

    Raises
    ------
    BadInputError
        If no window is left.
    """
    rows, left_out = _Rows(), Counter[str]()
    for trial in trials:
        left_out.update(trial.rejected)
        paths = _paths(trial, settings)
        for side, foot in trial.feet.items():
            if window == "stance":
                _stances(rows, left_out, trial, side, foot, paths, points, settings)
            else:
                _continuous(rows, trial, side, foot, paths, settings)
    if not rows.inputs:
        raise BadInputError(f"{source}: no window was found; left out: {dict(left_out) or 'nothing'}")
    names = ("participant", "trial", "surface", "side", "condition")
    scalars = SCALARS
    return make_stance_set(
        np.stack(rows.inputs),
        np.stack(rows.targets),
        weight=np.stack(rows.weight),
        channels=channel_names(settings),
        units=_channel_units(settings),
        labels={n: [row[i] for row in rows.labels] for i, n in enumerate(names)},
        scalars={n: [row[i] for row in rows.scalars] for i, n in enumerate(scalars)},
        window=window,
        cut=cut_name if window == "stance" else "none",
        source=source,
        start_s=rows.start_s,
        rate_hz=settings.rate_hz if window == "continuous" else float("nan"),
        mirrored=settings.mirror,
        excluded=dict(left_out),
        provenance=_virtual(provenance, settings),
        axes=COP_AXES if any(foot.centres for trial in trials for foot in trial.feet.values()) else AXES,
    )


def stance_inputs(
    points: Points, moved: Travel, side: Side, spans: Floats, samples: int, settings: MotionSettings
) -> list[tuple[Floats, Floats]]:
    """Return times (samples,) and inputs (samples, channels) of one foot's stances, NaN where landmarks are missing.

    The channels are those of :func:`channel_names`, as :func:`motion_set` makes them.

    Parameters
    ----------
    points, moved
        Landmarks and travel of one pass, heading along X.
    spans
        Contact and toe-off, s, shape (stances, 2).
    """
    trial = MotionTrial("", "", "overground", "", float("nan"), moved.speed_m_s, points, moved, {})
    paths = _paths(trial, settings)
    windows = []
    for ic, to in spans:
        at = stance_times(float(ic), float(to), samples)
        windows.append((at, _inputs(trial, side, paths, at, float(ic), settings)))
    return windows


def _channel_units(settings: MotionSettings) -> list[str]:
    counts = {kind: len(CHANNELS) if kind == "accelerometer" else 3 * len(LANDMARKS) for kind in settings.inputs}
    units = [_UNITS[kind] for kind in settings.inputs for _ in range(counts[kind])]
    return [*units, *["BW"] * len(PHYSICS)] if settings.physics else units


def _paths(trial: MotionTrial, settings: MotionSettings) -> dict[str, Floats]:
    """Return the inputs over the whole trial, (frames, 11, 3) each; with ``physics`` the force by motion, (frames, 3).

    Accelerometers are (frames, 7, 3).

    Filters act on whole trials, before anything is cut.
    """
    time, position = trial.points.time_s, trial.points.position
    rate = 1.0 / float(np.median(np.diff(time)))
    if settings.position_lowpass_hz is not None:
        flat = lowpass(position.reshape(len(time), -1), rate_hz=rate, cutoff_hz=settings.position_lowpass_hz)
        position = flat.reshape(position.shape)
    paths = {"position": position}
    for kind in settings.inputs:
        if kind == "accelerometer":
            paths[kind] = virtual_accelerometers(trial.points, lowpass_hz=settings.derivative_lowpass_hz)
        elif _ORDER[kind]:
            paths[kind] = derivatives(time, position, order=_ORDER[kind], lowpass_hz=settings.derivative_lowpass_hz)
    if settings.physics:
        paths["physics"] = physics_bw(time, position, lowpass_hz=settings.derivative_lowpass_hz)
    return paths


def _inputs(
    trial: MotionTrial, side: Side, paths: dict[str, Floats], at_s: Floats, origin_s: float, settings: MotionSettings
) -> Floats:
    """Return the channels at these times, shape (times, channels)."""
    time = trial.points.time_s
    origin = resampled(time, paths["position"][:, LANDMARKS.index("pelvis")], np.asarray([origin_s]))[0]
    drift = _drift(trial.travel, settings)
    parts = []
    for kind in settings.inputs:
        values = resampled(time, paths[kind], at_s)
        if kind == "position":
            values = landing_frame(values, at_s, origin_m=origin, at_s=origin_s, drift_m_s=drift)
        # an acceleration stays as it is: the frame moves at constant velocity
        elif kind == "velocity":
            values = values - drift
        turn = mirrored_sensors if kind == "accelerometer" else mirrored
        turned = turn(values) if settings.mirror and side == "left" else values
        parts.append(turned.reshape(len(at_s), -1))
    if settings.physics:
        x, y, z = resampled(time, paths["physics"], at_s).T
        # up, forward, medial, in the order of PHYSICS; without mirroring too, as the targets
        parts.append(np.stack([z, x, y if side == "right" else -y], axis=1))
    return np.concatenate(parts, axis=1)


def _drift(moved: Travel, settings: MotionSettings) -> Floats:
    """Return the velocity of the frame in the lab."""
    if settings.frame == "lab":
        return np.zeros(3)
    return moved.ground_m_s if settings.frame == "landing" else moved.body_m_s


def _targets(trial: MotionTrial, side: Side, foot: FootForce, at_s: Floats, settings: MotionSettings) -> Floats:
    """Return vertical, forward and medial force at these times, BW, shape (times, 3)."""
    force = foot.force_n
    if settings.force_lowpass_hz is not None:
        rate = 1.0 / float(np.median(np.diff(foot.time_s)))
        force = lowpass(force, rate_hz=rate, cutoff_hz=settings.force_lowpass_hz)
    # straight lines, not the spline of the positions: beside the edge of a contact a cubic swings below 0
    x, y, z = linear(foot.time_s, force, at_s).T / (trial.mass_kg * G)
    return np.stack([z, x, y if side == "right" else -y], axis=1)


def _add(
    rows: _Rows,
    trial: MotionTrial,
    side: Side,
    values: tuple[Floats, Floats, Floats],
    times: tuple[float, float, float],
) -> None:
    """Add a window; ``times`` are its start, contact time and stride time (s)."""
    rows.inputs.append(values[0])
    rows.targets.append(values[1])
    rows.weight.append(values[2])
    rows.labels.append((trial.participant, trial.name, trial.surface, side, trial.condition))
    rows.scalars.append((trial.mass_kg, trial.speed_m_s, trial.slope_percent, *times[1:]))
    rows.start_s.append(times[0])


def _stances(
    rows: _Rows,
    left_out: Counter[str],
    trial: MotionTrial,
    side: Side,
    foot: FootForce,
    paths: dict[str, Floats],
    points: int,
    settings: MotionSettings,
) -> None:
    for index, ((ic, to), stride_s) in enumerate(zip(foot.contacts, strides_of_foot(foot.contacts[:, 0]))):
        at = stance_times(float(ic), float(to), points)
        if at[0] < trial.points.time_s[0] or at[-1] > trial.points.time_s[-1]:
            left_out[OUTSIDE] += 1
            continue
        inputs = _inputs(trial, side, paths, at, float(ic), settings)
        targets = _targets(trial, side, foot, at, settings)
        if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
            left_out[MISSING] += 1
            continue
        weight = np.ones(points)
        if foot.centres is not None:
            path = foot.centres(index, at)
            if isinstance(path, str):
                left_out[path] += 1
                continue
            targets, weight = path
        _add(rows, trial, side, (inputs, targets, weight), (float(ic), float(to - ic), float(stride_s)))


def _continuous(
    rows: _Rows, trial: MotionTrial, side: Side, foot: FootForce, paths: dict[str, Floats], settings: MotionSettings
) -> None:
    start, end = float(trial.points.time_s[0]), float(min(trial.points.time_s[-1], foot.time_s[-1]))
    samples = round(settings.window_s * settings.rate_hz)
    span = (samples - 1) / settings.rate_hz
    for begin in continuous_starts(start, end, window_s=span, overlap=settings.overlap):
        at = begin + np.arange(samples) / settings.rate_hz
        # of what the record holds, where it is shorter than the window
        middle = float(begin + min(span, end - begin) / 2.0)
        inputs = _inputs(trial, side, paths, at, middle, settings)
        targets = _targets(trial, side, foot, at, settings)
        usable = np.isfinite(targets).all(axis=1) & np.isfinite(inputs).all(axis=1)
        weight = np.asarray(usable, dtype=np.float64)
        if weight.any():
            values = (inputs, np.where(weight[:, None] > 0, targets, 0.0), weight)
            _add(rows, trial, side, values, (float(begin), float("nan"), float("nan")))
