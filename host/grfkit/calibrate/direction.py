"""The horizontal force examined: braking before propulsion, against centre of pressure, markers, stated forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import Recording, Surface
from ..signals.marker_names import foot_landmarks
from ..signals.runs import true_runs
from ..signals.step_direction import horizontal, pressure_travel, push_direction, up_vector
from .correct import treated
from .findings import Code, Finding, PlateFindings, decided
from .vertical import FORCES, vertical_force

_LEVEL_BW, _LEAST_PEAK_BW = 0.1, 0.6
"""Load (BW) beyond which a foot stands, and that a step reaches; chosen by hand."""
_STEP_S = (0.12, 1.1)
"""Shortest and longest step (s) that is judged; chosen by hand: a sprint's and a slow walk's."""
_FOOT_M, _SURE_FOOT_M = 0.34, 0.2
"""Travel (m) of a centre of pressure that is longer than any foot: then a belt carried it back; and up to which a floor
is certain. Of 67 steps over floors it is 0.03 to 0.20 m (Schreiber 2019 and others), on belts 0.22 m and more."""
_LEAST_TRAVEL_M = 0.04
"""Travel (m) of a centre of pressure that shows a direction; chosen by hand."""
_LEAST_SPEED_M_S = 0.3
"""Speed (m/s) of the markers' middle from which on they show where the person goes; chosen by hand."""
_OPPOSITE, _ACROSS = -0.7, 0.5
"""Cosine of two directions below which they are opposite, and within which they are at right angles. Chosen by hand:
the cosines of right recordings are 0.84 to 1."""
_MOST = 0.8
"""Share of the steps that have to agree. Chosen by hand: people turn round, plates do not."""
_FEWEST, _FEWEST_ACROSS, _FEWEST_CERTAIN = 2, 3, 3
"""Steps that a contradiction, one at right angles, and one beyond doubt take at the least. Chosen by hand: a squat can
look like a step."""
_PASS_S = (0.15, 1.5)
"""Time (s) between contacts on two plates that are one person's steps in one pass; chosen by hand."""

Relation = Literal["", "agrees", "opposite", "across"]


@dataclass(frozen=True)
class _Step:
    """One contact on one plate; vectors of shape (3,), horizontal, None where unknown.

    Attributes
    ----------
    push
        Direction in which it brakes first and propels then.
    pressure
        Direction of walking that the centre of pressure's travel shows.
    body
        Direction in which the markers go or the feet point.
    middle_m
        Middle of the plate.
    """

    plate: str
    start_s: float
    push: Floats
    pressure: Floats | None
    body: Floats | None
    middle_m: Floats | None


def direction_findings(
    recording: Recording, findings: list[PlateFindings], *, weight_n: float, surface: Surface | None, forward: str
) -> list[Finding]:
    """Return what contradicts the horizontal force of walkers and runners; empty where all agrees or none steps.

    In a step the horizontal force first brakes, then propels, so it shows where the person goes. So do the centre of
    pressure (from heel to toe over a floor; backward with a belt), the markers of the recording, the order in which
    plates are stepped on, and what the user states.

    Parameters
    ----------
    findings
        Of the plates: their unambiguous corrections are applied first.
    forward
        File axis that is stated to point forward, ``"+x"``...; empty where none is.
    """
    steps = _steps(recording, findings, weight_n, surface)
    if len(steps) < _FEWEST:
        return []
    stated = up_vector(forward.strip().lower() if forward.strip()[:1] in "+-" else f"+{forward.strip().lower()}")
    by_pressure = _relation([(s.push, s.pressure) for s in steps])
    witness, body, pressure_body = _witness(steps, stated if forward else None)
    if by_pressure == "opposite":
        return [_against_pressure(steps, witness, body, pressure_body, surface)]
    if by_pressure == "across":
        return [_quarter_turn(steps)]
    against = _plates_against_pressure(steps)
    if against:
        return [_some_plates(steps, against)]
    order = _relation(_orders(steps))
    turned = any(f.code == "sign" and f.corrected for p in decided(findings) for f in p.findings)
    if body in ("opposite", "across"):
        return [_against_witness(steps, witness, body, by_pressure, forward, turned)]
    # markers are believed before what is stated, but what is stated says which axis becomes forward
    by_user = _relation([(s.push, stated) for s in steps]) if forward else ""
    if by_user in ("opposite", "across"):
        return [_against_witness(steps, "the stated forward", by_user, by_pressure, forward, turned)]
    return [_against_order(steps)] if order == "opposite" else []


