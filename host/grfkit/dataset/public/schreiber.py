"""Benchmark C: overground walking, eleven landmarks at 100 Hz to 3D force of two plates at 1500 Hz.

Schreiber & Moissenet 2019 (doi 10.1038/s41597-019-0124-4).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...formats.c3d import parse_c3d
from ...gait.contacts import ContactRule, contacts_from_force, rule_of
from ...gait.landing import aligned, heading_aligned, travel
from ...gait.landmarks import Points, landmarks, load_mapping
from ...io import read
from ...provenance import Provenance, describe_input
from ...records.stance_set import StanceSet
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
from .tables import table

_MAPPING = "schreiber"
FAR = "no foot near the centre of pressure"
_FAR_M = 0.15
"""Distance (m) of a plate's centre of pressure from the line of heel and toe above which the contact is nobody's.
Chosen by hand."""
_OUTER, _LOOKS = 0.3, 9
"""Share of a contact at either end that does not tell whose it is, and at how many times in between the feet are looked
at. Chosen by hand: there the other foot is still, or already, near the plate."""
_EDGE_SAMPLES = 1.5
"""Samples around a contact in which the plate's force is the foot's, although below the threshold."""
_LIGHTEST_KG, _HEAVIEST_KG = 20.0, 300.0
"""Body masses (kg) that the file's weight may state."""


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
    """Return the windows of the walkers in a folder with ``data/PERSON/dynamic/PERSON_CONDITION_NUMBER.c3d``.

    Mass is the file's own. Each plate's contact is given to the foot nearest to its centre of pressure. People begin
    beside the plates: continuous windows count only where a foot is on its plate.

    Raises
    ------
    BadInputError
        If no such file is there, or one lacks what is needed.
    """
    settings = settings or MotionSettings()
    check_request(window, cut, settings)
    paths = sorted(Path(folder).glob("data/*/dynamic/*.c3d"))
    people = {p.parent.parent.name for p in paths}
    missing = sorted(set(participants or ()) - people)
    if not paths or missing:
        raise BadInputError(f"{folder}: holds no walker {', '.join(missing)}; fetch the recordings first")
    limits = rule_of(rule).walking()
    paths = [p for p in paths if participants is None or p.parent.parent.name in participants]
    trials = [read_trial(p, limits) for p in paths]
    provenance = Provenance(
        configuration={"mass_source": "stated", "mapping": _MAPPING}, inputs=[describe_input(p) for p in paths]
    )
    return motion_set(
        trials, window=window, points=points, cut_name=cut, source="schreiber", settings=settings, provenance=provenance
    )


def read_trial(path: PathLike, rule: ContactRule) -> MotionTrial:
    """Return a walk: landmarks with the heading along X, and the force of each foot where it is on its plate."""
    path = Path(path)
    person, code = path.stem.split("_")[:2]
    conditions = table("schreiber")["conditions"]
    mass = stated_mass_kg(path)
    streams = read(path).streams
    marks = streams["landmarks"]
    names = tuple(str(n) for n in marks["landmark"].values)
    raw = Points(np.asarray(marks["time"].values), names, np.asarray(marks["position"].values))
    statics = sorted(path.parent.parent.glob("static/*.c3d"))
    body = landmarks(raw, load_mapping(_MAPPING), static=static_points(statics[0]) if statics else None)
    moved = travel(body, overground=True)
    ahead, straight = heading_aligned(body, moved)
    plates = [s for s in streams.values() if s.attrs["kind"] == "force_plate"]
    feet, rejected = _feet(plates, body, rule, mass, moved.heading_rad)
    return MotionTrial(
        participant=person,
        name=path.stem,
        surface="overground",
        condition=str(conditions.get(code, code)),
        mass_kg=mass,
        speed_m_s=moved.speed_m_s,
        slope_percent=LEVEL_PERCENT,
        points=ahead,
        travel=straight,
        feet=feet,
        rejected=rejected,
    )


def stated_mass_kg(path: Path) -> float:
    """Return the body mass that a trial's file states.

    Raises
    ------
    BadInputError
        If it states none, or one that is no person's.
    """
    parameters = parse_c3d(path.read_bytes()).parameters
    labels, values = parameters.texts("SUBJECT", "LABELS"), parameters.numbers("SUBJECT", "VALUES")
    if "weight" not in labels or not _LIGHTEST_KG < values[labels.index("weight")] < _HEAVIEST_KG:
        raise BadInputError(f"{path}: states no weight in SUBJECT; force cannot be put in body weights")
    return float(values[labels.index("weight")])


def _feet(
    plates: list[xr.Dataset], points: Points, rule: ContactRule, mass: float, heading_rad: float
) -> tuple[dict[Side, FootForce], dict[str, int]]:
    """Return each foot's force on its plates, NaN while it is on none, heading along X."""
    time = np.asarray(plates[0]["time"].values, dtype=np.float64)
    foot_forces = {side: np.full((time.size, 3), np.nan) for side in SIDES}
    spans: dict[Side, list[tuple[float, float]]] = {side: [] for side in SIDES}
    rejected: dict[str, int] = {}
    for plate in plates:
        force = np.stack([np.asarray(plate[f"f{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        cop = np.stack([np.asarray(plate[f"cop_{a}"].values, dtype=np.float64) for a in "xyz"], axis=1)
        contacts = contacts_from_force(time, force[:, 2], rule=rule, mass_kg=mass)
        for reason, count in contacts.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
        for ic, to in zip(contacts.ic_s, contacts.to_s):
            whose = nearest_foot(points, time, cop, float(ic), float(to))
            if whose is None:
                rejected[FAR] = rejected.get(FAR, 0) + 1
                continue
            step = _EDGE_SAMPLES * float(np.median(np.diff(time)))
            inside = (time >= ic - step) & (time <= to + step)
            foot_forces[whose][inside] = aligned(force[inside], heading_rad)
            spans[whose].append((float(ic), float(to)))
    feet: dict[Side, FootForce] = {}
    for side in SIDES:
        if spans[side]:
            ordered = np.asarray(sorted(spans[side]))
            feet[side] = FootForce(time, foot_forces[side], ordered)
    return feet, rejected


def nearest_foot(points: Points, time_s: Floats, cop_m: Floats, ic_s: float, to_s: float) -> Side | None:
    """Return the foot whose heel-to-toe line is nearest to a plate's centre of pressure in the middle of contact.

    None where neither is within 15 cm.
    """
    at = np.linspace(ic_s + _OUTER * (to_s - ic_s), to_s - _OUTER * (to_s - ic_s), _LOOKS)
    pressed = np.stack([np.interp(at, time_s, cop_m[:, i]) for i in (0, 1)], axis=1)
    away: dict[Side, float] = {}
    for side in SIDES:
        ends = [
            np.stack([np.interp(at, points.time_s, points.path(f"{part}_{side}")[:, i]) for i in (0, 1)], axis=1)
            for part in ("heel", "toe")
        ]
        along = ends[1] - ends[0]
        # foot of the perpendicular on the line from heel to toe, held between the two
        share = np.clip(((pressed - ends[0]) * along).sum(axis=1) / (along * along).sum(axis=1), 0.0, 1.0)
        gap = np.linalg.norm(pressed - ends[0] - share[:, None] * along, axis=1)
        away[side] = float(np.nanmedian(gap)) if np.isfinite(gap).any() else np.inf
    best: Side = "left" if away["left"] < away["right"] else "right"
    return best if away[best] <= _FAR_M else None
