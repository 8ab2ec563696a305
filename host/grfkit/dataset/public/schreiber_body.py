"""The walkers of Schreiber & Moissenet 2019 as bodies that can be filmed: joints from markers, the head by anatomy.

The data set has no marker on the head: it is put over the seventh cervical vertebra, upright with the trunk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...formats.c3d import parse_c3d
from ...gait.landing import aligned, travel
from ...gait.landmarks import SIDES, Points, landmarks, load_mapping
from ...io import read
from ...records import Recording
from ...simulate.film.anatomy import head_points, toe_tip
from ...simulate.film.motion import FilmedBody
from ..motion import static_points

_LETTERS = {"left": "L", "right": "R"}
_ACROMION_M = 0.045
"""How far (m) the shoulder's centre lies below the acromion. Chosen by hand."""


def filmed_walker(path: PathLike) -> tuple[Recording, FilmedBody]:
    """Return the plates of a trial and its walker, heading along X, on the plates' clock.

    Raises
    ------
    BadInputError
        If markers are missing or the file states no stature.
    """
    path = Path(path)
    recording = read(path)
    stream = recording.streams["landmarks"]
    names = tuple(str(n) for n in stream["landmark"].values)
    raw = Points(np.asarray(stream["time"].values), names, np.asarray(stream["position"].values))
    statics = sorted(path.parent.parent.glob("static/*.c3d"))
    legs = landmarks(raw, load_mapping("schreiber"), static=static_points(statics[0]) if statics else None)
    heading = travel(legs, overground=True).heading_rad
    height = _height_m(path)
    points = _legs(legs, heading) | _upper(raw, heading, height)
    first, last = float(raw.time_s[0]), float(raw.time_s[-1])
    return recording, FilmedBody(raw.time_s, points, height, f"markers of {path.stem}", (first, last))


def _height_m(path: Path) -> float:
    parameters = parse_c3d(path.read_bytes()).parameters
    labels, values = parameters.texts("SUBJECT", "LABELS"), parameters.numbers("SUBJECT", "VALUES")
    height = float(values[labels.index("height")]) if "height" in labels else float("nan")
    height = height / 100.0 if height > 100.0 else height
    if not 1.2 < height < 2.3:
        raise BadInputError(f"{path}: states no stature in SUBJECT; a head cannot be put on the body")
    return height


def _legs(legs: Points, heading_rad: float) -> dict[str, Floats]:
    points = {}
    for side in SIDES:
        for part in ("hip", "knee", "ankle", "heel"):
            points[f"{part}_{side}"] = aligned(legs.path(f"{part}_{side}"), heading_rad)
        ball = aligned(legs.path(f"toe_{side}"), heading_rad)
        points[f"ball_{side}"], points[f"toe_{side}"] = ball, toe_tip(points[f"heel_{side}"], ball)
    return points


def _upper(raw: Points, heading_rad: float, height_m: float) -> dict[str, Floats]:
    def of(*names: str) -> Floats:
        if not raw.has(names):
            raise BadInputError(f"markers {', '.join(names)} are missing; arms and trunk cannot be drawn")
        return aligned(raw.of(names).mean(axis=1), heading_rad)

    down = np.asarray([0.0, 0.0, _ACROMION_M])
    points = {}
    for side in SIDES:
        letter = _LETTERS[side]
        points[f"shoulder_{side}"] = of(f"{letter}_SAE", f"{letter}_SAA") - down
        points[f"elbow_{side}"] = of(f"{letter}_HLE", f"{letter}_HME")
        points[f"wrist_{side}"] = of(f"{letter}_RSP", f"{letter}_UHE")
        points[f"hand_{side}"] = of(f"{letter}_HM2", f"{letter}_HM5")
    vertebra = of("CV7")
    points["neck"] = 0.5 * (vertebra + of("SJN"))
    points |= head_points(vertebra, height_m)
    return points