def _witness(steps: Sequence[_Step], stated: Floats | None) -> tuple[str, Relation, Relation]:
    """Return who else knows the direction, and how push and centre of pressure relate to it."""
    if any(s.body is not None for s in steps):
        bodies = [s.body for s in steps]
        name = "the markers"
    elif stated is not None:
        bodies, name = [stated] * len(steps), "the stated forward"
    else:
        return "", "", ""
    push = _relation([(s.push, b) for s, b in zip(steps, bodies)])
    return name, push, _relation([(s.pressure, b) for s, b in zip(steps, bodies)])


def _relation(pairs: Sequence[tuple[Floats | None, Floats | None]]) -> Relation:
    """Return how directions relate in four of five steps; "" where they are too few or differ."""
    cosines = np.asarray(
        [float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))) for a, b in pairs if a is not None and b is not None]
    )
    if cosines.size < _FEWEST:
        return ""
    if np.mean(cosines < _OPPOSITE) >= _MOST:
        return "opposite"
    if cosines.size >= _FEWEST_ACROSS and np.mean(np.abs(cosines) < _ACROSS) >= _MOST:
        return "across"
    return "agrees" if np.mean(cosines > -_OPPOSITE) >= _MOST else ""


def _orders(steps: Sequence[_Step]) -> list[tuple[Floats | None, Floats | None]]:
    """Return push, and the way from each plate to the next one stepped on."""
    ordered = sorted(steps, key=lambda s: s.start_s)
    pairs: list[tuple[Floats | None, Floats | None]] = []
    for a, b in pairwise(ordered):
        if a.middle_m is None or b.middle_m is None or a.plate == b.plate:
            continue
        way = b.middle_m - a.middle_m
        if float(np.linalg.norm(way)) > _LEAST_TRAVEL_M and _PASS_S[0] < b.start_s - a.start_s < _PASS_S[1]:
            pairs += [(a.push, way), (b.push, way)]
    return pairs


def _plates_against_pressure(steps: Sequence[_Step]) -> list[str]:
    """Return the plates whose force contradicts the centre of pressure, where others agree with it; else none."""
    names = sorted({s.plate for s in steps})
    relations = {n: _relation([(s.push, s.pressure) for s in steps if s.plate == n]) for n in names}
    counts = {n: sum(s.plate == n for s in steps) for n in names}
    against = [n for n in names if relations[n] == "opposite" and counts[n] >= _FEWEST_CERTAIN]
    return against if "agrees" in relations.values() else []


def _axis(direction: Floats) -> str:
    """Return the axis that a direction is nearest to, ``"-x"``."""
    k = int(np.argmax(np.abs(direction)))
    return ("-" if direction[k] < 0 else "+") + "xyz"[k]


def _way(vectors: Sequence[Floats | None]) -> str:
    known = [v / np.linalg.norm(v) for v in vectors if v is not None]
    return _axis(np.mean(known, axis=0))


def _finding(
    code: Code, text: str, advice: str, done: str, steps: Sequence[_Step], *, certain: bool = False
) -> Finding:
    return Finding(
        code=code, severity="warning", text=f"{text}; {advice}", done=f"{text}; {done}" if done else "",
        value=float(len(steps)), unit="1", certain=certain,
    )  # fmt: skip


