"""A known mass, or somebody, standing on a plate: does it show their weight, straight down, where they stand."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..records import Recording
from ..signals.plates import plate_frame, upward
from ..units import G
from .plate_documents import LoadCheck, Vector

LOAD_SHARE = 0.02
"""Tolerance of the mean load, share of the weight; chosen by hand: makers state linearity and hysteresis of 0.2 to
0.5 % and cross-talk of 1 to 2 % of the load, scales are right to 0.1 kg."""
HORIZONTAL_SHARE = 0.03
"""Tolerance of the horizontal force, share of the weight; chosen by hand: cross-talk of 2 %, and a floor
not quite level."""
POINT_M = 0.01
"""Tolerance of the centre of pressure at a stated point; chosen by hand: makers state 2 to 5 mm, a weight is laid
down to some mm."""
NOT_DECIDED = "not decided: "
"""How a sentence begins on what a check leaves open."""
OFF_CENTRE_M = 2 * POINT_M
"""Distance of a stated point from the plate's middle from which on a centre of pressure that is mirrored, twice as far
off, is told from a right one; twice the tolerance."""
# Half-seconds whose force has an SD below this share of the weight are steady, and unloaded below this share of it;
# chosen by hand: a person who stands sways by 1 %
_PART_S, _STEADY, _EMPTY = 0.5, 0.02, 0.1
# Least steady time under load, s; chosen by hand: sway averages out over a second
_SHORTEST_S = 1.0


def check_load(recording: Recording, *, mass_kg: float, point_m: tuple[float, float] | None = None) -> LoadCheck:
    """Return what a mass on the most loaded plate showed, with a sentence for each thing beyond tolerance.

    Parameters
    ----------
    point_m
        Where it was set down, lab axes (x, y; the first two horizontal ones).

    Raises
    ------
    BadInputError
        If there is no plate, or it never bears a steady load.
    """
    found = [(name, *_loads(s)) for name, s in recording.of_kind("force_plate").items()]
    if not found:
        raise BadInputError("--check holds no force plate")
    name, stream, normal, forces = max(found, key=lambda plate: float(np.nanmax(np.abs(plate[3]), initial=0.0)))
    weight, size = mass_kg * G, max(2, round(_PART_S * float(stream.attrs["rate_hz"])))
    count = len(forces) // size
    parts = forces[: count * size].reshape(count, size, 3)
    # by the size of the whole force: with channels exchanged the load lies along another axis
    mean, steady = np.linalg.norm(parts.mean(axis=1), axis=1), (parts.std(axis=1) < _STEADY * weight).all(axis=1)
    empty = steady & (mean < _EMPTY * weight)
    loaded = steady & (mean > 0.5 * float(np.nanmax(mean, initial=0.0))) & ~empty
    if loaded.sum() * _PART_S < _SHORTEST_S:
        raise BadInputError(f"--check: {name} bears no steady load for {_SHORTEST_S:g} s; stand still on it")
    force = _mean(stream, ("fx", "fy", "fz"), loaded, size)
    if empty.any():
        force = force - _mean(stream, ("fx", "fy", "fz"), empty, size)
    vertical = float(force @ normal)
    aside = float(np.linalg.norm(force - vertical * normal))
    cop = _mean(stream, ("cop_x", "cop_y", "cop_z"), loaded, size)
    inside = _inside(cop, stream) if np.isfinite(cop).all() else None
    across = [k for k in range(3) if k != int(np.argmax(np.abs(normal)))]
    error = None if point_m is None or inside is None else float(np.hypot(*(cop[across] - np.asarray(point_m))))
    return LoadCheck(
        plate=name,
        mass_kg=mass_kg,
        load_n=vertical,
        expected_n=weight,
        horizontal_n=aside,
        seconds=float(loaded.sum()) * _PART_S,
        zeroed=bool(empty.any()),
        cop_m=_vector(cop) if inside is not None else None,
        inside=inside,
        error_m=error,
        failures=(*_failures(vertical, weight, aside, inside, error), *_negative(vertical, stream, normal, point_m)),
    )


def _failures(vertical: float, weight: float, aside: float, inside: bool | None, error: float | None) -> list[str]:
    off = abs(vertical) / weight - 1
    made = []
    if abs(off) > LOAD_SHARE:
        made.append(
            f"the load is {100 * off:+.1f} % off the weight (tolerance {100 * LOAD_SHARE:g} %): look at the matrix, its"
            " unit, the gain and the excitation"
        )
    if aside > HORIZONTAL_SHARE * weight:
        made.append(
            f"the horizontal force is {100 * aside / weight:.1f} % of the weight (tolerance"
            f" {100 * HORIZONTAL_SHARE:g} %): look at the order of the channels and the matrix"
        )
    if inside is False:
        made.append("the centre of pressure is beside the plate: look at moments, their unit, origin and corners")
    if error is not None and error > POINT_M:
        made.append(
            f"the centre of pressure is {1e3 * error:.0f} mm from the stated point (tolerance {1e3 * POINT_M:g} mm):"
            " look at corners, their order and the origin"
        )
    return made


def _negative(vertical: float, stream: xr.Dataset, normal: Floats, point_m: tuple[float, float] | None) -> list[str]:
    """Return what a negative load leaves open; nothing where it is right.

    A plate whose own Z points down shows the force on it, which is that on the foot turned round as a whole: right, and
    so is its centre of pressure. Were the sign of Fz alone wrong, the centre would be mirrored at the plate's middle.
    """
    if vertical >= 0:
        return []
    frame = plate_frame(np.asarray(stream.attrs["corners_m"], dtype=np.float64))
    if float(frame.axes[:, 2] @ normal) > 0:
        return [
            "the load is negative, and by the order of its corners the plate's own Z points up: the sign of Fz in"
            " channels or matrix is wrong, or the corners are in the order of a plate whose Z points down"
        ]
    across = [k for k in range(3) if k != int(np.argmax(np.abs(normal)))]
    if point_m is not None and np.hypot(*(frame.centre_m[across] - np.asarray(point_m))) >= OFF_CENTRE_M:
        return []
    return [
        f"{NOT_DECIDED}the load is negative. Either the sheet is right, Z points down and the file holds the force on"
        " the plate, or the sign of Fz is wrong; then the centre of pressure is mirrored. State where the mass stood,"
        f" {1e3 * OFF_CENTRE_M:.0f} mm or more from the plate's middle: --point X,Y"
    ]


def verdict(check: LoadCheck) -> str:
    """Return ``passed``, ``fault``, or ``not decided`` where nothing but that is open."""
    if not check.failures:
        return "passed"
    return "not decided" if all(text.startswith(NOT_DECIDED) for text in check.failures) else "fault"


def _loads(stream: xr.Dataset) -> tuple[xr.Dataset, Floats, Floats]:
    frame = plate_frame(np.asarray(stream.attrs["corners_m"], dtype=np.float64))
    normal = upward(frame, str(stream.attrs.get("vertical", "")))
    force = np.stack([np.asarray(stream[n].values, dtype=np.float64) for n in ("fx", "fy", "fz")], axis=1)
    return stream, normal, force


def _mean(stream: xr.Dataset, names: tuple[str, ...], parts: np.ndarray, size: int) -> Floats:
    """Return the mean of channels over the parts of a recording."""
    chosen = np.repeat(parts, size)
    values = [np.asarray(stream[n].values, dtype=np.float64)[: chosen.size][chosen] for n in names]
    return np.asarray([v[np.isfinite(v)].mean() if np.isfinite(v).any() else np.nan for v in values])


def _inside(cop: Floats, stream: xr.Dataset) -> bool:
    corners = np.asarray(stream.attrs["corners_m"], dtype=np.float64).reshape(4, 3)
    frame = plate_frame(corners)
    local = np.abs((cop - frame.centre_m) @ frame.axes)[:2]
    half = np.asarray([np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[0] - corners[3])]) / 2
    return bool((local <= half).all())


def _vector(values: Floats) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])
