"""Treadmill runners of another laboratory: TRC landmarks and MOT forces of each foot, with benchmark B's channels.

Hamner & Delp 2013 (doi 10.1016/j.jbiomech.2012.11.024), as nimblephysics keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...gait.contacts import ContactRule, contacts_from_force, rule_of
from ...gait.landing import aligned, heading_aligned, travel
from ...gait.landmarks import LandmarkMapping, LandmarkMissingError, Points, landmarks, load_mapping, turned
from ...io import read
from ...provenance import Provenance, describe_input
from ...records.stance_set import StanceSet
from ...signals.marker_names import foot_landmarks
from ...units import G
from ..motion import LEVEL_PERCENT, SIDES, FootForce, MotionSettings, MotionTrial, Side, check_request, motion_set
from ..resample import linear
from .tables import table

_MAPPING = "hamner"
LOADED_N = 100.0
"""Force (N) above which a foot is on its plate for certain; chosen by hand."""
LACKING = "whole trial: a landmark's marker is not in it"


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
    """Return the windows of the runners in a folder with ``HamnerSubject04`` and ``HamnerMultipleTrials``.

    Body weight is each runner's mean load over whole steps of all trials. A trial that lacks a marker is left out and
    counted with the landmark that it lacks.

    Raises
    ------
    BadInputError
        If none of the trials is there.
    """
    settings = settings or MotionSettings()
    check_request(window, cut, settings)
    rows = [r for r in table("hamner")["trials"] if participants is None or r["participant"] in participants]
    rows = [r for r in rows if (Path(folder) / r["markers"]).is_file() and (Path(folder) / r["forces"]).is_file()]
    if not rows:
        raise BadInputError(f"{folder}: holds no runner of HamnerSubject04 or HamnerMultipleTrials; fetch them first")
    limits = rule_of(rule)
    mapping = load_mapping(_MAPPING)
    forces = [_forces(Path(folder) / r["forces"], Path(folder) / r["markers"], mapping) for r in rows]
    people = {r["participant"] for r in rows}
    masses = {p: _mass_kg([f for f, r in zip(forces, rows) if r["participant"] == p]) for p in people}
    trials, without = [], 0
    for row, force in zip(rows, forces):
        marks = _landmarks(Path(folder) / row["markers"], mapping)
        if marks is None:
            without += 1
            continue
        trials.append(_trial(row, marks, force, masses[row["participant"]], limits))
    if without and trials:
        trials[0].rejected[LACKING] = without
    files = [describe_input(Path(folder) / r[k]) for r in rows for k in ("markers", "forces")]
    provenance = Provenance(configuration={"mass_source": "mean load", "mapping": _MAPPING}, inputs=files)
    return motion_set(
        trials, window=window, points=points, cut_name=cut, source="hamner", settings=settings, provenance=provenance
    )


def _forces(path: Path, markers: Path, mapping: LandmarkMapping) -> dict[Side, tuple[Floats, Floats]]:
    """Return time (s) and force (N; X forward, Y left, Z up) of each foot.

    Where a file names no feet, a plate's is the one whose heel is nearer to the point of force.

    Raises
    ------
    BadInputError
        If two plates are of one foot.
    """
    plates = [s for s in read(path).streams.values() if s.attrs["kind"] == "force_plate"]
    by_foot: dict[Side, tuple[Floats, Floats]] = {}
    for number, plate in enumerate(plates, 1):
        foot = str(plate.attrs["knows_feet"]) or nearest_foot(plate, read(markers).streams["landmarks"])
        side: Side = "left" if foot == "left" else "right"
        if side in by_foot:
            raise BadInputError(f"{path}: plate {number} is of the {side} foot as another one is; its names are wrong")
        force = np.stack([np.asarray(plate[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        by_foot[side] = (_stamps(plate), turned(force, mapping.axes))
    return by_foot


def nearest_foot(plate: xr.Dataset, marks: xr.Dataset) -> Side:
    """Return the foot whose heel is nearer to a plate's point of force while it is loaded, both in one frame.

    Raises
    ------
    BadInputError
        If the plate is never loaded while both heels are seen.
    """
    force, point = (
        np.stack([np.asarray(plate[f"{name}{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        for name in ("f", "cop_")
    )
    loaded = np.linalg.norm(force, axis=1) > LOADED_N
    feet = foot_landmarks([str(n) for n in marks["landmark"].values])
    away = []
    for side in SIDES:
        heels = marks["position"].values[:, feet.get(side, {}).get("heel", [])]
        paths = linear(_stamps(marks), heels.reshape(len(heels), -1), _stamps(plate)[loaded])
        # of several markers the nearest
        each = np.linalg.norm(paths.reshape(len(paths), -1, 3) - point[loaded, None], axis=2)
        away.append(np.min(each, axis=1, initial=np.inf))
    nearer_left = (away[0] - away[1])[np.isfinite(away[0]) & np.isfinite(away[1])]
    if not nearer_left.size:
        raise BadInputError("a plate is loaded at no time at which both heels are seen; whose foot it is is unknown")
    return "left" if np.median(nearer_left) < 0 else "right"


def _stamps(stream: xr.Dataset) -> Floats:
    """Return the file's own times: markers and forces share a clock, and begin at different times."""
    return np.asarray(stream["time_raw"].values, dtype=np.float64)


def _mass_kg(trials: list[dict[Side, tuple[Floats, Floats]]]) -> float:
    """Return the mean load from the first to the last contact of either foot, over all trials, as a mass."""
    load, time = 0.0, 0.0
    for feet in trials:
        t = next(iter(feet.values()))[0]
        total = np.sum([f[1][:, 2] for f in feet.values()], axis=0)
        ic = contacts_from_force(t, total, rule="20N").ic_s
        # whole steps only: a broken one at either end would move the mean
        inside = (t >= ic[0]) & (t < ic[-1])
        load += float(total[inside].sum())
        time += float(inside.sum())
    return load / time / G


def _landmarks(path: Path, mapping: LandmarkMapping) -> Points | None:
    """Return the landmarks of a TRC file, None where a marker that one of them needs is not in it."""
    marks = read(path).streams["landmarks"]
    raw = Points(_stamps(marks), tuple(str(n) for n in marks["landmark"].values), np.asarray(marks["position"].values))
    try:
        return landmarks(raw, mapping)
    except LandmarkMissingError:
        return None


def _trial(
    row: dict[str, Any],
    points: Points,
    forces: dict[Side, tuple[Floats, Floats]],
    mass_kg: float,
    rule: ContactRule,
) -> MotionTrial:
    moved = travel(points)
    ahead, straight = heading_aligned(points, moved)
    feet: dict[Side, FootForce] = {}
    rejected: dict[str, int] = {}
    for side, (time, force) in forces.items():
        contacts = contacts_from_force(time, force[:, 2], rule=rule, mass_kg=mass_kg)
        for reason, count in contacts.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
        feet[side] = FootForce(
            time, aligned(force, moved.heading_rad), np.stack([contacts.ic_s, contacts.to_s], axis=1)
        )
    return MotionTrial(
        participant=row["participant"],
        name=f"{row['participant']}_{row['name']}",
        surface="treadmill",
        condition=f"run {row['speed_m_s']:g} m/s",
        mass_kg=mass_kg,
        speed_m_s=float(row["speed_m_s"]),
        slope_percent=LEVEL_PERCENT,
        points=ahead,
        travel=straight,
        feet=feet,
        rejected=rejected,
    )