def _against_pressure(
    steps: Sequence[_Step], witness: str, body: Relation, pressure_body: Relation, surface: Surface | None
) -> Finding:
    count, way, doubt = len(steps), _way([s.push for s in steps]), _surface_doubt(steps, surface)
    if body == "agrees" and pressure_body == "opposite":
        text = (
            f"in {count} steps the centre of pressure travels against the walk, while braking and propulsion agree with"
            f" {witness}"
        )
        advice = f"check the sign of mx and my, and the order of the plate's corners{doubt}"
        return _finding("cop_direction", text, advice, "", steps)
    also = f", and {witness} with it" if body == "opposite" and pressure_body == "agrees" else ""
    text = (
        f"in {count} steps the horizontal force propels before it brakes, as seen along the travel of the centre of"
        f" pressure{also}: one of both is upside down (by the force the walk is towards {way})"
    )
    advice = f"check the sign of fx and fy in the file{doubt}, or ask to turn them (--correct horizontal)"
    return _finding("horizontal_sign", text, advice, "fx and fy were turned, as asked", steps)


def _some_plates(steps: Sequence[_Step], plates: Sequence[str]) -> Finding:
    """Return the finding on plates whose horizontal force is upside down beside others."""
    which = [s for s in steps if s.plate in plates]
    others = ", ".join(sorted({s.plate for s in steps} - set(plates)))
    text = (
        f"in {len(which)} steps on {', '.join(plates)} the horizontal force propels before it brakes, as seen along the"
        f" travel of the centre of pressure; on {others} it brakes first"
    )
    return _finding(
        "horizontal_sign", text, f"check the sign of fx and fy of {', '.join(plates)} in the file", "", which
    )


def _surface_doubt(steps: Sequence[_Step], surface: Surface | None) -> str:
    """Return the doubt that the surface is another one, where the centre of pressure travels as on that."""
    travel_m = float(np.median([np.linalg.norm(s.pressure) for s in steps if s.pressure is not None]))
    if surface == "treadmill" and travel_m < _FOOT_M:
        return ", and whether the surface is a treadmill"
    return ", and whether the surface is a floor" if surface == "overground" and travel_m > _SURE_FOOT_M else ""


def _quarter_turn(steps: Sequence[_Step]) -> Finding:
    text = (
        f"in {len(steps)} steps the horizontal force brakes and propels along {_way([s.push for s in steps])[1]}, at a"
        f" right angle to the travel of the centre of pressure (along {_way([s.pressure for s in steps])[1]})"
    )
    return _finding("horizontal_axes", text, "check whether fx and fy, or mx and my, are exchanged", "", steps)


def _against_witness(
    steps: Sequence[_Step], witness: str, relation: Relation, by_pressure: Relation, forward: str, turned: bool
) -> Finding:
    way = _way([s.push for s in steps])
    both = "the horizontal force and the centre of pressure show" if by_pressure == "agrees" else "braking shows"
    if witness == "the markers":
        certain = relation == "opposite" and by_pressure == "agrees" and len(steps) >= _FEWEST_CERTAIN
        seen = _way([s.body for s in steps])
        text = f"in {len(steps)} steps {both} a walk towards {way}, the markers one towards {seen}"
        advice = "the plates' corners are turned or exchanged, or their axes are not the markers'; check the corners"
        if relation == "across":
            return _finding("horizontal_axes", text, advice, "", steps)
        done = "the plates' horizontal axes were turned by half a turn"
        return _finding(
            "half_turn", text, f"{advice}, or ask to turn them (--correct horizontal)", done, steps, certain=certain
        )
    cause = "if only the file's fz is upside down, or the corners are turned" if turned else "if the corners are turned"
    text = f"in {len(steps)} steps {both} a walk towards {way}, but forward is stated as {forward}"
    if relation == "across":
        return _finding("horizontal_axes", text, f"state --forward={way}, or check the plates' corners", "", steps)
    advice = f"state --forward={way}; {cause}, ask to turn the horizontal axes (--correct horizontal)"
    return _finding("forward", text, advice, "the plates' horizontal axes were turned by half a turn, as asked", steps)


def _against_order(steps: Sequence[_Step]) -> Finding:
    way = _way([s.push for s in steps])
    text = (
        f"in {len(steps)} steps the horizontal force shows a walk towards {way}, but the plates are stepped on in the"
        " opposite order of their places"
    )
    return _finding("plate_order", text, "check whether the corners of the plates are exchanged or turned", "", steps)


