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
from ...units import G
from ..motion import FootForce, MotionSettings, MotionTrial, Side, check_request, motion_set
from .tables import table

_MAPPING = "hamner"
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
    forces = [_forces(Path(folder) / r["forces"], mapping) for r in rows]
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


def _forces(path: Path, mapping: LandmarkMapping) -> dict[Side, tuple[Floats, Floats]]:
    """Return time (s) and force (N; X forward, Y left, Z up) of each foot."""
    plates = [s for s in read(path).streams.values() if s.attrs["kind"] == "force_plate"]
    by_foot: dict[Side, tuple[Floats, Floats]] = {}
    for index, plate in enumerate(plates):
        # where a file names no feet, its right one is taken to come first
        foot = str(plate.attrs["knows_feet"]) or ("right", "left")[index]
        force = np.stack([np.asarray(plate[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        by_foot["left" if foot == "left" else "right"] = (_stamps(plate), turned(force, mapping.axes))
    return by_foot


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
        points=ahead,
        travel=straight,
        feet=feet,
        rejected=rejected,
    )
