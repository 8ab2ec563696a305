"""Benchmark B: treadmill running of the RBDS data set, eleven landmarks at 150 Hz to 3D force at 300 Hz.

Fukuchi, Fukuchi & Duarte 2017 (doi 10.7717/peerj.3298); one ``npz`` and one static C3D per runner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...gait.contacts import ContactRule, ContactTimes, contacts_from_force, rule_of, unloaded_level_n
from ...gait.landing import Travel, aligned, heading_aligned, travel
from ...gait.landmarks import LANDMARKS, LandmarkMapping, Points, landmarks, load_mapping, turned
from ...provenance import Provenance, describe_input
from ...records.stance_set import StanceSet
from ...units import G
from ..motion import (
    LEVEL_PERCENT,
    SIDES,
    FootForce,
    MotionSettings,
    MotionTrial,
    Side,
    check_request,
    motion_set,
    static_points,
)

SPEEDS_M_S = {"T25": 2.5, "T35": 3.5, "T45": 4.5}
_MISSING = -32768
"""The extract's value of a missing sample, the least of 16 bits."""
_M_PER_COUNT, _N_PER_COUNT = 1e-4, 0.1
"""The extract holds tenths of a millimetre and of a newton."""
_FLIGHT_SHARE = 0.02
"""Lowest part of the force's range that is flight. Chosen by hand."""
_EDGE_S = 1.5 / 300.0
"""Time (s) around a contact in which the belt's force is the foot's: one and a half samples of 300 Hz."""
_LEAST_LOWER_M = 0.03
"""Difference (m) in height without which the lower foot is not certain. Chosen by hand."""
_OUTER = 0.25
"""Share of a contact at either end that does not tell whose it is: the other foot is low there, too. Chosen by hand."""
_MAPPING = "rbds"
UNSURE = "side unsure"


@dataclass(frozen=True)
class Belt:
    """One trial in lab axes (X forward, Y left, Z up): landmarks, force (samples, 3) N, and its times."""

    points: Points
    time_s: Floats
    force_n: Floats


def load(
    folder: PathLike,
    *,
    window: str = "stance",
    points: int = 101,
    cut: str = "force",
    rule: ContactRule | str = "5%BW",
    settings: MotionSettings | None = None,
    participants: Sequence[str] | None = None,
) -> StanceSet:
    """Return the windows of the runners in a folder of ``RBDSnnn.npz`` and ``RBDSnnnstatic.c3d``.

    Body weight is each runner's mean vertical load over the three trials (a runner in steady state), which the
    provenance states as ``mass_source: mean load``. The belt's force is zeroed in flight, cut by ``rule``, and given
    to the foot that is lower in the middle of contact; there is no double support.

    Parameters
    ----------
    participants
        Runners to take, all by default.

    Raises
    ------
    BadInputError
        If the folder holds no runner, or one of ``participants`` or a static trial is missing.
    """
    settings = settings or MotionSettings()
    check_request(window, cut, settings)
    files = {p.stem: p for p in sorted(Path(folder).glob("RBDS*.npz"))}
    missing = [p for p in participants or () if p not in files]
    if not files or missing:
        raise BadInputError(f"{folder}: holds no {', '.join(missing) or 'RBDSnnn.npz'}; fetch the recordings first")
    mapping = load_mapping(_MAPPING)
    trials: list[MotionTrial] = []
    inputs = []
    for name, path in files.items():
        if participants is None or name in participants:
            static = path.with_name(f"{name}static.c3d")
            trials += _runner(name, path, static, mapping, rule_of(rule))
            inputs += [describe_input(path), describe_input(static)]
    provenance = Provenance(configuration={"mass_source": "mean load", "mapping": _MAPPING}, inputs=inputs)
    return motion_set(
        trials, window=window, points=points, cut_name=cut, source="rbds", settings=settings, provenance=provenance
    )


def trial_of(table: np.lib.npyio.NpzFile, code: str, static: Points, mapping: LandmarkMapping) -> Belt:
    """Return one trial of a runner's ``npz``, landmarks built."""
    marker_rate, force_rate = (float(r) for r in table[f"{code}_rates"])
    raw = table[f"{code}_mk"]
    position = np.where(raw == _MISSING, np.nan, raw.astype(np.float64) * _M_PER_COUNT)
    names = tuple(str(n) for n in table[f"{code}_markers"])
    points = landmarks(Points(np.arange(len(raw)) / marker_rate, names, position), mapping, static=static)
    force = np.where(table[f"{code}_F"] == _MISSING, np.nan, table[f"{code}_F"].astype(np.float64))[:, :3]
    force = force * _N_PER_COUNT
    return Belt(points, np.arange(len(force)) / force_rate, turned(force, mapping.axes))