def _steps(
    recording: Recording, findings: list[PlateFindings], weight_n: float, surface: Surface | None
) -> list[_Step]:
    """Return the steps that brake and propel, on every plate whose force is known in three axes."""
    streams, steps = recording.of_kind("force_plate"), []
    for plate in decided(findings):
        # a plate in another unit, or without any force, has no vertical
        if plate.plate not in streams or not plate.vertical:
            continue
        stream = treated(streams[plate.plate], plate)
        up = up_vector(str(stream.attrs.get("vertical", "")))
        if up is not None and all(f in stream for f in FORCES):
            steps += _steps_on(plate.plate, stream, up, weight_n, surface, recording)
    return steps


def _steps_on(
    name: str, stream: xr.Dataset, up: Floats, weight_n: float, surface: Surface | None, recording: Recording
) -> list[_Step]:
    load, time = vertical_force(stream), np.asarray(stream["time"].values, dtype=np.float64)
    force = _columns(stream, FORCES)
    cop = _columns(stream, ("cop_x", "cop_y", "cop_z")) if "cop_x" in stream else None
    corners = np.asarray(stream.attrs.get("corners_m", ()), dtype=np.float64).reshape(-1)
    middle = horizontal(corners.reshape(4, 3).mean(axis=0), up) if corners.size == 12 else None
    steps = []
    for a, b in true_runs(load > _LEVEL_BW * weight_n).tolist():
        whole = a > 0 and b < load.size and _STEP_S[0] < time[b - 1] - time[a] < _STEP_S[1]
        if not whole or load[a:b].max() < _LEAST_PEAK_BW * weight_n:
            continue
        push = push_direction(force[a:b], up)
        if push is None:
            continue
        travel = None if cop is None else pressure_travel(cop[a:b], load[a:b], up)
        body = _body_direction(recording, float(time[a]), float(time[b - 1]), up)
        steps.append(_Step(name, float(time[a]), push, _walk_of(travel, surface), body, middle))
    return steps


def _columns(stream: xr.Dataset, names: Sequence[str]) -> Floats:
    return np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in names], axis=1)


def _walk_of(travel: Floats | None, surface: Surface | None) -> Floats | None:
    """Return the direction of walking by the travel of a centre of pressure: a belt carries it backward."""
    length = 0.0 if travel is None else float(np.linalg.norm(travel))
    if travel is None or length < _LEAST_TRAVEL_M:
        return None
    if surface == "treadmill" or (surface is None and length > _FOOT_M):
        return -travel
    return travel if length < (_FOOT_M if surface == "overground" else _SURE_FOOT_M) else None


def _body_direction(recording: Recording, start_s: float, end_s: float, up: Floats) -> Floats | None:
    """Return where the markers go from start to end, else where the feet point; None where neither is seen."""
    for stream in recording.of_kind("landmarks").values():
        first, last = np.searchsorted(stream["time"].values, [start_s, end_s])
        position = np.asarray(stream["position"].values[first:last], dtype=np.float64)
        if len(position) < 2:
            continue
        moved = position[-1] - position[0]
        moved = moved[np.isfinite(moved).all(axis=1)]
        if len(moved):
            way = horizontal(np.median(moved, axis=0), up)
            if float(np.linalg.norm(way)) > _LEAST_SPEED_M_S * (end_s - start_s):
                return way
        feet = _feet_point(position, [str(n) for n in stream["position"]["landmark"].values], up)
        if feet is not None:
            return feet
    return None


def _feet_point(position: Floats, names: list[str], up: Floats) -> Floats | None:
    """Return the mean direction from heels to toes."""
    ways = []
    for parts in foot_landmarks(names).values():
        if "heel" in parts and "toe" in parts:
            heel, toe = (position[:, parts[p]].reshape(-1, 3) for p in ("heel", "toe"))
            heel, toe = (points[np.isfinite(points).all(axis=1)] for points in (heel, toe))
            if len(heel) and len(toe):
                ways.append(horizontal(toe.mean(axis=0) - heel.mean(axis=0), up))
    mean = np.mean(ways, axis=0) if ways else np.zeros(3)
    return np.asarray(mean) if float(np.linalg.norm(mean)) > _LEAST_TRAVEL_M else None