def _runner(name: str, path: Path, static: Path, mapping: LandmarkMapping, rule: ContactRule) -> list[MotionTrial]:
    if not static.exists():
        raise BadInputError(f"{path}: its static trial {static.name} is missing; joint centres cannot be found")
    posture = static_points(static)
    with np.load(path, allow_pickle=False) as table:
        codes = [c for c in SPEEDS_M_S if f"{c}_mk" in table]
        belts = {code: trial_of(table, code, posture, mapping) for code in codes}
    loads = [_zeroed(belt.force_n)[:, 2] for belt in belts.values()]
    # over many strides at a steady speed the mean vertical force is the weight: nothing rises or sinks for long
    mass = float(np.nanmean(np.concatenate(loads))) / G
    return [belt_trial(name, code, belt, mass, SPEEDS_M_S[code], rule) for code, belt in belts.items()]


def _zeroed(force_n: Floats) -> Floats:
    """Return a force less what each axis shows in flight."""
    low = unloaded_level_n(force_n[:, 2])
    span = float(np.nanmax(force_n[:, 2])) - low
    flight = force_n[:, 2] < low + _FLIGHT_SHARE * span
    return np.asarray(force_n - np.nanmedian(force_n[flight], axis=0))


def belt_trial(name: str, code: str, belt: Belt, mass_kg: float, speed_m_s: float, rule: ContactRule) -> MotionTrial:
    """Return a trial on one belt with the force given to the foot that stands, heading along X."""
    moved = travel(belt.points)
    points, ahead = heading_aligned(belt.points, moved)
    force = aligned(_zeroed(belt.force_n), moved.heading_rad)
    contacts = contacts_from_force(belt.time_s, force[:, 2], rule=rule, mass_kg=mass_kg)
    feet, unsure = _feet(points, belt.time_s, force, contacts)
    rejected = dict(contacts.rejected) | ({UNSURE: unsure} if unsure else {})
    return MotionTrial(
        participant=name,
        name=f"{name}_{code}",
        surface="treadmill",
        condition=f"run {speed_m_s:g} m/s",
        mass_kg=mass_kg,
        speed_m_s=speed_m_s,
        slope_percent=LEVEL_PERCENT,
        points=points,
        # heading 0: points and force are turned along X already
        travel=Travel(0.0, ahead.speed_m_s, ahead.ground_m_s, ahead.body_m_s),
        feet=feet,
        rejected=rejected,
    )


def _feet(points: Points, time_s: Floats, force: Floats, contacts: ContactTimes) -> tuple[dict[Side, FootForce], int]:
    """Return the belt's force by foot: all of it in its contacts, 0 in its swing, NaN where the foot is not certain."""
    sides = [lower_foot(points, float(a), float(b)) for a, b in zip(contacts.ic_s, contacts.to_s)]
    feet: dict[Side, FootForce] = {}
    for side in SIDES:
        foot_force = np.zeros_like(force)
        for ic, to, whose in zip(contacts.ic_s, contacts.to_s, sides):
            inside = (time_s >= ic - _EDGE_S) & (time_s <= to + _EDGE_S)
            foot_force[inside] = force[inside] if whose == side else np.nan if whose is None else 0.0
        # after the contacts: whose force it was is not known, whatever was filled in before
        for rejection in contacts.rejections:
            foot_force[(time_s >= rejection.start_s) & (time_s <= rejection.end_s)] = np.nan
        foot_force[~np.isfinite(force).all(axis=1)] = np.nan
        spans = [(a, b) for a, b, s in zip(contacts.ic_s, contacts.to_s, sides) if s == side]
        feet[side] = FootForce(time_s, foot_force, np.asarray(spans).reshape(-1, 2))
    return feet, sum(s is None for s in sides)


def lower_foot(points: Points, ic_s: float, to_s: float) -> Side | None:
    """Return the foot whose ankle, heel and toe are lower in the middle half of a contact; None within 3 cm."""
    time = points.time_s
    middle = (time >= ic_s + _OUTER * (to_s - ic_s)) & (time <= to_s - _OUTER * (to_s - ic_s))
    heights = []
    for side in SIDES:
        columns = [LANDMARKS.index(f"{part}_{side}") for part in ("ankle", "heel", "toe")]
        part = points.position[middle][:, columns, 2]
        heights.append(float(np.nanmean(part)) if np.isfinite(part).any() else np.nan)
    if not np.isfinite(heights).all() or abs(heights[0] - heights[1]) < _LEAST_LOWER_M:
        return None
    return "left" if heights[0] < heights[1] else "right"


def people(folder: PathLike) -> tuple[str, ...]:
    """Return the runners a folder holds."""
    return tuple(sorted(re.sub(r"\.npz$", "", p.name) for p in Path(folder).glob("RBDS*.npz")))
